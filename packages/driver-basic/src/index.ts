export { createBasicDriver } from "./basic-driver.ts";
export type { BasicDriver, BasicDriverOptions } from "./basic-driver-options.ts";
export { cellModelDeclaration } from "./cell-declaration.ts";
export {
  DEFAULT_EXEC_TIMEOUT_MS,
  DEFAULT_TIME_SCALE,
  MAX_EXEC_TIMEOUT_MS,
  MAX_SOURCE_BYTES,
  MAX_TIME_SCALE,
} from "./limits.ts";
export { createThreadedDriver, type ThreadedDriverOptions, type ThreadModel } from "./threaded-driver.ts";
