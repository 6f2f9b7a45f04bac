# One image per service: `docker build --target lifecycle .`. The dependencies are those of pnpm-lock.yaml, checked by their digests; nothing of
# the host's node_modules is used. Node runs the TypeScript sources and strips types at load.
#
# The version of Node is that of the tests (optionalDependencies in package.json); `node deploy/images.ts check` compares them.
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

# The files of the web console, which are the same on every platform. The bundler is in this stage only.
FROM --platform=${BUILDPLATFORM:-linux/amd64} ${NODE_IMAGE} AS console
WORKDIR /workspace
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY packages packages
RUN ["npx", "-y", "pnpm@10.34.9", "install", "--frozen-lockfile", "--filter", "@bioxen/console..."]
COPY tsconfig.base.json ./
RUN ["node", "packages/console/scripts/build.ts", "/out"]

# The dependencies are JavaScript without native parts, so one build of this stage serves every platform.
FROM --platform=${BUILDPLATFORM:-linux/amd64} ${NODE_IMAGE} AS workspace
WORKDIR /workspace
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml ./
COPY packages packages
COPY services services
RUN ["npx", "-y", "pnpm@10.34.9", "install", "--frozen-lockfile", "--prod", "--no-optional", "--filter", "./services/*...", "--filter", "@bioxen/cli..."]
COPY --from=console /out packages/console/dist
COPY deploy/production-tree.ts deploy/production-tree.ts
RUN ["node", "deploy/production-tree.ts", ".", "/out", "services/lifecycle", "services/allocator", "services/chassis-scheduler", "services/monitor", "services/experiments", "services/chassis-agent", "services/gateway", "packages/cli"]

# The base of all services. They write only to /tmp, so the root file system may be read-only.
FROM ${NODE_IMAGE} AS service
WORKDIR /app
ENV NODE_ENV=production NODE_COMPILE_CACHE=/tmp/compile-cache BIOXEN_NATS_URL=nats://nats:4222 BIOXEN_HTTP=0.0.0.0:9464
USER 1000:1000
STOPSIGNAL SIGTERM
# Healthy: the service has caught up with the log and answers. bash, and not Node, asks: 2 ms of processor time instead of 46.
HEALTHCHECK --interval=2s --timeout=5s --start-period=60s --retries=15 CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9464 && printf 'GET /ready HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
LABEL org.opencontainers.image.licenses="Apache-2.0" org.opencontainers.image.vendor="BioXen" org.opencontainers.image.version="0.2.0"
ENTRYPOINT ["node"]

FROM service AS lifecycle
LABEL org.opencontainers.image.title="bioxen/lifecycle" org.opencontainers.image.description="BioXen: the VMs and their states"
COPY --from=workspace /out/services/lifecycle ./
CMD ["services/lifecycle/main.ts"]

FROM service AS allocator
LABEL org.opencontainers.image.title="bioxen/allocator" org.opencontainers.image.description="BioXen: the ledgers of the chassis, and quotas"
COPY --from=workspace /out/services/allocator ./
CMD ["services/allocator/main.ts"]

FROM service AS chassis-scheduler
LABEL org.opencontainers.image.title="bioxen/chassis-scheduler" org.opencontainers.image.description="BioXen: placement of VMs on chassis"
COPY --from=workspace /out/services/chassis-scheduler ./
CMD ["services/chassis-scheduler/main.ts"]

FROM service AS monitor
LABEL org.opencontainers.image.title="bioxen/monitor" org.opencontainers.image.description="BioXen: telemetry, metrics and alerts"
COPY --from=workspace /out/services/monitor ./
CMD ["services/monitor/main.ts"]

FROM service AS experiments
LABEL org.opencontainers.image.title="bioxen/experiments" org.opencontainers.image.description="BioXen: experiments with many VMs"
COPY --from=workspace /out/services/experiments ./
CMD ["services/experiments/main.ts"]

FROM service AS chassis-agent
LABEL org.opencontainers.image.title="bioxen/chassis-agent" org.opencontainers.image.description="BioXen: runs the VMs of its chassis"
COPY --from=workspace /out/services/chassis-agent ./
CMD ["services/chassis-agent/main.ts"]

# The gateway knows a request by its header Host, also that of the health check.
FROM service AS gateway
LABEL org.opencontainers.image.title="bioxen/gateway" org.opencontainers.image.description="BioXen: the HTTP API and the web console"
COPY --from=workspace /out/services/gateway ./
HEALTHCHECK --interval=2s --timeout=5s --start-period=60s --retries=15 CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/7480 && printf 'GET /ready HTTP/1.0\\r\\nHost: 127.0.0.1:7480\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
EXPOSE 7480
CMD ["services/gateway/main.ts"]

# `docker compose run --rm cli vm ls`
FROM ${NODE_IMAGE} AS cli
WORKDIR /app
ENV NODE_ENV=production NODE_COMPILE_CACHE=/tmp/compile-cache BIOXEN_NATS_URL=nats://nats:4222
USER 1000:1000
LABEL org.opencontainers.image.title="bioxen/cli" org.opencontainers.image.description="BioXen: the bioxen command" org.opencontainers.image.licenses="Apache-2.0" org.opencontainers.image.vendor="BioXen" org.opencontainers.image.version="0.2.0"
COPY --from=workspace /out/packages/cli ./
# Profile xcpng mounts a volume here. The volume inherits the owner of this folder, so this user can write to it.
COPY --chown=1000:1000 deploy/pool-secrets /run/pool
ENTRYPOINT ["node", "packages/cli/src/main.ts"]
CMD ["--help"]
