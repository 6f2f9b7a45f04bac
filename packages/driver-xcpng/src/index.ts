export { capacityOf, type PoolCapacity } from "./driver/capacity.ts";
export { cellNeeds } from "./driver/cell-settings.ts";
export {
  DEFAULT_POOL_CHASSIS,
  DEFAULT_TEMPLATE,
  POOL_VARIABLES,
  type PoolConfiguration,
  poolConfiguration,
} from "./driver/configuration.ts";
export type { XcpngDriver, XcpngDriverOptions } from "./driver/driver-options.ts";
export { explainAccess } from "./driver/failures.ts";
export type { MachineOwner } from "./driver/ownership.ts";
export { checkPool, type PoolCheck } from "./driver/pool-check.ts";
export type { SshSettings } from "./driver/programs.ts";
export { createXcpngDriver } from "./driver/xcpng-driver.ts";
export { type Credentials, XapiClient, type XapiClientOptions } from "./xapi/client.ts";
export { XapiError, XapiUnreachable } from "./xapi/errors.ts";
export { SessionFile } from "./xapi/session-file.ts";
export { normalFingerprint, parsePins, type Trust } from "./xapi/trust.ts";
