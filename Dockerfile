# Two images for docker-compose.yml: the cable (`docker build .` builds this one), and the Board in TypeScript.
FROM node:24-slim AS base
ENV NODE_ENV=production
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev

FROM base AS web
ENV NODE_OPTIONS="--disable-warning=ExperimentalWarning --max-semi-space-size=8"
COPY backends/languages.json ./backends/
COPY backends/typescript ./backends/typescript
COPY client ./client
COPY web ./web
# A new volume takes over the owner of the folder it is mounted on, in whichever container comes first.
RUN mkdir /data && chown 1000:1000 /data
USER 1000:1000
CMD ["node", "web/main.ts"]

FROM base AS bundle
COPY LICENSE ./
COPY backends ./backends
COPY client ./client
COPY server ./server
COPY cli ./cli
COPY pack ./pack
COPY start/options.ts ./start/
RUN node pack/main.ts --files /package && du -sh /package

# It has no files of the Board, so that a change of the Board does not restart the cable, and no node_modules.
#
#   docker run -p 8080:8080 --env-file .env hotcable          docker run hotcable secret
#
# It writes no files, except for an outbox in SQLite: --read-only works. The database of that may be in a volume at /data.
FROM node:24-slim AS cable
ENV NODE_ENV=production ANYCABLE_HOST=0.0.0.0
COPY --from=bundle /package /app
# As in the other images: whichever container comes first gives a new volume its owner.
RUN mkdir /data && chown 1000:1000 /data
USER 1000:1000
WORKDIR /app
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["node", "/app/bin/hotcable.js", "health"]
ENTRYPOINT ["node", "--max-semi-space-size=8", "/app/bin/hotcable.js"]
CMD ["cable"]
