export { SupervisedChild } from "./child.ts";
export * from "./pool.ts";
export { startServer } from "./server.ts";
export { findServerBinary, type ServerBinary } from "./server-binary.ts";
export {
  DEFAULT_CHASSIS,
  DEFAULT_STACK_TIME_SCALE,
  type LocalStack,
  type LocalStackOptions,
  SERVICES,
  type ServiceStatus,
  startLocalStack,
} from "./stack.ts";
