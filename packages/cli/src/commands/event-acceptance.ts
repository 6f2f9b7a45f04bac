/**
 * `bioxen events accept-older-log`: accepts the loss of events from the event log, so that services can start again. It
 * is for a server that was not started by `bioxen up`.
 */
import { acceptLog } from "@bioxen/nats";
import type { Command } from "commander";
import { recordFileOf } from "../log-inspection.ts";
import { say, sayJson, withSession } from "../run.ts";

export function addAcceptance(events: Command): void {
  events
    .command("accept-older-log")
    .description(
      "go on with a log that has lost events, or is another one than it was; then start the services",
    )
    .action(async (_options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const damage = await acceptLog({ bus: session.bus, file: await recordFileOf(session) });
        if (json === true)
          sayJson({ ok: true, changed: damage !== undefined, accepted: damage?.problem ?? null });
        else say(damage === undefined ? "the event log is as it was known" : `accepted: ${damage.problem}`);
      });
    });
}
