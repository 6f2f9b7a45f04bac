export * from "./bus.ts";
export * from "./discovery.ts";
export * from "./event-log.ts";
export * from "./fold-snapshots.ts";
export * from "./inbox.ts";
export * from "./leases.ts";
export * from "./outcomes.ts";
export * from "./streams.ts";
