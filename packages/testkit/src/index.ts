export * from "./event-log-contract.ts";
export * from "./events.ts";
export * from "./eventually.ts";
export * from "./fake-clock.ts";
export * from "./leases-contract.ts";
export * from "./memory-event-log.ts";
export * from "./memory-leases.ts";
export * from "./nats-server.ts";
