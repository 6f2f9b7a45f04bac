export type { TlsMode } from "./certificates.ts";
export { SupervisedChild } from "./child.ts";
export * from "./defaults.ts";
export { DirectoryLock } from "./directory-lock.ts";
export { withKeysLocked } from "./key-lock.ts";
export { isStartedByNohup, watchLaunchers } from "./launchers.ts";
export { changeKeys, type LiveKeys } from "./live-keys.ts";
export { makeDataDirectory, type NewData } from "./new-data.ts";
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
export { KEYS, provision } from "./stack-keys.ts";
export { type Stopped, stopLocalStack } from "./stop.ts";
export { moveStreams } from "./store-account.ts";
