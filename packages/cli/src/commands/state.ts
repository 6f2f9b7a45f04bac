/**
 * `bioxen state`: shows the VMs, ledgers and chassis as they were after an event of the log, by default the last.
 */
import type { Command } from "commander";
import { sequenceOption } from "../parse.ts";
import { stateAt } from "../past.ts";
import { Progress } from "../progress.ts";
import { wallClock } from "../quantities.ts";
import { say, sayJson, withSession } from "../run.ts";
import { ledgerWords, pastChassisTable } from "./chassis-words.ts";
import { vmTable } from "./vm-words.ts";

export function addStateCommand(program: Command): void {
  program
    .command("state")
    .description("show VMs, ledgers and chassis after an event of the log, folded from the log alone")
    .option("--at <seq>", "sequence of the event; default: the last of the log", sequenceOption)
    .action(async (options: { at?: number }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const log = await session.eventLog();
        const at = options.at ?? (await log.lastSeq());
        const progress = new Progress((seq) => `${seq} of ${at} events`);
        const { atMs, ...state } = await stateAt(log, at, {
          stallMs: session.timeoutMs,
          onProgress: (seq) => progress.seen(seq),
        });
        progress.end();
        if (json === true) return sayJson({ ok: true, ...state });
        if (at === 0) return say("the log is empty");
        say(`after #${at}, ${wallClock(atMs)}`);
        const ledgers = state.ledgers.map(ledgerWords);
        say([pastChassisTable(state.chassis), vmTable(state.vms, atMs), ...ledgers].join("\n\n"));
      });
    });
}
