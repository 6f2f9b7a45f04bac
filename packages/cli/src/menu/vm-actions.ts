/**
 * Actions on existing VMs in the menu. Only the actions that the state of a VM allows are offered.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { EndpointName, VmView } from "@bioxen/contracts";
import { vmTable, vmWords } from "../commands/vm-words.ts";
import { refused } from "../outcome.ts";
import type { Session } from "../session.ts";
import { paintState } from "../terminal.ts";
import type { Asking } from "./asking.ts";

interface Verb {
  readonly name: "start" | "pause" | "resume" | "stop" | "destroy";
  readonly endpoint: EndpointName & ("vmStart" | "vmPause" | "vmResume" | "vmStop" | "vmDestroy");
  readonly title: string;
  /** VM states in which the service accepts the verb. The menu offers the verb only in these states. */
  readonly from: readonly VmView["state"][];
}

export const VERBS: readonly Verb[] = [
  { name: "start", endpoint: "vmStart", title: "Start", from: ["created", "stopped", "error"] },
  { name: "pause", endpoint: "vmPause", title: "Pause", from: ["running"] },
  { name: "resume", endpoint: "vmResume", title: "Resume", from: ["paused"] },
  { name: "stop", endpoint: "vmStop", title: "Stop", from: ["running", "paused", "pending", "starting"] },
  {
    name: "destroy",
    endpoint: "vmDestroy",
    title: "Destroy",
    from: ["created", "pending", "starting", "running", "paused", "stopping", "stopped", "error"],
  },
];

/** States that a VM leaves without a further command. */
const TRANSITIONAL: readonly VmView["state"][] = ["starting", "stopping"];
/** Interval between two queries of a VM that is changing state, ms. */
const POLL_INTERVAL_MS = 100;

export function allowedVerbs(vm: VmView): readonly Verb[] {
  return VERBS.filter(({ from }) => from.includes(vm.state));
}

/** Asks the user to choose one of `vms`. Returns the id of the chosen VM, or undefined on Esc. */
export function chooseVm(
  asking: Asking,
  message: string,
  vms: readonly VmView[],
): Promise<string | undefined> {
  return asking.choose(
    message,
    vms.map((vm) => ({
      value: vm.vmId,
      label: `${vm.vmId}: ${vm.biologicalType}, ${vm.state}${vm.chassisId === null ? "" : ` on ${vm.chassisId}`}`,
    })),
  );
}

/**
 * Sends the verb's command for the VM; `destroy` needs a confirmation first. Waits until the change of state is
 * complete, and shows the new state.
 */
export async function doVerb(asking: Asking, session: Session, verb: Verb, vmId: string): Promise<void> {
  if (verb.name === "destroy") {
    const sure = await asking.confirm(`Destroy ${vmId}? Its content is lost.`);
    if (sure !== true) return;
  }
  const reply = await session.call(verb.endpoint as "vmStop", { vmId });
  if (!reply.ok) return asking.tell("refused", refused(reply.error).message);
  const vm = await asking.during(`${verb.title} ${vmId}`, settled(session, vmId, verb));
  const why = vm.reason === null ? "" : `: ${vm.reason}`;
  asking.tell(vm.state === "error" ? "refused" : "done", `${vmId} is ${paintState(vm.state)}${why}`);
}

/**
 * Queries the VM until its change of state is complete, or until the request timeout has passed. Returns the last view.
 */
async function settled(session: Session, vmId: string, verb: Verb): Promise<VmView> {
  const deadline = Date.now() + session.timeoutMs;
  for (;;) {
    const { vm } = await session.ask("vmGet", { vmId });
    const isUndecided = vm.state === "pending" && vm.refusals.length === 0;
    const isSettling =
      TRANSITIONAL.includes(vm.state) || isUndecided || (verb.name === "destroy" && vm.state === "stopped");
    if (!isSettling || Date.now() > deadline) return vm;
    await sleep(POLL_INTERVAL_MS);
  }
}

/** Asks for one of the VMs whose state allows the verb, and carries out the verb on it. */
export async function verbMenu(asking: Asking, session: Session, verb: Verb): Promise<void> {
  const vms = (await session.listAllVms()).filter((vm) => verb.from.includes(vm.state));
  if (vms.length === 0) return asking.tell("news", `no VM can ${verb.name} now`);
  const vmId = await chooseVm(asking, `${verb.title} which VM?`, vms);
  if (vmId !== undefined) await doVerb(asking, session, verb, vmId);
}

/** Lists all VMs, and opens the menu of the chosen one. */
export async function vmsMenu(asking: Asking, session: Session): Promise<void> {
  const vms = await session.listAllVms();
  if (vms.length === 0) return asking.tell("news", "no VM exists yet");
  asking.show(vmTable(vms, Date.now()), `${vms.length} VM${vms.length === 1 ? "" : "s"}`);
  const vmId = await chooseVm(asking, "Which VM? (Esc goes back)", vms);
  if (vmId !== undefined) await vmMenu(asking, session, vmId);
}

async function vmMenu(asking: Asking, session: Session, vmId: string): Promise<void> {
  for (;;) {
    const { vm } = await session.ask("vmGet", { vmId });
    if (vm.state === "destroyed") return;
    const verbs = allowedVerbs(vm);
    const chosen = await asking.choose(`${vmId} is ${vm.state}`, [
      { value: "status", label: "Status and live metrics" },
      { value: "explain", label: "Explain the placement" },
      ...verbs.map(({ name, title }) => ({ value: name, label: title })),
      { value: "back", label: "Back" },
    ]);
    if (chosen === undefined || chosen === "back") return;
    if (chosen === "status") await showLive(asking, session, vmId);
    else if (chosen === "explain")
      asking.show((await session.ask("placementExplain", { vmId })).summary, vmId);
    else {
      const verb = verbs.find(({ name }) => name === chosen);
      if (verb !== undefined) await doVerb(asking, session, verb, vmId);
    }
  }
}

async function showLive(asking: Asking, session: Session, vmId: string): Promise<void> {
  await asking.live(async () => {
    const [{ vm }, { sample }] = await Promise.all([
      session.ask("vmGet", { vmId }),
      session.ask("monitorVm", { vmId }),
    ]);
    return vmWords(vm, sample);
  });
}

export async function statusMenu(asking: Asking, session: Session): Promise<void> {
  const vms = await session.listAllVms();
  if (vms.length === 0) return asking.tell("news", "no VM exists yet");
  const vmId = await chooseVm(asking, "Status of which VM?", vms);
  if (vmId !== undefined) await showLive(asking, session, vmId);
}
