# Two images for docker-compose.yml: the cable (`docker build .` builds this one), and the Board in TypeScript.
# The cable's image has no files of the Board, so that a change of the Board does not restart the cable.
FROM node:24-slim AS base
ENV NODE_ENV=production NODE_OPTIONS="--disable-warning=ExperimentalWarning --max-semi-space-size=8"
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM base AS web
COPY backends/languages.json ./backends/
COPY backends/typescript ./backends/typescript
COPY client ./client
COPY web ./web
# A new volume takes over the owner of the folder it is mounted on, in whichever container comes first.
RUN mkdir /data && chown 1000:1000 /data
USER 1000:1000
CMD ["node", "web/main.ts"]

FROM base AS cable
COPY client ./client
COPY server ./server
USER 1000:1000
CMD ["node", "server/main.ts"]
