/**
 * The replay of a log's demand: decides it again under another policy or with other chassis.
 *
 * A discrete-event simulation in the time of the log. Three clusters get the same demand: `recorded` places every VM
 * where the log says; `baseline` decides with the recorded policy and all chassis; `alternative` decides with the given
 * options. The alternative is compared with the baseline. Both come from the same code, so that errors of the model
 * cancel out. `reproduction` says how close the baseline comes to the recorded decisions.
 *
 * The model: a place is taken when it is planned, and is free when its VM leaves. The model has no start and stop times
 * of guests, no expiry of reservations and only one scheduler. It has no heartbeats: a silent chassis takes VMs. A VM
 * of a silent chassis requests another place when the log says that the VM was displaced. The model has no preemption:
 * baseline and alternative leave VMs in place that the recorded scheduler preempted, and the VM that needs their room
 * waits. VMs end when the log says so, whether they have a place or still wait. A VM that names a `placement.policy`
 * keeps that policy; the option `policy` applies to all other VMs.
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
  /** The alternative's policy for VMs that name no policy; default: the recorded policy. */
  readonly policy?: PlacementPolicyName;
  /** The default policy that the scheduler had when the log was written. The log does not record it. */
  readonly recordedPolicy?: PlacementPolicyName;
  /** Ids of the chassis that the alternative lacks. */
  readonly withoutChassis?: readonly string[];
  /** Chassis that the alternative has in addition, from the beginning, with the defaults of their types. */
  readonly withChassis?: readonly ExtraChassis[];
  /**
   * Sequence of the first event at which the replay decides; placements before it are taken from the log. Default: 1.
   */
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

/** One of the clusters of a replay, to which the demand is applied step by step. */
class Run {
  readonly cluster = new VirtualCluster();
  readonly #decider: Decider;
  #deciding = false;
  #planDueAtMs: number | null = null;

  constructor(decider: Decider) {
    this.#decider = decider;
  }

  /**
   * Begins the decisions of this run at sequence `seq` and instant `atMs`; before that, the run only repeats the log. A
   * decider of kind `plan` then places the VMs on its own set of chassis. A decider of kind `log` goes on repeating the
   * log.
   */
  begin(seq: number, atMs: number): void {
    this.#deciding = true;
    this.cluster.beginToDecide(atMs);
    if (this.#decider.by === "log") return;
    for (const chassisId of this.#decider.without) {
      this.cluster.setChassis(chassisId, { registered: false }, seq, atMs);
    }
    for (const { chassisId, chassis } of this.#decider.extra.flatMap((one) => chassisFrom(one, atMs))) {
      this.cluster.setChassis(chassisId, chassis, seq, atMs);
    }
    this.#planDueAtMs = atMs + GATHER_MS;
  }

  step(step: DemandStep): void {
    this.#planUntil(step.atMs);
    const { cluster } = this;
    switch (step.kind) {
      case "requested":
        cluster.request(step.vm, step.seq, step.atMs);
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
      case "held":
        if (!this.#follows()) return;
        if (step.amounts === null) cluster.request(step.vm, step.seq, step.atMs);
        else cluster.setHeld(step.vm.vmId, step.amounts, step.atMs);
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

/**
 * Returns the additional chassis. Their ids are `what-if-yeast-1` and so on, which are unlikely to collide with ids of
 * the log.
 */
function chassisFrom(
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

/** Replays the demand of a log that it gets event by event, so that the log need not fit in memory. */
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

  /** The ids of all chassis in the log. An option that names any other chassis is a mistake of the caller. */
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

/** Replays a log that is in memory. Equal events and options give equal reports, byte for byte. */
export function replayDemand(events: Iterable<StoredEvent>, options: ReplayOptions = {}): ReplayReport {
  const replay = new DemandReplay(options);
  for (const event of events) replay.observe(event);
  return replay.report();
}
