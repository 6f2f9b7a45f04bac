# One image per service: `docker build --target lifecycle .`, from an installed workspace (`npx -y pnpm@10.34.9 install`). No step
# needs the network, a shell or a package manager: Node runs the TypeScript sources and strips types at load.
ARG NODE_IMAGE=node:24.11.1-bookworm-slim

FROM ${NODE_IMAGE} AS workspace
WORKDIR /workspace
COPY package.json ./
COPY node_modules node_modules
COPY packages packages
COPY services services
COPY deploy/production-tree.ts deploy/production-tree.ts
RUN ["node", "deploy/production-tree.ts", ".", "/out", "services/lifecycle", "services/allocator", "services/chassis-scheduler", "services/monitor", "services/chassis-agent", "packages/cli"]

# The base of all services. They write only to /tmp, so the root file system may be read-only.
FROM ${NODE_IMAGE} AS service
WORKDIR /app
ENV NODE_ENV=production NODE_COMPILE_CACHE=/tmp/compile-cache BIOXEN_NATS_URL=nats://nats:4222 BIOXEN_HTTP=0.0.0.0:9464
USER 1000:1000
STOPSIGNAL SIGTERM
# Healthy: the service has caught up with the log and answers.
HEALTHCHECK --interval=2s --timeout=5s --start-period=60s --retries=15 CMD ["node", "-e", "fetch('http://127.0.0.1:9464/ready').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node"]

FROM service AS lifecycle
COPY --from=workspace /out/services/lifecycle ./
CMD ["services/lifecycle/main.ts"]

FROM service AS allocator
COPY --from=workspace /out/services/allocator ./
CMD ["services/allocator/main.ts"]

FROM service AS chassis-scheduler
COPY --from=workspace /out/services/chassis-scheduler ./
CMD ["services/chassis-scheduler/main.ts"]

FROM service AS monitor
COPY --from=workspace /out/services/monitor ./
CMD ["services/monitor/main.ts"]

FROM service AS chassis-agent
COPY --from=workspace /out/services/chassis-agent ./
CMD ["services/chassis-agent/main.ts"]

# `docker compose run --rm cli vm ls`
FROM ${NODE_IMAGE} AS cli
WORKDIR /app
ENV NODE_ENV=production NODE_COMPILE_CACHE=/tmp/compile-cache BIOXEN_NATS_URL=nats://nats:4222
USER 1000:1000
COPY --from=workspace /out/packages/cli ./
# Profile xcpng mounts a volume here. The volume inherits the owner of this folder, so this user can write to it.
COPY --chown=1000:1000 deploy/pool-secrets /run/pool
ENTRYPOINT ["node", "packages/cli/src/main.ts"]
CMD ["--help"]
