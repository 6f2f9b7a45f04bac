/**
 * `bioxen state --at`: VMs, ledgers and chassis as they were.
 */
import type { Command } from "commander";
import { integerOption } from "../parse.ts";
import { stateAt } from "../past.ts";
import { say, sayJson, withSession } from "../run.ts";
import { ledgerWords, pastChassisTable } from "./chassis.ts";
import { vmTable } from "./vm-words.ts";

/** Events between two looks at how far a long log has been read: about ten a second. */
const PROGRESS_EVERY = 10_000;

export function addStateCommand(program: Command): void {
  program
    .command("state")
    .description("VMs, ledgers and chassis as they were after an event, folded from the log alone")
    .requiredOption("--at <seq>", "sequence of the event, from 1 to the log's last", integerOption)
    .action(async ({ at }: { at: number }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const progress = progressOf(at);
        const { atMs, ...state } = await stateAt(await session.eventLog(), at, progress.seen);
        progress.end();
        if (json === true) return sayJson({ ok: true, ...state });
        say(`after #${at}, ${new Date(atMs).toISOString()}`);
        const ledgers = state.ledgers.map(ledgerWords);
        say([pastChassisTable(state.chassis), vmTable(state.vms, atMs), ...ledgers].join("\n\n"));
      });
    });
}

/** How far it is, redrawn on a terminal; diagnostics in a pipe stay clean. */
function progressOf(total: number): { seen(seq: number): void; end(): void } {
  if (process.stderr.isTTY !== true || total < PROGRESS_EVERY) {
    return { seen: () => undefined, end: () => undefined };
  }
  return {
    seen(seq) {
      if (seq % PROGRESS_EVERY === 0) process.stderr.write(`\r${seq} of ${total} events`);
    },
    end: () => void process.stderr.write("\r\u001b[K"),
  };
}
