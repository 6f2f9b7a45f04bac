export { type StorageAccess, storageOf } from "./storage-access.ts";
