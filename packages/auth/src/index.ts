export { Account } from "./account.ts";
export { LOG_ACCOUNT } from "./accounts.ts";
export { type KeyDirectory, type KeyDirectoryOptions, openKeyDirectory } from "./key-directory.ts";
export type { KeyRing, Principal } from "./key-ring.ts";
export { FEED_DELIVERY, LOG_API, STORED_EVENTS } from "./provisioning.ts";
export { renderAccounts } from "./render.ts";
export { accountsConfig, accountsFor } from "./server-config.ts";
export { type StorageAccess, storageOf } from "./storage-access.ts";
