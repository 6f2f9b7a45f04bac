/**
 * `vm start`, `pause`, `resume`, `stop` and `destroy`, for one VM or several.
 */
import type { Accepted } from "@bioxen/client";
import type { ResultOf } from "@bioxen/contracts";
import type { Command } from "commander";
import { type SelectOptions, toEach, type VmAction, withSelector } from "../many-vms.ts";
import { startOne } from "./vm-start.ts";
import { vmWords } from "./vm-words.ts";

const VERBS = [
  ["pause", "vmPause", "pause VMs; each keeps its reservation"],
  ["resume", "vmResume", "resume paused VMs"],
  ["stop", "vmStop", "stop VMs and release their reservations"],
  ["destroy", "vmDestroy", "destroy VMs, stopping them first"],
] as const;

/** The result of every verb, such as start or stop: all their endpoints return the same fields. */
type ChangedVm = Accepted & ResultOf<"vmStop">;

function changedWords({ vm, changed }: ChangedVm): string {
  return `${vm.vmId} is ${vm.state}${changed ? "" : " already"}`;
}

const START: VmAction<ChangedVm> = {
  act: startOne,
  words: ({ vm }) => vmWords(vm, null),
  failure({ vm: { vmId, state, reason } }) {
    return state === "error" ? `${vmId} failed: ${reason}` : undefined;
  },
};

export function addVerbCommands(vm: Command): void {
  addVerb(vm, "start", "place VMs and run them", START);
  for (const [verb, endpoint, description] of VERBS) {
    addVerb(vm, verb, description, {
      act: (session, vmId) => session.call(endpoint, { vmId }),
      words: changedWords,
    });
  }
}

function addVerb(vm: Command, verb: string, description: string, action: VmAction<ChangedVm>): void {
  withSelector(vm.command(`${verb} [ids...]`).description(description))
    .addHelpText("after", `\nExamples:\n  bioxen vm ${verb} c1 c2\n  bioxen vm ${verb} --selector team=red`)
    .action((ids: string[], options: SelectOptions, command: Command) =>
      toEach(command, ids, options, action),
    );
}
