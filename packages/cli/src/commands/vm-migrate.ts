/**
 * `bioxen vm migrate`: asks for a move and shows what came of it.
 */
import type { VmView } from "@bioxen/contracts";
import type { Command } from "commander";
import { CommandEnd, EXIT_REFUSED } from "../outcome.ts";
import { given } from "../parse.ts";
import { say, sayJson, withSession } from "../run.ts";
import { waitFor } from "./vm-start.ts";

export function addMigrateCommand(vm: Command): void {
  vm.command("migrate <id>")
    .description("run elsewhere: bioxen vm migrate cell-1 --to yeast-1")
    .option("--to <chassis>", "this chassis; default: wherever there is room")
    .option("--cancel", "stay where it is, unless it was handed over already")
    .action(async (vmId: string, options: { to?: string; cancel?: boolean }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply =
          options.cancel === true
            ? await session.ask("vmCancelMigration", { vmId })
            : await session.ask("vmMigrate", given({ vmId, chassisId: options.to }));
        const from = reply.vm.chassisId;
        const settled = await waitFor(session, reply.vm, isSettled);
        if (json === true) sayJson({ ok: true, changed: reply.changed, vm: settled });
        else say(words(settled, reply.changed, from));
        const stays = settled.migration === null && settled.chassisId === from;
        const failed = reply.changed && options.cancel !== true && stays;
        if (failed) throw new CommandEnd(EXIT_REFUSED, json === true ? "" : `${vmId} was not moved`);
      });
    });
}

/** It moved, stays, or waits and was told why. */
function isSettled({ migration, state }: VmView): boolean {
  return migration === null
    ? state !== "starting"
    : migration.target === null && migration.refusals.length > 0;
}

function words(
  { vmId, state, chassisId, reason, migration }: VmView,
  changed: boolean,
  from: string | null,
): string {
  if (migration !== null) {
    const why = migration.refusals.map((r) => `${r.chassisId ?? "cluster"}: ${r.message}`).join("; ");
    return `${vmId} runs on ${chassisId} until there is a place: ${why}`;
  }
  if (!changed) return `${vmId} is ${state} on ${chassisId} (nothing to do)`;
  return chassisId === from
    ? `${vmId} is ${state} on ${chassisId}: ${reason ?? "it stays"}`
    : `${vmId} is ${state} on ${chassisId}`;
}
