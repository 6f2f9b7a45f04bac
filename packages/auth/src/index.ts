export { Account } from "./account.ts";
export { LOG_ACCOUNT } from "./accounts.ts";
export { addCode, addToken, CODE_MS, type TokenEntry, validTokens } from "./gateway-grants.ts";
export {
  addKey,
  entriesOf,
  entryNamed,
  type Grace,
  type KeyChange,
  type NewKey,
  revokeKey,
  rotateKey,
} from "./key-changes.ts";
export { type KeyDirectory, type KeyDirectoryOptions, openKeyDirectory } from "./key-directory.ts";
export {
  type KeyEntry,
  KeyFiles,
  readEntries,
  type ServiceKey,
  serviceKeyName,
  serviceNamed,
} from "./key-files.ts";
export type { KeyRing, Principal } from "./key-ring.ts";
export { FEED_DELIVERY, LOG_API, STORED_EVENTS } from "./provisioning.ts";
export { renderAccounts } from "./render.ts";
export { KEY_ROLES, type KeyRole } from "./roles.ts";
export { makeSecretDirectory, writeSecret } from "./secret-files.ts";
export { CREDENTIALS_FILE, fillSecretFolders } from "./secret-folders.ts";
export { accountsConfig, accountsFor } from "./server-config.ts";
export { type StorageAccess, storageOf } from "./storage-access.ts";
