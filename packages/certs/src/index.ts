export { type CertificateEntry, hasAuthority, showCertificates } from "./describe.ts";
export {
  addCertificates,
  DEFAULT_DAYS,
  type Initial,
  initCertificates,
  MAX_DAYS,
  type Renewal,
  type Renewed,
  renewCertificates,
  type Wanted,
} from "./directory.ts";
export type { Kind } from "./files.ts";
export * from "./inspect.ts";
export { LOCAL_NAMES } from "./names.ts";
