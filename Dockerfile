# The cable and the Board in TypeScript: one image, two commands (see docker-compose.yml).
FROM node:24-slim
ENV NODE_ENV=production NODE_OPTIONS="--disable-warning=ExperimentalWarning --max-semi-space-size=8"
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev
COPY server ./server
COPY backends/typescript ./backends/typescript
COPY web ./web
# A new volume takes over the owner of the folder it is mounted on, in whichever container comes first.
RUN mkdir /data && chown 1000:1000 /data
USER 1000:1000
CMD ["node", "server/main.ts"]
