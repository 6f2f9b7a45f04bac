/**
 * A foreign client in a simulated cluster: it sends internal requests with true, plausible and absurd values, and
 * overwrites the records of leases. No promise of the cluster may depend on what it sends.
 *
 * It has a random source of its own, so that its presence does not change the other choices of a run. It tells only
 * lies that the log, the leases and the stores can contradict. That a guest started, stopped or failed is the agent's
 * word: such a report names a wrong fence here.
 */
import {
  agentCheckpoint,
  agentExec,
  agentHold,
  chassisTelemetrySubject,
  ENDPOINTS,
  type EndpointName,
  type VmState,
} from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import { FORGED_CAUSE } from "./causes.ts";
import type { Cluster } from "./cluster.ts";
import type { Folds } from "./folds.ts";
import { Universe } from "./universe.ts";

/** Requests and stolen leases in a run with forgeries. */
const REQUESTS = { least: 20, most: 120 };
const STOLEN_LEASES = { least: 0, most: 4 };
const TIMEOUT_MS = 3_000;
const CAUSATION = { causeId: FORGED_CAUSE, correlationId: FORGED_CAUSE, deduplicate: false };
const LEASES = ["lifecycle", "allocator", "chassis-scheduler", "monitor"];
const AGENTS = ["agent-a", "agent-b"];
const CHASSIS = ["ecoli-1", "yeast-1"];
const DAY_MS = 86_400_000;
const SHA256 = "0".repeat(64);

const MACHINE = "00000000-0000-4000-8000-0123456789ab";

const INTERNAL = [
  "chassisReportLeft",
  "chassisReportMachine",
  "ledgerReserve",
  "ledgerResize",
  "vmDefer",
  "vmDivide",
  "vmMove",
  "vmPreempt",
  "vmReinstate",
  "vmReport",
] as const satisfies readonly EndpointName[];
const NAMES = [...INTERNAL, "agentExec", "agentCheckpoint", "agentHold", "heartbeat"] as const;
type Name = (typeof NAMES)[number];

/** Returns the internal endpoints of the catalogue for which no forgery is made. */
export function unforgedEndpoints(): string[] {
  const forged: readonly string[] = INTERNAL;
  return Object.entries(ENDPOINTS).flatMap(([name, { internal }]) =>
    internal && !forged.includes(name) ? [name] : [],
  );
}

/** What must have happened in 200 runs: a forgery of every kind, and a stolen lease. */
export const FORGERY_PROBES: readonly string[] = [...NAMES.map((name) => `forged ${name}`), "lease-stolen"];

export class Forger {
  readonly #cluster: Cluster;
  readonly #folds: Folds;
  readonly #chance: Universe;

  constructor(cluster: Cluster, folds: Folds) {
    this.#cluster = cluster;
    this.#folds = folds;
    this.#chance = new Universe(cluster.universe.seed ^ 0x5f3759df);
  }

  /** Spreads forgeries over `spanMs`, in half of all runs. */
  begin(spanMs: number): void {
    const chance = this.#chance;
    if (chance.chance(0.5)) return;
    const at = (act: () => Promise<void>) =>
      this.#cluster.universe.after(chance.between(0, spanMs), () => void act().catch(this.#cluster.onBug));
    for (let i = chance.between(REQUESTS.least, REQUESTS.most); i > 0; i -= 1) at(() => this.#request());
    for (let i = chance.between(STOLEN_LEASES.least, STOLEN_LEASES.most); i > 0; i -= 1)
      at(() => this.#steal());
  }

  async #request(): Promise<void> {
    const { bus, faults } = this.#cluster;
    const name = this.#chance.pick(NAMES);
    faults.count(`forged ${name}`);
    if (name === "heartbeat") return this.#heartbeat();
    try {
      const reply = await bus.call(
        this.#subjectOf(name),
        this.#payload(name),
        {
          timeoutMs: TIMEOUT_MS,
          causation: CAUSATION,
        },
        "forger",
      );
      faults.count(`forged ${name}: ${reply.ok ? "answered" : reply.error.code}`);
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
    }
  }

  #subjectOf(name: Exclude<Name, "heartbeat">): string {
    const agentId = this.#chance.pick(AGENTS);
    if (name === "agentExec") return agentExec(agentId).subject;
    if (name === "agentHold") return agentHold(agentId).subject;
    return name === "agentCheckpoint" ? agentCheckpoint(agentId).subject : ENDPOINTS[name].subject;
  }

  #heartbeat(): void {
    const chassisId = this.#chance.pick([...CHASSIS, "nowhere"]);
    const sample = {
      chassisId,
      // Another agent than the chassis has; a heartbeat in the name of its own agent cannot be told from a true one.
      agentId: "agent-z",
      atMs: this.#number(),
      sampleNumber: this.#number(),
      guests: this.#number(),
      strays: this.#number(),
      eventLoopLagMs: 0,
      appliedSeq: this.#number(),
    };
    this.#cluster.bus.publish(chassisTelemetrySubject(this.#chance.pick([chassisId, ...CHASSIS])), sample);
  }

  /** Overwrites the record of a lease. Every client that may write to its bucket can do so. */
  async #steal(): Promise<void> {
    const { leases, faults, universe } = this.#cluster;
    const name = this.#chance.pick(LEASES);
    const record = await leases.read(name);
    const before = record?.token ?? 0;
    const token = this.#chance.pick([before, before + 1, universe.nowMs + DAY_MS, 1, 0, -1, 2 ** 53 - 1]);
    const holder = this.#chance.pick(["thief", null]);
    const written = await leases.write(name, { holder, token }, record?.revision ?? 0);
    if (written !== undefined) faults.count("lease-stolen");
  }

  #payload(name: Exclude<Name, "heartbeat">): object {
    const vmId = this.#vmId();
    const vm = this.#folds.vms.get(vmId);
    const fence = this.#fence(vm);
    const chassisId = this.#chance.pick([...CHASSIS, "nowhere"]);
    switch (name) {
      case "ledgerReserve":
        return this.#plan(chassisId);
      case "ledgerResize":
        return { chassisId: this.#home(vm) ?? chassisId, vmId, fence, amounts: this.#amounts(vm) };
      case "vmDefer":
        return { deferrals: [{ vmId, reasons: this.#reasons(chassisId) }] };
      case "vmReport":
        return this.#report(vmId, vm);
      case "vmDivide": {
        const checkpoint = { checkpointId: "forged", simMinutes: this.#number(), bytes: 1, sha256: SHA256 };
        return { vmId, fence, restores: 0, division: this.#chance.between(1, 9), checkpoint };
      }
      case "chassisReportLeft": {
        const left = { vmId, kind: "disk", tries: 11, reason: "forged", nextTryAtMs: null };
        return { chassisId, uuid: MACHINE, left: this.#chance.chance(0.5) ? left : null };
      }
      case "chassisReportMachine":
        return {
          chassisId,
          uuid: MACHINE,
          outcome: this.#chance.pick(["DELETED", "KEPT"]),
          reason: "forged",
        };
      case "vmMove": {
        const code = this.#chance.pick(["DRAIN", "REBALANCE", "COMMAND"]);
        const target = this.#chance.chance(0.5) ? {} : { toChassisId: chassisId };
        return { vmId, fromChassisId: this.#home(vm) ?? chassisId, ...target, code, reason: "forged" };
      }
      case "vmPreempt": {
        const by = this.#vmId();
        const preemptor = this.#folds.vms.get(by);
        const mode = this.#chance.pick(["starve", "pause", "evict"]);
        const byPriority = preemptor.exists ? preemptor.priority : this.#chance.between(1, 6);
        return { vmId, fence, mode, by, byPriority, reason: "forged" };
      }
      case "vmReinstate": {
        const preemptedSeq = vm.exists && vm.preemption !== null ? vm.preemption.seq : this.#number();
        return { vmId, fence, preemptedSeq };
      }
      case "agentExec":
        return { vmId, fence: this.#number(), source: "return 1", timeoutMs: 100 };
      case "agentHold":
        return { vmId, fence, ...(this.#chance.chance(0.5) ? {} : { atMinute: this.#number() }) };
      case "agentCheckpoint":
        return { vmId, fence, ...(this.#chance.chance(0.5) ? {} : { holder: "vm-9" }) };
    }
  }

  #plan(chassisId: string): object {
    const count = this.#chance.between(1, 3);
    const reservations = Array.from({ length: count }, () => {
      const vmId = this.#vmId();
      const vm = this.#folds.vms.get(vmId);
      const incarnation = vm.exists && this.#chance.chance(0.7) ? vm.incarnation : this.#number();
      return { vmId, incarnation, amounts: this.#amounts(vm) };
    });
    const recorded = Math.max(0, ...[...this.#folds.ledgers.values()].map((one) => one.proposerToken));
    const { nowMs } = this.#cluster.universe;
    const token = this.#chance.pick([recorded, recorded + 1, nowMs, nowMs + DAY_MS, this.#number(), null]);
    return {
      chassisId,
      planId: "forged",
      reservations,
      ...(token === null ? {} : { proposerToken: token }),
    };
  }

  #report(vmId: string, vm: VmState): object {
    const observed = this.#chance.pick([
      "started",
      "restarted",
      "stopped",
      "failed",
      "handed-over",
      "not-handed-over",
      "checkpointed",
      "checkpoint-lost",
      "outside-change",
      "until-reached",
    ]);
    // Only these reports can be checked; any other one under the true fence is the agent's word.
    const isChecked = ["checkpointed", "checkpoint-lost", "outside-change"].includes(observed);
    const fence = isChecked ? this.#fence(vm) : this.#wrongFence(vm);
    const known = vm.exists ? vm.checkpoint : null;
    const checkpointId = known !== null && this.#chance.chance(0.7) ? known.checkpointId : "forged";
    const sha256 = known !== null && this.#chance.chance(0.7) ? known.sha256 : SHA256;
    const checkpoint = { checkpointId, simMinutes: this.#number(), bytes: 1, sha256 };
    const outside = { seen: this.#chance.pick(["paused", "halted", "deleted"]), drift: "accept" };
    return {
      vmId,
      fence,
      observed,
      reason: "forged",
      code: this.#chance.pick(["MISSING", "DAMAGED"]),
      ...(observed === "checkpointed" || observed === "handed-over" ? { checkpoint, restores: 0 } : {}),
      ...(observed === "checkpoint-lost" ? { checkpointId } : {}),
      ...(observed === "until-reached" ? { simMinute: this.#number(), restores: 0 } : {}),
      ...(observed === "outside-change" ? { outside: { ...outside, seenAtMs: this.#number() } } : {}),
    };
  }

  /** The id of an existing VM mostly, or of one that may not exist. */
  #vmId(): string {
    const existing = this.#folds.existing();
    if (existing.length > 0 && this.#chance.chance(0.8)) return this.#chance.pick(existing)[0];
    return `vm-${this.#chance.between(1, 9)}`;
  }

  #reasons(chassisId: string): object[] {
    const code = this.#chance.pick(["CAPACITY_EXCEEDED", "QUOTA_EXCEEDED", "MADE_UP"]);
    return Array.from({ length: this.#chance.between(0, 3) }, () => ({ chassisId, code, message: "forged" }));
  }

  #amounts(vm: VmState): object {
    const ribosomes = this.#chance.pick([0, 1, 5_589, 1_000_000, this.#number()]);
    const made = this.#chance.pick([{}, { ribosomes }, { ribosomes, unknown: 1 }]);
    if (!vm.exists) return made;
    return this.#chance.pick([vm.request, vm.allocation ?? vm.request, made]);
  }

  #home(vm: VmState): string | undefined {
    return vm.exists && this.#chance.chance(0.8) ? (vm.chassisId ?? undefined) : undefined;
  }

  #fence(vm: VmState): number {
    return vm.exists && this.#chance.chance(0.7) ? (vm.fence ?? (vm.lastFence || 1)) : this.#number();
  }

  /** A number that is no reservation of the VM, now or later in this run. */
  #wrongFence(vm: VmState): number {
    // The removal of what a stopped guest left is reported under its last fence.
    const known = vm.exists ? [vm.fence, vm.lastFence] : [];
    const made = this.#chance.pick([1, 2, this.#cluster.log.lastSeq, 2 ** 53 - 1, 0, -1]);
    return known.includes(made) ? -1 : made;
  }

  #number(): number {
    const { nowMs } = this.#cluster.universe;
    const end = this.#cluster.log.lastSeq;
    const plausible = [1, 2, 7, this.#chance.between(1, Math.max(1, end)), end + 1, end + 1_000];
    const absurd = [0, -1, -(2 ** 53) + 1, 1.5, 2 ** 31, 2 ** 52, 2 ** 53 - 1, 2 ** 53, 1e308, Number.NaN];
    if (this.#chance.chance(0.6)) return this.#chance.pick(plausible);
    return this.#chance.pick([...absurd, nowMs, nowMs + DAY_MS, nowMs + 3_650 * DAY_MS]);
  }
}
