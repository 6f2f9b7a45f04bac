/**
 * `vm snapshot`, `vm snapshots`, `vm restore`, `vm fork`: stored states of guests.
 */

import type { Accepted } from "@bioxen/client";
import type { ResultOf, VmView } from "@bioxen/contracts";
import type { Command } from "commander";
import { type VersionOptions, versionOf, withExpectedVersion } from "../expected-version.ts";
import { type SelectOptions, toEach, withSelector } from "../many-vms.ts";
import { given } from "../parse.ts";
import { ago, simTime } from "../quantities.ts";
import { say, sayJson, showReply, withSession } from "../run.ts";
import { table } from "../table.ts";
import { startAndWait } from "./vm-start.ts";

const EXAMPLES = `
Examples:
  bioxen vm snapshot cell-1 --id before       store the state of cell-1 under the id "before"
  bioxen vm snapshots cell-1                  list its snapshots
  bioxen vm restore cell-1 before             restore that state, whether cell-1 runs or not
  bioxen vm fork cell-1 cell-2 --from before  create cell-2 from that state, with its own seed
  bioxen vm snapshots cell-1 --delete before`;

export function addSnapshotCommands(vm: Command): void {
  withExpectedVersion(
    withSelector(
      vm.command("snapshot [ids...]").description("store the state of VMs that run or are paused"),
    ),
  )
    .option("--id <snapshotId>", "id of the snapshot; default: a new one")
    .addHelpText("after", EXAMPLES)
    .action((ids: string[], options: { readonly id?: string } & SelectOptions, command: Command) =>
      toEach<Accepted & ResultOf<"vmSnapshot">>(command, ids, options, {
        act: (session, vmId) =>
          session.call("vmSnapshot", {
            vmId,
            ...given({ snapshotId: options.id }),
            ...versionOf(options),
          }),
        words: snapshotWords,
      }),
    );
  vm.command("snapshots <id>")
    .description("list the snapshots of a VM, oldest first")
    .option("--delete <snapshotId>", "delete this one instead")
    .addHelpText("after", EXAMPLES)
    .action(async (vmId: string, options: { readonly delete?: string }, command: Command) => {
      await withSession(command, async (session, { json }) => {
        if (options.delete !== undefined) {
          const reply = await session.call("vmDeleteSnapshot", { vmId, snapshotId: options.delete });
          showReply(reply, json === true, () => `snapshot ${options.delete} of ${vmId} is deleted`);
          return;
        }
        const { vm: view } = await session.ask("vmGet", { vmId });
        if (json === true) sayJson({ ok: true, snapshots: view.snapshots });
        else say(snapshotTable(view, Date.now()));
      });
    });
  withExpectedVersion(vm.command("restore <id> <snapshotId>"))
    .description("restore a VM from one of its snapshots")
    .addHelpText("after", EXAMPLES)
    .action(async (vmId: string, snapshotId: string, options: VersionOptions, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.call("vmRestore", { vmId, snapshotId, ...versionOf(options) });
        showReply(reply, json === true, restoreWords);
      });
    });
  vm.command("fork <id> <newId>")
    .description("create a copy of a VM that begins from its state, with its own seed")
    .option("--from <snapshotId>", "begin from this snapshot; default: the present state of its guest")
    .option("--start", "start the copy")
    .addHelpText("after", EXAMPLES)
    .action(
      async (
        vmId: string,
        newVmId: string,
        options: { readonly from?: string; readonly start?: boolean },
        command: Command,
      ) => {
        await withSession(command, async (session, { json }) => {
          const from = given({ fromSnapshotId: options.from });
          const reply = await session.call("vmFork", { vmId, newVmId, ...from });
          if (reply.ok && options.start === true) return startAndWait(session, newVmId, json === true);
          showReply(
            reply,
            json === true,
            () => `${newVmId} is a fork of ${vmId}; start it with: bioxen vm start ${newVmId}`,
          );
        });
      },
    );
}

function snapshotWords({ changed, snapshot, vm }: ResultOf<"vmSnapshot">): string {
  const { snapshotId, simMinutes, bytes } = snapshot;
  return `snapshot ${snapshotId} of ${vm.vmId}${changed ? "" : " exists already"}: at ${simTime(simMinutes)}, ${bytes} bytes`;
}

function restoreWords({ vm }: ResultOf<"vmRestore">): string {
  const continues =
    vm.state === "running" || vm.state === "paused" ? "it continues from" : "its next start continues from";
  return `${vm.vmId} is restored: ${continues} ${simTime(vm.checkpoint?.simMinutes ?? 0)}`;
}

function snapshotTable(vm: VmView, nowMs: number): string {
  if (vm.snapshots.length === 0)
    return `${vm.vmId} has no snapshot; take one with:\n  bioxen vm snapshot ${vm.vmId} --id before`;
  const rows = vm.snapshots.map((one) => [
    one.snapshotId,
    simTime(one.simMinutes),
    String(one.bytes),
    ago(nowMs - one.atMs),
  ]);
  return table(["SNAPSHOT", "SIM TIME", "BYTES", "AGE"], rows);
}
