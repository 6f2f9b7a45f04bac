/**
 * What if: the demand of a log, decided again under another policy or with other chassis.
 *
 * A discrete-event simulation in the time of the log. Three clusters live through the same demand: `recorded` puts every VM
 * where the log says; `baseline` decides with the policy that was in force and every chassis; `alternative` decides
 * as asked. What is compared is alternative with baseline, both made by the same code, so that what the model leaves out
 * cancels out; `reproduction` says how far the baseline is from what really happened.
 *
 * The model: a place is taken the moment it is planned, and free the moment its VM is gone. Left out: the time guests take
 * to start and stop, heartbeats (a silent chassis takes VMs here; what it lost asks again when the log says it was displaced),
 * reservations that expire, several schedulers, preemption (nobody gives way: whom the log's scheduler evicted keeps its place in the
 * other two, and who preempted waits). VMs end when the log says so, whether they waited or not. A VM's own
 * `placement.policy` is kept; the policy asked for is that of all others.
 */
import {
  CHASSIS_DEFAULTS,
  type Chassis,
  type ChassisType,
  DEFAULT_OVERHEAD_PERMILLE,
  NEVER_LOST,
  type PlacementPolicyName,
} from "@bioxen/contracts";
import type { StoredEvent } from "@bioxen/kernel";
import { compare, type ReplayReport, summaryOf } from "./compare.ts";
import { DemandReader, type DemandStep } from "./demand.ts";
import { GATHER_MS, planPlacements } from "./plan.ts";
import { builtInPolicy, DEFAULT_POLICY_NAME } from "./policy.ts";
import { VirtualCluster } from "./virtual-cluster.ts";

export interface ExtraChassis {
  readonly chassisType: Exclude<ChassisType, "xcpng">;
  readonly count: number;
}

export interface ReplayOptions {
  /** Of the alternative, for VMs that choose none; default: the recorded one. */
  readonly policy?: PlacementPolicyName;
  /** What the scheduler's default was when the log was written; the log does not say. */
  readonly recordedPolicy?: PlacementPolicyName;
  /** Chassis the alternative does not have. */
  readonly withoutChassis?: readonly string[];
  /** Chassis it has beside, from the beginning, with the defaults of their types. */
  readonly withChassis?: readonly ExtraChassis[];
  /** Decides from this event on; what stood before it is taken as it was. Default: the first. */
  readonly fromSeq?: number;
}

type Decider =
  | { readonly by: "log" }
  | {
      readonly by: "plan";
      readonly policy: PlacementPolicyName;
      readonly without: ReadonlySet<string>;
      readonly extra: readonly ExtraChassis[];
    };

/** One cluster that lives through the demand. */
class Run {
  readonly cluster = new VirtualCluster();
  readonly #decider: Decider;
  #deciding = false;
  #planDueAtMs: number | null = null;

  constructor(decider: Decider) {
    this.#decider = decider;
  }

  /** From now on its own decisions count. */
  begin(seq: number, atMs: number): void {
    this.#deciding = true;
    this.cluster.beginToDecide(atMs);
    if (this.#decider.by === "log") return;
    for (const chassisId of this.#decider.without) {
      this.cluster.setChassis(chassisId, { registered: false }, seq, atMs);
    }
    for (const { chassisId, chassis } of this.#decider.extra.flatMap((one) => chassisOf(one, atMs))) {
      this.cluster.setChassis(chassisId, chassis, seq, atMs);
    }
    this.#planDueAtMs = atMs + GATHER_MS;
  }

  step(step: DemandStep): void {
    this.#planUntil(step.atMs);
    const { cluster } = this;
    switch (step.kind) {
      case "asked":
        cluster.ask(step.vm, step.seq, step.atMs);
        break;
      case "withdrew":
        cluster.withdraw(step.vmId, step.atMs);
        break;
      case "left":
        cluster.leave(step.vmId, step.atMs);
        break;
      case "resized":
        cluster.resize(step.vmId, step.amounts, step.atMs);
        break;
      case "placed":
        if (this.#follows()) cluster.place(step.vmId, step.chassisId, step.atMs);
        return;
      case "given":
        if (!this.#follows()) return;
        if (step.amounts === null) cluster.ask(step.vm, step.seq, step.atMs);
        else cluster.give(step.vm.vmId, step.amounts, step.atMs);
        return;
      case "chassis":
        if (this.#has(step.chassisId)) cluster.setChassis(step.chassisId, step.chassis, step.seq, step.atMs);
        break;
    }
    if (!this.#follows()) this.#planDueAtMs ??= step.atMs + GATHER_MS;
  }

  end(atMs: number): void {
    if (this.#planDueAtMs !== null) this.#plan(atMs);
  }

  #follows(): boolean {
    return !this.#deciding || this.#decider.by === "log";
  }

  #has(chassisId: string): boolean {
    return this.#follows() || this.#decider.by === "log" || !this.#decider.without.has(chassisId);
  }

  #planUntil(atMs: number): void {
    if (this.#planDueAtMs !== null && this.#planDueAtMs <= atMs) this.#plan(this.#planDueAtMs);
  }

  #plan(atMs: number): void {
    this.#planDueAtMs = null;
    if (this.#decider.by === "log") return;
    const policy = builtInPolicy(this.#decider.policy);
    const plan = planPlacements(this.cluster.toPlan(atMs), this.cluster.rooms(), { policy, nowMs: atMs });
    for (const { vm, chassisId } of plan.placements) this.cluster.place(vm.vmId, chassisId, atMs);
  }
}

/** `what-if-yeast-1` and on: no id of a log is taken by accident. */
function chassisOf(
  { chassisType, count }: ExtraChassis,
  atMs: number,
): { chassisId: string; chassis: Chassis }[] {
  const { capacity, maxVms } = CHASSIS_DEFAULTS[chassisType];
  return Array.from({ length: count }, (_, i) => ({
    chassisId: `what-if-${chassisType}-${i + 1}`,
    chassis: {
      registered: true,
      chassisType,
      capacity,
      overheadPermille: DEFAULT_OVERHEAD_PERMILLE,
      maxVms,
      labels: {},
      agentId: "what-if",
      cordoned: false,
      ...NEVER_LOST,
      registeredAtMs: atMs,
      version: 1,
    },
  }));
}

/** Takes a log event by event, so that it need not be held in memory. */
export class DemandReplay {
  readonly #reader = new DemandReader();
  readonly #fromSeq: number;
  readonly #recorded = new Run({ by: "log" });
  readonly #baseline: Run;
  readonly #alternative: Run;
  #begunAtMs: number | null = null;
  #lastSeq = 0;
  #atMs = 0;
  #events = 0;
  readonly #chassisSeen = new Set<string>();

  constructor(options: ReplayOptions = {}) {
    const recordedPolicy = options.recordedPolicy ?? DEFAULT_POLICY_NAME;
    const plan = { by: "plan", without: new Set<string>(), extra: [] } as const;
    this.#fromSeq = options.fromSeq ?? 1;
    this.#baseline = new Run({ ...plan, policy: recordedPolicy });
    this.#alternative = new Run({
      by: "plan",
      policy: options.policy ?? recordedPolicy,
      without: new Set(options.withoutChassis),
      extra: options.withChassis ?? [],
    });
  }

  /** Chassis that were there at any time: a name that is not among them was none. */
  get chassisSeen(): ReadonlySet<string> {
    return this.#chassisSeen;
  }

  observe(event: StoredEvent): void {
    const step = this.#reader.read(event);
    this.#lastSeq = event.seq;
    this.#atMs = this.#reader.atMs;
    if (event.seq >= this.#fromSeq) {
      if (this.#begunAtMs === null) this.#begin(event.seq);
      this.#events += 1;
    }
    if (step?.kind === "chassis") this.#chassisSeen.add(step.chassisId);
    if (step !== undefined) for (const run of this.#runs()) run.step(step);
  }

  report(): ReplayReport {
    const begunAtMs = this.#begunAtMs ?? this.#atMs;
    for (const run of this.#runs()) run.end(this.#atMs);
    const [recorded, baseline, alternative] = [this.#recorded, this.#baseline, this.#alternative] as const;
    const summary = ({ cluster }: Run) => summaryOf(cluster, this.#atMs);
    return {
      fromSeq: this.#fromSeq,
      toSeq: this.#lastSeq,
      events: this.#events,
      spanMs: this.#atMs - begunAtMs,
      recorded: summary(recorded),
      baseline: summary(baseline),
      alternative: summary(alternative),
      ...compare(
        recorded.cluster.episodes,
        baseline.cluster.episodes,
        alternative.cluster.episodes,
        this.#atMs,
      ),
    };
  }

  #begin(seq: number): void {
    this.#begunAtMs = this.#atMs;
    for (const run of this.#runs()) run.begin(seq, this.#atMs);
  }

  #runs(): readonly Run[] {
    return [this.#recorded, this.#baseline, this.#alternative];
  }
}

/** The same for a log that is at hand. Equal events and options give equal reports, to the byte. */
export function replayDemand(events: Iterable<StoredEvent>, options: ReplayOptions = {}): ReplayReport {
  const replay = new DemandReplay(options);
  for (const event of events) replay.observe(event);
  return replay.report();
}
