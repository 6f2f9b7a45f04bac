/**
 * `bioxen vm history`: what happened to a VM, and why, as a story.
 */
import type { ResultOf } from "@bioxen/contracts";
import type { EventEnvelope } from "@bioxen/kernel";
import type { Command } from "commander";
import { say, sayJson, withSession } from "../run.ts";
import { table } from "../terminal.ts";
import { whatHappened, whoDecided, whyItHappened } from "./event-words.ts";

type VmHistory = ResultOf<"vmHistory">["events"];

export function addHistoryCommand(vm: Command): void {
  vm.command("history <id>")
    .description(
      "what happened to a VM, who decided it, and why; #N is an event of the log (`events show N`)",
    )
    .action(async (vmId: string, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.ask("vmHistory", { vmId });
        if (json === true) sayJson(reply);
        else say(storyOf(vmId, reply.events));
      });
    });
}

function storyOf(vmId: string, events: VmHistory): string {
  // The reply schema names only the fields that history adds; each event is a whole envelope besides.
  const told = events as unknown as readonly (EventEnvelope & VmHistory[number])[];
  const beginMs = Date.parse(told[0]?.time ?? "");
  const rows = told.map((event) => [
    `#${event.seq}`,
    after(Date.parse(event.time) - beginMs),
    whatHappened(event),
    whoDecided(event),
    whyItHappened(event, event.causedBy),
  ]);
  const head = `${vmId}: ${told.length} events since ${told[0]?.time}`;
  return `${head}\n${table(["EVENT", "AFTER", "WHAT", "WHO", "WHY"], rows)}`;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** How long after the first event: as fine as a person compares it. */
function after(ms: number): string {
  if (ms < SECOND_MS) return `+${ms} ms`;
  if (ms < MINUTE_MS) return `+${(ms / SECOND_MS).toFixed(1)} s`;
  if (ms < HOUR_MS) return `+${(ms / MINUTE_MS).toFixed(1)} min`;
  return `+${(ms / HOUR_MS).toFixed(1)} h`;
}
