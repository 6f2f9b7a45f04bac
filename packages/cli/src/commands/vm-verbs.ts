/**
 * `vm start`, `pause`, `resume`, `stop` and `destroy`, for one VM or several.
 */
import type { Accepted } from "@bioxen/client";
import type { ResultOf } from "@bioxen/contracts";
import { stopDeadlineMs } from "@bioxen/contracts";
import type { Command } from "commander";
import { type VersionOptions, versionOf, withExpectedVersion } from "../expected-version.ts";
import { type SelectOptions, toEach, type VmAction, withSelector } from "../many-vms.ts";
import { given, numberOf } from "../parse.ts";
import { startOne } from "./vm-start.ts";
import { vmWords } from "./vm-words.ts";

/** The result of every verb, such as start or stop: all their endpoints return the same fields. */
type ChangedVm = Accepted & ResultOf<"vmStop">;

function changedWords({ vm, changed }: ChangedVm): string {
  return `${vm.vmId} is ${vm.state}${changed ? "" : " already"}`;
}

function startOf(options: VersionOptions): VmAction<ChangedVm> {
  return {
    act: (session, vmId) => startOne(session, vmId, versionOf(options)),
    words: ({ vm }) => vmWords(vm, null),
    failure({ vm: { vmId, state, reason } }) {
      return state === "error" ? `${vmId} failed: ${reason}` : undefined;
    },
  };
}

/** Returns the action of a verb without options of its own. */
function callOf(
  endpoint: "vmPause" | "vmResume" | "vmDestroy",
  options: VersionOptions,
): VmAction<ChangedVm> {
  return {
    act: (session, vmId) => session.call(endpoint, { vmId, ...versionOf(options) }),
    words: changedWords,
  };
}

interface StopOptions extends SelectOptions {
  readonly deadline?: number;
  readonly force?: boolean;
}

function stopOf({ deadline, force, expectedVersion }: StopOptions): VmAction<ChangedVm> {
  const limit = given({ deadlineMs: deadline, force, expectedVersion });
  return {
    act: (session, vmId) => session.call("vmStop", { vmId, ...limit }),
    words: changedWords,
  };
}

export function addVerbCommands(vm: Command): void {
  addVerb(vm, "start", "place VMs and run them", startOf);
  addVerb(vm, "pause", "pause VMs; each keeps its reservation", (options) => callOf("vmPause", options));
  addVerb(vm, "resume", "resume paused VMs", (options) => callOf("vmResume", options));
  addVerb(vm, "stop", "stop VMs and release their reservations", stopOf)
    .option(
      "--deadline <ms>",
      "time for a machine to shut down, and for a cell to complete its programs; default: a machine's shutdownGraceMs, 0 for a cell",
      numberOf(stopDeadlineMs),
    )
    .option("--force", "end the guest at once, or at the end of --deadline; also shortens a stop under way");
  addVerb(vm, "destroy", "destroy VMs, stopping them first", (options) => callOf("vmDestroy", options))
    .alias("rm")
    .alias("delete");
}

function addVerb(
  vm: Command,
  verb: string,
  description: string,
  actionOf: (options: StopOptions) => VmAction<ChangedVm>,
): Command {
  return withExpectedVersion(withSelector(vm.command(`${verb} [ids...]`).description(description)))
    .addHelpText("after", `\nExamples:\n  bioxen vm ${verb} c1 c2\n  bioxen vm ${verb} --selector team=red`)
    .action((ids: string[], options: StopOptions, command: Command) =>
      toEach(command, ids, options, actionOf(options)),
    );
}
