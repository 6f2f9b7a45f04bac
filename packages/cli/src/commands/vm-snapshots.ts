/**
 * `vm snapshot`, `vm snapshots`, `vm restore`, `vm fork`: states of guests, kept and gone back to.
 */
import type { Accepted } from "@bioxen/client";
import type { ResultOf, VmView } from "@bioxen/contracts";
import type { Command } from "commander";
import { type SelectOptions, toEach, withSelector } from "../many-vms.ts";
import { given } from "../parse.ts";
import { say, sayJson, showReply, withSession } from "../run.ts";
import { ago, table } from "../terminal.ts";
import { startAndWait } from "./vm-start.ts";

const EXAMPLES = `
Examples:
  bioxen vm snapshot cell-1 --id before       keep the state of cell-1 under the name "before"
  bioxen vm snapshots cell-1                  what is kept of it
  bioxen vm restore cell-1 before             set it back; it goes on from there, running or not
  bioxen vm fork cell-1 cell-2 --from before  another VM that begins from it, with a seed of its own
  bioxen vm snapshots cell-1 --delete before`;

export function addSnapshotCommands(vm: Command): void {
  withSelector(vm.command("snapshot [ids...]").description("keep the state of VMs that run or are paused"))
    .option("--id <snapshotId>", "its name; one is made without")
    .addHelpText("after", EXAMPLES)
    .action((ids: string[], options: { readonly id?: string } & SelectOptions, command: Command) =>
      toEach<Accepted & ResultOf<"vmSnapshot">>(command, ids, options, {
        act: (session, vmId) => session.call("vmSnapshot", { vmId, ...given({ snapshotId: options.id }) }),
        words: snapshotWords,
      }),
    );
  vm.command("snapshots <id>")
    .description("what is kept of a VM, oldest first")
    .option("--delete <snapshotId>", "forget one")
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
  vm.command("restore <id> <snapshotId>")
    .description("set a VM back to a snapshot of it")
    .addHelpText("after", EXAMPLES)
    .action(async (vmId: string, snapshotId: string, _options, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const reply = await session.call("vmRestore", { vmId, snapshotId });
        showReply(reply, json === true, restoreWords);
      });
    });
  vm.command("fork <id> <newId>")
    .description("create a VM like this one that begins from its state, with a seed of its own")
    .option("--from <snapshotId>", "from this snapshot; else from its guest as it is now")
    .option("--start", "start it at once")
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
          showReply(reply, json === true, () => `${newVmId} is a fork of ${vmId}; start it when you like`);
        });
      },
    );
}

function snapshotWords({ changed, snapshot, vm }: ResultOf<"vmSnapshot">): string {
  const { snapshotId, simMinutes, bytes } = snapshot;
  return `snapshot ${snapshotId} of ${vm.vmId}${changed ? "" : " is there already"}: minute ${simMinutes}, ${bytes} bytes`;
}

function restoreWords({ vm }: ResultOf<"vmRestore">): string {
  const goes =
    vm.state === "running" || vm.state === "paused" ? "it goes on from" : "its next start goes on from";
  return `${vm.vmId} is set back: ${goes} minute ${vm.checkpoint?.simMinutes}`;
}

function snapshotTable(vm: VmView, nowMs: number): string {
  const rows = vm.snapshots.map((one) => [
    one.snapshotId,
    String(one.simMinutes),
    String(one.bytes),
    ago(nowMs - one.atMs),
  ]);
  return table(["SNAPSHOT", "SIM MINUTE", "BYTES", "AGE"], rows);
}
