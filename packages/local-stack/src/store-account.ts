/**
 * The account of the server whose folder holds the streams of a stack: `$G`, the account of a server without keys, or
 * `LOG`. A stack that gets keys, or is started without them again, moves the folder, so that it goes on with its log.
 */
import { access, rename } from "node:fs/promises";
import { join } from "node:path";
import { LOG_ACCOUNT } from "@bioxen/auth";
import { Fault, messageOf } from "@bioxen/kernel";

/** Name of the account of a server without accounts. */
const OPEN_ACCOUNT = "$G";
/** Folder in which the servers of a cluster keep which streams each account has, below the system account. */
const CLUSTER_STATE = "_js_";
const SYSTEM_ACCOUNTS = ["$SYS", "SYS"];

/**
 * Moves the streams in the store directory to the account that the server will use. The server must not run. Throws
 * `Fault` CONFLICT, and moves nothing, when the other account has streams too, and for a server of a cluster: a cluster
 * knows its streams by their account, so that it would remove the moved ones.
 */
export async function moveStreams(storeDir: string, hasKeys: boolean): Promise<void> {
  const [from, to] = hasKeys ? [OPEN_ACCOUNT, LOG_ACCOUNT] : [LOG_ACCOUNT, OPEN_ACCOUNT];
  const folderOf = (account: string) => join(storeDir, "jetstream", account);
  await refuseCluster(folderOf, from, hasKeys);
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

async function refuseCluster(
  folderOf: (account: string) => string,
  from: string,
  hasKeys: boolean,
): Promise<void> {
  if (!(await exists(folderOf(from)))) return;
  for (const account of SYSTEM_ACCOUNTS) {
    if (!(await exists(join(folderOf(account), CLUSTER_STATE)))) continue;
    const message = `${folderOf(from)} has streams of a cluster ${hasKeys ? "without" : "with"} keys, which cannot be moved: start it as before, or move its store away`;
    throw new Fault("CONFLICT", message, { retryable: false });
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
