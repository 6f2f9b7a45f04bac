/**
 * `vm start`, `pause`, `resume`, `stop`, `destroy`, of one VM or of many.
 */
import type { VmView } from "@bioxen/contracts";
import type { Reply } from "@bioxen/kernel";
import type { Command } from "commander";
import { type Deed, type SelectOptions, toEach, withSelector } from "../many-vms.ts";
import { startOne } from "./vm-start.ts";
import { vmWords } from "./vm-words.ts";

const VERBS = [
  ["pause", "vmPause", "hold the guest; its place is kept"],
  ["resume", "vmResume", "let it go on"],
  ["stop", "vmStop", "end the guest and give its place back"],
  ["destroy", "vmDestroy", "stop it and forget it"],
] as const;

const vmOf = (reply: Reply) => (reply as unknown as { readonly vm: VmView }).vm;

/** The VM as it is, and whether it was so before. */
function changedWords(reply: Reply & { readonly ok: true }): string {
  return `${vmOf(reply).vmId} is ${vmOf(reply).state}${reply["changed"] === true ? "" : " already"}`;
}

const START: Deed = {
  act: startOne,
  words: (reply) => vmWords(vmOf(reply), null),
  failure(reply) {
    const { vmId, state, reason } = vmOf(reply);
    return state === "error" ? `${vmId} failed: ${reason}` : undefined;
  },
};

export function addVerbCommands(vm: Command): void {
  addVerb(vm, "start", "ask for a place and run", START);
  for (const [verb, endpoint, description] of VERBS) {
    addVerb(vm, verb, description, {
      act: (session, vmId) => session.call(endpoint as "vmStop", { vmId }),
      words: changedWords,
    });
  }
}

function addVerb(vm: Command, verb: string, description: string, deed: Deed): void {
  withSelector(vm.command(`${verb} [ids...]`).description(description))
    .addHelpText("after", `\nExamples:\n  bioxen vm ${verb} c1 c2\n  bioxen vm ${verb} --selector team=red`)
    .action((ids: string[], options: SelectOptions, command: Command) => toEach(command, ids, options, deed));
}
