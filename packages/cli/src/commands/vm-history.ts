/**
 * `bioxen vm history`: every event of a VM in words, with its cause.
 */

import type { ResultOf } from "@bioxen/contracts";
import type { EventEnvelope } from "@bioxen/kernel";
import type { Command } from "commander";
import { duration, wallClock } from "../quantities.ts";
import { say, sayJson, withSession } from "../run.ts";
import { type Column, table } from "../table.ts";
import { decidedBy, principalsOf } from "./event-principals.ts";
import { causeOf, whatHappened } from "./event-words.ts";

type VmHistory = ResultOf<"vmHistory">["events"];

export function addHistoryCommand(vm: Command): void {
  vm.command("history <id>")
    .description(
      "list the events of a VM with the deciding service, the principal and the cause; #N is an event (`events show N`)",
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
  const hasPrincipals = envelopes.some((event) => principalsOf(event) !== "");
  const rows = envelopes.map((event) => [
    `#${event.seq}`,
    `+${duration(Date.parse(event.time) - beginMs)}`,
    whatHappened(event),
    decidedBy(event),
    ...(hasPrincipals ? [principalsOf(event)] : []),
    causeOf(event, event.causedBy),
  ]);
  const head = `${vmId}: ${envelopes.length} events since ${wallClock(beginMs)}`;
  return `${head}\n${table(columnsOf(hasPrincipals), rows)}`;
}

function columnsOf(hasPrincipals: boolean): readonly Column[] {
  return [
    { head: "EVENT" },
    { head: "AFTER", importance: 2 },
    { head: "WHAT", wraps: true },
    { head: "SERVICE", importance: 1 },
    ...(hasPrincipals ? [{ head: "PRINCIPAL", importance: 4 }] : []),
    { head: "WHY", wraps: true, importance: 3 },
  ];
}
