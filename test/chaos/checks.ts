/**
 * The checks after a run: pure functions of the answers to clients, the log, and the agents' reports. Each returns its
 * problems as sentences.
 */
import type { LedgerView, VmView } from "@bioxen/contracts";
import type { Intent } from "./load.ts";

/** One event that a command caused. */
export interface Effect {
  readonly seq: number;
  /** The aggregate: `vm/cell-1`. */
  readonly subject: string;
  readonly version: number;
}

/** An agent's report about one chassis: the VM ids in the samples of its guests, and the number of guests. */
export interface GuestReport {
  readonly chassisId: string;
  readonly guests: number;
  /** Guests of the agent whose VM is on none of its chassis by the log. */
  readonly strays: number;
  readonly vmIds: readonly string[];
}

/** Checks that the log has every acknowledged command once, and no refused command. */
export function checkAcknowledgements(
  intents: readonly Intent[],
  effects: ReadonlyMap<string, readonly Effect[]>,
): string[] {
  const problems: string[] = [];
  for (const { causeId, vmId, outcome, version } of intents) {
    const caused = effects.get(causeId) ?? [];
    for (const subject of new Set(caused.map((effect) => effect.subject))) {
      const seqs = caused.filter((effect) => effect.subject === subject).map((effect) => effect.seq);
      if (seqs.length > 1)
        problems.push(`double effect: ${causeId} caused events ${seqs.join(", ")} of ${subject}`);
    }
    const own = caused.find((effect) => effect.subject === `vm/${vmId}`);
    if (outcome === "unanswered") {
      problems.push(`unanswered: ${causeId} was neither carried out nor refused in time`);
    } else if (outcome === "changed") {
      if (own === undefined) problems.push(`lost: ${causeId} was acknowledged and is not in the log`);
      else if (own.version > version) {
        problems.push(`lost: ${causeId} was answered with version ${version} before its own ${own.version}`);
      }
    } else if (own !== undefined) {
      problems.push(`unacknowledged: ${causeId} was answered ${outcome} and caused event ${own.seq}`);
    }
  }
  return problems;
}

/** Checks that every reservation belongs to a VM on it, and that every placed VM has a reservation. */
export function checkReservations(vms: readonly VmView[], ledgers: readonly LedgerView[]): string[] {
  const problems: string[] = [];
  const byId = new Map(vms.map((vm) => [vm.vmId, vm]));
  const held = new Set<string>();
  for (const { chassisId, entries } of ledgers) {
    for (const { vmId, fence } of entries) {
      const vm = byId.get(vmId);
      held.add(`${vmId} ${chassisId} ${fence}`);
      if (vm === undefined || vm.chassisId !== chassisId || vm.fence !== fence) {
        problems.push(
          `reservation without a VM: ${chassisId} holds ${vmId} #${fence}, which is ${whereIs(vm)}`,
        );
      }
    }
  }
  for (const vm of vms) {
    if (vm.fence !== null && !held.has(`${vm.vmId} ${vm.chassisId} ${vm.fence}`)) {
      problems.push(`VM without a reservation: ${vm.vmId} is ${whereIs(vm)}, which no ledger holds`);
    }
  }
  return problems;
}

function whereIs(vm: VmView | undefined): string {
  return vm === undefined ? "gone" : `${vm.state} on ${vm.chassisId} #${vm.fence}`;
}

/** Checks that every running VM has one guest, on the chassis of the log, and that no other guest runs. */
export function checkGuests(vms: readonly VmView[], reports: readonly GuestReport[]): string[] {
  const problems: string[] = [];
  const seenOn = new Map<string, string[]>();
  for (const { chassisId, vmIds } of reports) {
    for (const vmId of vmIds) seenOn.set(vmId, [...(seenOn.get(vmId) ?? []), chassisId]);
  }
  const running = vms.filter((vm) => vm.state === "running" || vm.state === "paused");
  for (const { vmId, chassisId, state } of running) {
    const on = seenOn.get(vmId) ?? [];
    if (on.length > 1) problems.push(`runs twice: ${vmId} on ${on.join(" and ")}`);
    else if (on[0] !== chassisId) {
      problems.push(
        `runs elsewhere: ${vmId} is ${state} on ${chassisId} and seen on ${on[0] ?? "no chassis"}`,
      );
    }
  }
  const wanted = new Set(running.map((vm) => vm.vmId));
  for (const [vmId, on] of seenOn) {
    if (!wanted.has(vmId)) problems.push(`runs without cause: ${vmId} on ${on.join(" and ")}`);
  }
  for (const { chassisId, guests, strays } of reports) {
    const counted = running.filter((vm) => vm.chassisId === chassisId).length;
    if (guests !== counted)
      problems.push(`guests: ${chassisId} runs ${guests}, the log says ${counted} should`);
    if (strays > 0)
      problems.push(`guests: the agent of ${chassisId} runs ${strays} that the log does not know there`);
  }
  return problems;
}

/** Checks that the answer of an instance is the fold of the log. */
export function checkFold(
  instance: string,
  folded: readonly unknown[],
  answered: readonly unknown[],
): string[] {
  if (JSON.stringify(folded) === JSON.stringify(answered)) return [];
  const at = folded.findIndex((one, i) => JSON.stringify(one) !== JSON.stringify(answered[i]));
  const first = `${JSON.stringify(folded[at])} and ${JSON.stringify(answered[at])}`;
  return [`state: ${instance} is not the fold: ${folded.length} and ${answered.length}, first ${first}`];
}

/** The result of one VM of an experiment, as the service answers it. */
export interface VmResult {
  readonly vmId: string;
  /** The swept values. */
  readonly values: unknown;
  readonly digest: string | null;
}

/**
 * Checks the results of an experiment without noise: every VM has one, the replicates of a combination have the same
 * course, and each combination has another one.
 */
export function checkResults(results: readonly VmResult[], combinations: number): string[] {
  const problems: string[] = [];
  const first = new Map<string, VmResult>();
  for (const result of results) {
    const { vmId, values, digest } = result;
    const combination = JSON.stringify(values);
    const other = first.get(combination) ?? result;
    first.set(combination, other);
    if (digest === null) problems.push(`no result: ${vmId}`);
    else if (digest !== other.digest) {
      problems.push(`course: ${vmId} has ${digest}, and ${other.vmId} with the same values ${other.digest}`);
    }
  }
  const courses = new Set([...first.values()].map(({ digest }) => digest)).size;
  if (first.size !== combinations || courses !== combinations) {
    problems.push(`${first.size} combinations have ${courses} courses: ${combinations} expected`);
  }
  return problems;
}
