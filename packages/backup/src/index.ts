export { type CreateOptions, createBackup } from "./create.ts";
export { BackupDirectory, BackupProblem, LOCK_FILE } from "./directory.ts";
export { MIN_PASSPHRASE, readPassphrase, restoreKeys, writeKeys } from "./keys.ts";
export { type BackupFile, filesOf, type Manifest, type StreamPart } from "./manifest.ts";
export { type Restored, type RestoreOptions, restoreBackup } from "./restore.ts";
export { datedName, MAX_KEPT_BACKUPS, removeOlderBackups } from "./retention.ts";
export type { StepListener } from "./steps.ts";
export { BACKED_UP_STREAMS } from "./streams.ts";
export { type Verification, verifyBackup } from "./verify.ts";
