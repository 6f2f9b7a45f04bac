export type { TlsMode } from "./certificates.ts";
export { SupervisedChild } from "./child.ts";
export * from "./defaults.ts";
export { isStartedByNohup, watchLaunchers } from "./launchers.ts";
export * from "./pool.ts";
export { startServer } from "./server.ts";
export { findServerBinary, type ServerBinary } from "./server-binary.ts";
export type { WebSocketOptions } from "./server-config.ts";
export {
  defaultedDataDir,
  type LocalStack,
  type LocalStackOptions,
  SERVICES,
  type ServiceStatus,
  startLocalStack,
} from "./stack.ts";
export { type Stopped, stopLocalStack } from "./stop.ts";
