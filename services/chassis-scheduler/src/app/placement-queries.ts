/**
 * What the scheduler would do, and why: the same plan as in the process, with nothing done about it.
 */
import {
  describeRefusals,
  fullDemand,
  type Handled,
  MAX_PAGE,
  type ParsedRequestOf,
  type Preemption,
  type ResultOf,
  refuse,
  requestedAmounts,
  type Vm,
} from "@bioxen/contracts";
import { add, type Clock, type EventLog, type ServicePorts } from "@bioxen/kernel";
import {
  type Candidate,
  type ChassisRoom,
  candidatesFor,
  type Placement,
  type PlacementPolicy,
  type Plan,
  planPlacements,
  settleClaims,
  type WaitingVm,
  waitingVm,
} from "@bioxen/placement";
import type { Cluster } from "./cluster.ts";
import { contendedRooms } from "./pressure.ts";
import { decisionWords, recordedDecision } from "./recorded-decision.ts";

/** What a VM that is only asked about is called when it has no name. */
const UNNAMED = "new-vm";

export class PlacementQueries {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #log: EventLog;
  readonly #policy: PlacementPolicy;

  constructor(
    cluster: Cluster,
    { clock, log }: Pick<ServicePorts, "clock" | "log">,
    policy: PlacementPolicy,
  ) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#log = log;
    this.#policy = policy;
  }

  plan(request: ParsedRequestOf<"placementPlan">): Handled<ResultOf<"placementPlan">> {
    const asked = "vmIds" in request ? this.#existing(request.vmIds) : [this.#imagined(request)];
    if (typeof asked === "string") return refuse("VM_NOT_FOUND", `there is no VM ${asked}`);
    const rooms = this.#roomsWithout(asked);
    const plan = planPlacements(asked, rooms, {
      policy: this.#policy,
      quotas: this.#cluster.quotas(),
      nowMs: this.#clock.nowMs(),
    });
    const contended = contendedRooms(this.#cluster, rooms, Number.POSITIVE_INFINITY);
    const { placements, heldBack, preemptions } = settleClaims(plan, asked, contended, [], {
      mayPreempt: true,
    });
    return {
      ok: true,
      result: {
        placements: placements.map(({ vm, chassisId, score }) => ({ vmId: vm.vmId, chassisId, score })),
        deferrals: [...plan.deferrals, ...heldBack.map(keptForAnother)].map(({ vmId, reasons }) => ({
          vmId,
          reasons: [...reasons],
        })),
        preemptions: preemptions.map(({ vm, chassisId, victims }) => ({
          vmId: vm.vmId,
          chassisId,
          victims: victims.map(({ vmId, priority, mode, frees }) => ({ vmId, priority, mode, frees })),
        })),
        scores: Object.fromEntries(Object.entries(plan.scores).map(([id, list]) => [id, [...list]])),
        changes: this.#changes(asked, placements),
      },
    };
  }

  #existing(vmIds: readonly string[]): WaitingVm[] | string {
    const out: WaitingVm[] = [];
    for (const vmId of vmIds) {
      const vm = this.#cluster.vms.get(vmId);
      if (!vm.exists) return vmId;
      out.push(waitingVm(vmId, vm));
    }
    return out;
  }

  #imagined(request: Exclude<ParsedRequestOf<"placementPlan">, { vmIds: string[] }>): WaitingVm {
    const full = fullDemand(request.biologicalType, request.vmType);
    return {
      vmId: request.vmId ?? UNNAMED,
      incarnation: 1,
      vmType: request.vmType,
      request: requestedAmounts(request.resources, full, full),
      placement: request.placement,
      labels: request.labels,
      priority: request.priority,
      waitingSinceMs: this.#clock.nowMs(),
    };
  }

  /** Whose chassis would be another than now. */
  #changes(
    asked: readonly WaitingVm[],
    placements: readonly Placement[],
  ): ResultOf<"placementPlan">["changes"] {
    const planned = new Map(placements.map(({ vm, chassisId }) => [vm.vmId, chassisId]));
    return asked.flatMap(({ vmId }) => {
      const vm = this.#cluster.vms.get(vmId);
      const from = vm.exists ? vm.chassisId : null;
      const to = planned.get(vmId) ?? null;
      return from === to ? [] : [{ vmId, from, to }];
    });
  }

  /** All rooms, as if these VMs had no place. */
  #roomsWithout(vms: readonly WaitingVm[]): readonly ChassisRoom[] {
    const own = new Map<string, string[]>();
    for (const { vmId } of vms) {
      for (const chassisId of this.#cluster.ledgersOf(vmId)) {
        own.set(chassisId, [...(own.get(chassisId) ?? []), vmId]);
      }
    }
    return this.#cluster.rooms().map((one) => this.#without(one, own.get(one.chassisId) ?? []));
  }

  #without(one: ChassisRoom, vmIds: readonly string[]): ChassisRoom {
    const { entries } = this.#cluster.ledgers.get(one.chassisId);
    let made = one;
    for (const vmId of vmIds) {
      const { free, placesLeft } = made.room;
      const given = add(free, entries[vmId]?.amounts ?? {});
      const neighbours = made.neighbours?.without(vmId);
      made = { ...made, room: { free: given, placesLeft: placesLeft + 1 }, neighbours };
    }
    return made;
  }

  async explain({
    vmId,
  }: ParsedRequestOf<"placementExplain">): Promise<Handled<ResultOf<"placementExplain">>> {
    const vm = this.#cluster.vms.get(vmId);
    if (!vm.exists) return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
    const decision = await recordedDecision(this.#log, vmId, vm);
    const why = decision === null ? "" : `: ${decisionWords(decision)}`;
    return {
      ok: true,
      result: {
        vmId,
        state: vm.state,
        chassisId: vm.chassisId,
        summary: `${summaryOf(vm)}${why}`,
        candidates: [...this.#candidates(vmId, vm)],
        decision,
        preemption: vm.preemption,
        preempted: this.#preemptedFor(vmId, vm),
      },
    };
  }

  /** Of one that waits in its turn among all who wait, so that a chassis that is kept for another says so. */
  #candidates(vmId: string, vm: Vm): readonly Candidate[] {
    const waiting = this.#cluster.waiting();
    if (!waiting.some((one) => one.vmId === vmId)) {
      const asked = waitingVm(vmId, vm);
      return candidatesFor(asked, this.#roomsWithout([asked]), this.#policy);
    }
    const { scores } = planPlacements(waiting, this.#cluster.rooms(), {
      policy: this.#policy,
      quotas: this.#cluster.quotas(),
      nowMs: this.#clock.nowMs(),
      inFull: new Set([vmId]),
    });
    return scores[vmId] ?? [];
  }

  /** Who gave way to this VM in its present life and has not given way to another since, the last first. */
  #preemptedFor(vmId: string, { createdAtMs }: Vm): ResultOf<"placementExplain">["preempted"] {
    const out: ResultOf<"placementExplain">["preempted"] = [];
    for (const [victimId, victim] of this.#cluster.vms.entries()) {
      if (!victim.exists || victim.preemption?.by !== vmId || victim.preemption.atMs < createdAtMs) continue;
      const { mode, reason, seq, atMs, active } = victim.preemption;
      out.push({ vmId: victimId, mode, reason, seq, atMs, active });
    }
    return out.sort((a, b) => b.seq - a.seq).slice(0, MAX_PAGE);
  }
}

function keptForAnother({ vm: { vmId }, chassisId }: Placement): Plan["deferrals"][number] {
  const message = "what is free there is kept for a VM of higher priority";
  return { vmId, reasons: [{ chassisId, code: "UNAVAILABLE", message }] };
}

function summaryOf(vm: Vm): string {
  if (vm.preemption?.active === true) return preemptedSummary(vm, vm.preemption);
  if (vm.chassisId !== null) return `it is ${vm.state} on ${vm.chassisId}${moveWords(vm)}`;
  if (vm.state === "pending") return `it waits for a place: ${vm.reason ?? "the next plan decides"}`;
  return `it is ${vm.state} and asks for no place`;
}

function moveWords({ migration }: Vm): string {
  if (migration === null) return "";
  const { target, toChassisId, refusals, reason } = migration;
  const asked = ` and is to move to ${toChassisId ?? "another chassis"} (${reason})`;
  if (target !== null) return `${asked}: it has its place on ${target.chassisId} and is handed over`;
  return `${asked}: it waits for a place${refusals.length === 0 ? "" : `: ${describeRefusals(refusals)}`}`;
}

const GAVE_WAY: Readonly<Record<Preemption["mode"], string>> = {
  starve: "it runs on less",
  pause: "it was paused",
  evict: "it was evicted and waits for a place",
};

function preemptedSummary({ state, chassisId }: Vm, { mode, by, byPriority, reason }: Preemption): string {
  const where =
    chassisId === null
      ? ""
      : ` It is ${state} on ${chassisId} and gets back what it gave once there is room.`;
  return `${GAVE_WAY[mode]} for ${by} (priority ${byPriority}): ${reason}.${where}`;
}
