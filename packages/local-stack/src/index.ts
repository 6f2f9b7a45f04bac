export { SupervisedChild } from "./child.ts";
export { isStartedByNohup, watchLaunchers } from "./launchers.ts";
export * from "./pool.ts";
export { startServer } from "./server.ts";
export { findServerBinary, type ServerBinary } from "./server-binary.ts";
export {
  DEFAULT_CHASSIS,
  DEFAULT_STACK_TIME_SCALE,
  defaultedDataDir,
  type LocalStack,
  type LocalStackOptions,
  MAX_STACK_TIME_SCALE,
  SERVICES,
  type ServiceStatus,
  startLocalStack,
} from "./stack.ts";
export { type Stopped, stopLocalStack } from "./stop.ts";
