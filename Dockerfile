# Two images from one build: `base` runs the gateway or the bot, `session-node` adds Chromium.
#   docker build --target base -t switchboard .
#   docker build --target session-node -t switchboard-session-node .

FROM node:20-bookworm-slim AS build
# better-sqlite3 is compiled where it has no ready-made binary.
RUN apt-get update \
  && apt-get install -y --no-install-recommends python3 make g++ \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
ENV PUPPETEER_SKIP_DOWNLOAD=true
COPY package.json package-lock.json .puppeteerrc.cjs ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:20-bookworm-slim AS base
ENV NODE_ENV=production \
  PUPPETEER_SKIP_DOWNLOAD=true \
  DATA_DIR=/data \
  HOST=0.0.0.0 \
  PORT=3000 \
  METRICS_HOST=0.0.0.0
WORKDIR /app
COPY --from=build /app/package.json /app/package-lock.json /app/.puppeteerrc.cjs ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/scripts/health.mjs scripts/health.mjs
RUN install -d -o node -g node -m 0700 /data
USER node
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "scripts/health.mjs", "gateway"]
CMD ["node", "dist/gateway/main.js"]

FROM base AS session-node
USER root
# Fonts: without them WhatsApp Web draws boxes in screenshots and in the pictures it makes of links.
RUN apt-get update \
  && apt-get install -y --no-install-recommends chromium fonts-liberation fonts-noto-color-emoji ffmpeg \
  && rm -rf /var/lib/apt/lists/*
USER node
ENV CHROMIUM_PATH=/usr/bin/chromium \
  NODE_LISTEN=0.0.0.0:50051
EXPOSE 50051
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "scripts/health.mjs", "session-node"]
CMD ["node", "dist/session-node/main.js"]
