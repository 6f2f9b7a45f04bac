/**
 * `bioxen vm history`: every event of a VM in words, with its cause.
 */
import type { ResultOf } from "@bioxen/contracts";
import type { EventEnvelope } from "@bioxen/kernel";
import type { Command } from "commander";
import { say, sayJson, withSession } from "../run.ts";
import { table } from "../terminal.ts";
import { causeOf, decidedBy, whatHappened } from "./event-words.ts";

type VmHistory = ResultOf<"vmHistory">["events"];

export function addHistoryCommand(vm: Command): void {
  vm.command("history <id>")
    .description(
      "list the events of a VM with the deciding service and the cause; #N is an event (`events show N`)",
    )
    .action(async (vmId: string, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.ask("vmHistory", { vmId });
        if (json === true) sayJson(reply);
        else say(historyWords(vmId, reply.events));
      });
    });
}

function historyWords(vmId: string, events: VmHistory): string {
  // The reply schema names only the fields that the history adds, but each event in the reply is also a whole envelope.
  const envelopes = events as unknown as readonly (EventEnvelope & VmHistory[number])[];
  const beginMs = Date.parse(envelopes[0]?.time ?? "");
  const rows = envelopes.map((event) => [
    `#${event.seq}`,
    elapsed(Date.parse(event.time) - beginMs),
    whatHappened(event),
    decidedBy(event),
    causeOf(event, event.causedBy),
  ]);
  const head = `${vmId}: ${envelopes.length} events since ${envelopes[0]?.time}`;
  return `${head}\n${table(["EVENT", "AFTER", "WHAT", "SERVICE", "WHY"], rows)}`;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Formats the time since the first event, in the largest unit that gives at least 1: "3 min", not "180 s". */
function elapsed(ms: number): string {
  if (ms < SECOND_MS) return `+${ms} ms`;
  if (ms < MINUTE_MS) return `+${(ms / SECOND_MS).toFixed(1)} s`;
  if (ms < HOUR_MS) return `+${(ms / MINUTE_MS).toFixed(1)} min`;
  return `+${(ms / HOUR_MS).toFixed(1)} h`;
}
