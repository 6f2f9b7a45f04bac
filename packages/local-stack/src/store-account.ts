/**
 * The account of the server whose folder holds the streams of a stack: `$G`, the account of a server without keys, or
 * `LOG`. A stack that gets keys, or is started without them again, moves the folder, so that it goes on with its log.
 */
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { LOG_ACCOUNT } from "@bioxen/auth";
import { Fault, messageOf } from "@bioxen/kernel";

/** Name of the account of a server without accounts. */
const OPEN_ACCOUNT = "$G";

/** Moves the streams in the store directory to the account that the server will use. The server must not run. */
export async function moveStreams(storeDir: string, hasKeys: boolean): Promise<void> {
  const [from, to] = hasKeys ? [OPEN_ACCOUNT, LOG_ACCOUNT] : [LOG_ACCOUNT, OPEN_ACCOUNT];
  const folderOf = (account: string) => join(storeDir, "jetstream", account);
  try {
    await rename(folderOf(from), folderOf(to));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return;
    const message =
      code === "ENOTEMPTY" || code === "EEXIST"
        ? `${storeDir} has streams of a stack with keys and of one without: move ${folderOf(from)} or ${folderOf(to)} away`
        : `the streams in ${folderOf(from)} cannot be moved: ${messageOf(cause)}`;
    throw new Fault("CONFLICT", message, { retryable: false, cause });
  }
}
