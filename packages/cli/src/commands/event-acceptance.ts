/**
 * `bioxen events accept-older-log`: accepts the loss of events from the event log, so that services can start again. It
 * is for a server that was not started by `bioxen up`.
 */
import { Fault, messageOf } from "@bioxen/kernel";
import { acceptLog } from "@bioxen/nats";
import type { Command } from "commander";
import { recordFileOf } from "../log-inspection.ts";
import { say, sayJson, withSession } from "../run.ts";
import type { GlobalOptions, Session } from "../session.ts";

export function addAcceptance(events: Command): void {
  events
    .command("accept-older-log")
    .description(
      "go on with a log that has lost events, or is another one than it was; then start the services",
    )
    .action(async (_options, command: Command) => {
      const body = async (session: Session, { json }: GlobalOptions) => {
        const place = { bus: session.bus, file: await recordFileOf(session) };
        const damage = await acceptLog(place).catch((cause: unknown) => {
          if (cause instanceof Fault) throw cause;
          const message = `cannot read the event log of the server: ${messageOf(cause)}`;
          throw new Fault("UNAVAILABLE", message, { retryable: true, cause });
        });
        if (json === true)
          sayJson({ ok: true, changed: damage !== undefined, accepted: damage?.problem ?? null });
        else say(damage === undefined ? "the event log is as it was known" : `accepted: ${damage.problem}`);
      };
      // No principal may write the record of the log.
      await withSession(command, body, { as: "provisioner" });
    });
}
