/**
 * `bioxen vm migrate`: requests or cancels a migration, waits until it is decided, and shows the result.
 */
import type { VmView } from "@bioxen/contracts";
import type { Command } from "commander";
import { type VersionOptions, versionOf, withExpectedVersion } from "../expected-version.ts";
import { CommandEnd, EXIT_REFUSED } from "../outcome.ts";
import { given } from "../parse.ts";
import { say, sayJson, withSession } from "../run.ts";
import { waitFor } from "./vm-start.ts";

export function addMigrateCommand(vm: Command): void {
  withExpectedVersion(vm.command("migrate <id>"))
    .description("move a VM to another chassis: bioxen vm migrate cell-1 --to yeast-1")
    .option("--to <chassis>", "target chassis; default: the best one with room")
    .option("--cancel", "cancel the migration, unless the guest has been handed over")
    .action(
      async (vmId: string, options: { to?: string; cancel?: boolean } & VersionOptions, command: Command) => {
        await withSession(command, async (session, { json }) => {
          const reply =
            options.cancel === true
              ? await session.ask("vmCancelMigration", { vmId, ...versionOf(options) })
              : await session.ask("vmMigrate", {
                  ...given({ vmId, chassisId: options.to }),
                  ...versionOf(options),
                });
          const from = reply.vm.chassisId;
          const settled = await waitFor(session, reply.vm, isSettled);
          if (json === true) sayJson({ ok: true, changed: reply.changed, vm: settled });
          else say(words(settled, reply.changed, from));
          const stays = settled.migration === null && settled.chassisId === from;
          const failed = reply.changed && options.cancel !== true && stays;
          if (failed) throw new CommandEnd(EXIT_REFUSED, json === true ? "" : `${vmId} was not moved`);
        });
      },
    );
}

/** Returns whether the migration is decided: it has ended, or the VM reports why it waits for a chassis. */
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
    return `${vmId} runs on ${chassisId} until another chassis has room: ${why}`;
  }
  if (!changed) return `${vmId} is ${state} on ${chassisId} (no change)`;
  return chassisId === from
    ? `${vmId} is ${state} on ${chassisId}: ${reason ?? "not moved"}`
    : `${vmId} is ${state} on ${chassisId}`;
}
