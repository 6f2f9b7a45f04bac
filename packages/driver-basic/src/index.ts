export { type BasicDriver, type BasicDriverOptions, createBasicDriver } from "./basic-driver.ts";
export {
  DEFAULT_EXEC_TIMEOUT_MS,
  DEFAULT_TIME_SCALE,
  MAX_EXEC_TIMEOUT_MS,
  MAX_SOURCE_BYTES,
  MAX_TIME_SCALE,
} from "./limits.ts";
