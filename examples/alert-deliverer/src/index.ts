/**
 * An alert deliverer of one's own: every notification is a line of JSON in a file, which a mailer or a pager's agent may follow.
 *
 * `BIOXEN_ALERT_DELIVERERS=file=@bioxen-examples/alert-deliverer` with `ALERT_FILE=/var/log/bioxen-alerts.jsonl` makes the monitor use it.
 */
import { appendFile } from "node:fs/promises";
import type { AlertDeliverer } from "@bioxen/contracts";

export interface Options {
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What the monitor calls once, before it begins. Throws when the configuration lacks the file. */
export function createAlertDeliverer({ env }: Options): AlertDeliverer {
  const path = env["ALERT_FILE"];
  if (path === undefined || path === "") throw new Error("ALERT_FILE names no file");
  return {
    async deliver(notification) {
      try {
        await appendFile(path, `${JSON.stringify(notification)}\n`);
        return { kind: "taken" };
      } catch (thrown) {
        // A disk that is full or a folder that is not mounted may be well again soon.
        return { kind: "failed", reason: String(thrown), permanent: false };
      }
    },
  };
}
