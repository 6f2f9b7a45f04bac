/**
 * An example alert deliverer: it appends every notification as a JSON line to a file, which a mailer or pager can
 * follow.
 *
 * `BIOXEN_ALERT_DELIVERERS=file=@bioxen-examples/alert-deliverer` selects this deliverer in the monitor, and
 * `ALERT_FILE=/var/log/bioxen-alerts.jsonl` names the file.
 */
import { appendFile } from "node:fs/promises";
import type { AlertDeliverer } from "@bioxen/contracts";

export interface Options {
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Returns the deliverer. The monitor calls this function once at its start. Throws if `ALERT_FILE` is not set. */
export function createAlertDeliverer({ env }: Options): AlertDeliverer {
  const path = env["ALERT_FILE"];
  if (path === undefined || path === "") throw new Error("ALERT_FILE names no file");
  return {
    async deliver(notification) {
      try {
        await appendFile(path, `${JSON.stringify(notification)}\n`);
        return { kind: "taken" };
      } catch (thrown) {
        // A full disk or an unmounted folder may be available again soon, so the failure is not permanent.
        return { kind: "failed", reason: String(thrown), permanent: false };
      }
    },
  };
}
