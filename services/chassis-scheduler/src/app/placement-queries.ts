/**
 * Placement queries: what the scheduler would do, and why. They run the plan of the placement process and change
 * nothing.
 */
import {
  BUILT_IN_MODELS,
  cellNeedsOf,
  cellProblems,
  describeRefusals,
  ENDPOINTS,
  type Handled,
  type KnownModels,
  MAX_PAGE,
  modelRefusal,
  modelsFor,
  type ParsedRequestOf,
  type Preemption,
  type ResultOf,
  recordedSchedule,
  refuse,
  requestParts,
  resourceProblems,
  type Vm,
  withDemand,
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
import { contendedRooms } from "./contention.ts";
import { decisionWords, recordedDecision } from "./recorded-decision.ts";

/** Id of the hypothetical VM in a plan query that gives none. */
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

  plan(
    request: ParsedRequestOf<"placementPlan">,
    caller: string | undefined,
    maxBytes: number,
  ): Promise<Handled<ResultOf<"placementPlan">>> {
    const { subject, pages = {} } = ENDPOINTS.placementPlan;
    const models = "vmIds" in request ? BUILT_IN_MODELS : this.#modelsFor(request.config);
    if (!("vmIds" in request) && request.vmType === "basic") {
      const unknown = modelRefusal(request.config, models);
      if (unknown !== undefined) return Promise.resolve(unknown);
    }
    const problems =
      "vmIds" in request
        ? []
        : [
            ...resourceProblems(withDemand(request, models), request.resources),
            ...(request.vmType === "basic" ? cellProblems(request, models) : []),
          ];
    if (problems.length > 0) {
      const message = problems.map((p) => `${p.path} ${p.message}`).join("; ");
      return Promise.resolve(refuse("BAD_REQUEST", message, { details: { problems } }));
    }
    const listing = listingOf(subject, caller);
    return this.#cluster.frozenPages.page<ResultOf<"placementPlan">>(listing, request, maxBytes, pages, () =>
      this.#plan(request, caller),
    );
  }

  #plan(
    request: ParsedRequestOf<"placementPlan">,
    caller: string | undefined,
  ): Handled<Omit<ResultOf<"placementPlan">, "cursor">> {
    const vms = "vmIds" in request ? this.#existing(request.vmIds) : [this.#hypothetical(request, caller)];
    if (typeof vms === "string") return refuse("VM_NOT_FOUND", `there is no VM ${vms}`);
    // A hypothetical VM without an id of its own may be named like an existing VM, and is another VM nevertheless.
    const isUnnamed = !("vmIds" in request) && request.vmId === undefined;
    const rooms = this.#roomsWithout(isUnnamed ? [] : vms);
    const plan = planPlacements(vms, rooms, {
      policy: this.#policy,
      quotas: this.#cluster.quotas(),
      closedQuotas: this.#cluster.closedQuotas(),
      nowMs: this.#clock.nowMs(),
    });
    const contended = contendedRooms(this.#cluster, rooms, Number.POSITIVE_INFINITY);
    const { placements, heldBack, preemptions } = settleClaims(plan, vms, contended, [], {
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
        changes: this.#changes(vms, placements, isUnnamed),
      },
    };
  }

  #modelsFor(config: Readonly<Record<string, unknown>>): KnownModels {
    return modelsFor(config, () => this.#cluster.registered().map(([, chassis]) => chassis));
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

  /** Returns the VM that the caller would create with this request. */
  #hypothetical(
    request: Exclude<ParsedRequestOf<"placementPlan">, { vmIds: string[] }>,
    owner: string | undefined,
  ): WaitingVm {
    const types = withDemand(request, this.#modelsFor(request.config));
    const { request: initial } = requestParts(types, request.resources);
    return {
      vmId: request.vmId ?? UNNAMED,
      incarnation: 1,
      vmType: request.vmType,
      request: recordedSchedule(types, initial, request.schedule).request,
      config: request.config,
      placement: request.placement,
      labels: request.labels,
      owner,
      priority: request.priority,
      waitingSinceMs: this.#clock.nowMs(),
    };
  }

  /**
   * Returns the VMs whose planned chassis (`to`) differs from their present chassis (`from`). `from` is null for a VM
   * without a chassis, and `to` for a VM that the plan does not place.
   */
  #changes(
    vms: readonly WaitingVm[],
    placements: readonly Placement[],
    isUnnamed: boolean,
  ): ResultOf<"placementPlan">["changes"] {
    const planned = new Map(placements.map(({ vm, chassisId }) => [vm.vmId, chassisId]));
    return vms.flatMap(({ vmId }) => {
      const vm = this.#cluster.vms.get(vmId);
      const from = vm.exists && !isUnnamed ? vm.chassisId : null;
      const to = planned.get(vmId) ?? null;
      return from === to ? [] : [{ vmId, from, to }];
    });
  }

  /** Returns the room of every chassis, computed as if these VMs had no place. */
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

  explain(
    request: ParsedRequestOf<"placementExplain">,
    caller: string | undefined,
    maxBytes: number,
  ): Promise<Handled<ResultOf<"placementExplain">>> {
    const { subject, pages = {} } = ENDPOINTS.placementExplain;
    return this.#cluster.frozenPages.page<ResultOf<"placementExplain">>(
      listingOf(subject, caller),
      request,
      maxBytes,
      pages,
      () => this.#explain(request.vmId),
    );
  }

  async #explain(vmId: string): Promise<Handled<Omit<ResultOf<"placementExplain">, "cursor">>> {
    const vm = this.#cluster.vms.get(vmId);
    if (!vm.exists) return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
    const decision = await recordedDecision(this.#log, vmId, vm);
    const why = decision === null ? "" : `: ${decisionWords(decision)}`;
    const cellNeeds = cellNeedsOf(vm);
    return {
      ok: true,
      result: {
        vmId,
        state: vm.state,
        chassisId: vm.chassisId,
        summary: `${summaryOf(vm)}${why}`,
        ...(cellNeeds === undefined ? {} : { cellNeeds }),
        candidates: [...this.#candidates(vmId, vm)],
        decision,
        preemption: vm.preemption,
        preempted: this.#preemptedFor(vmId, vm),
      },
    };
  }

  /**
   * Returns every chassis with its score or its refusal. A waiting VM is planned together with all other waiting VMs,
   * so that the refusal of a held chassis names the hold as its reason.
   */
  #candidates(vmId: string, vm: Vm): readonly Candidate[] {
    const waiting = this.#cluster.waiting();
    if (!waiting.some((one) => one.vmId === vmId)) {
      const requested = waitingVm(vmId, vm);
      return candidatesFor(requested, this.#roomsWithout([requested]), this.#policy);
    }
    const { scores } = planPlacements(waiting, this.#cluster.rooms(), {
      policy: this.#policy,
      quotas: this.#cluster.quotas(),
      closedQuotas: this.#cluster.closedQuotas(),
      nowMs: this.#clock.nowMs(),
      inFull: new Set([vmId]),
    });
    return scores[vmId] ?? [];
  }

  /**
   * Returns the VMs whose latest preemption was for this VM in its present incarnation, the newest first. A VM that was
   * preempted again for another VM is not listed.
   */
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

/** Returns the name of a caller's listing. The cursor of one caller is of no use to another one. */
function listingOf(subject: string, caller = ""): string {
  return `${subject} ${caller}`;
}

function keptForAnother({ vm: { vmId }, chassisId }: Placement): Plan["deferrals"][number] {
  const message = "its free room is kept for a VM of higher priority";
  return { vmId, reasons: [{ chassisId, code: "UNAVAILABLE", message }] };
}

function summaryOf(vm: Vm): string {
  if (vm.preemption?.active === true) return preemptedSummary(vm, vm.preemption);
  if (vm.chassisId !== null) return `it is ${vm.state} on ${vm.chassisId}${moveWords(vm)}${refusedWords(vm)}`;
  if (vm.state === "pending") return `it waits for a place: ${vm.reason ?? "not planned yet"}`;
  return `it is ${vm.state} and needs no place`;
}

/** A pending VM has the refusal among its reasons already. */
function refusedWords({ refusedStart }: Vm): string {
  if (refusedStart === undefined) return "";
  const { tries, chassisId, reason, retryAtMs } = refusedStart;
  return `; try ${tries} to start it on ${chassisId} was refused: ${reason}; next try at ${new Date(retryAtMs).toISOString()}`;
}

function moveWords({ migration }: Vm): string {
  if (migration === null) return "";
  const { target, toChassisId, refusals, reason } = migration;
  const move = ` and is due to move to ${toChassisId ?? "another chassis"} (${reason})`;
  if (target !== null) return `${move}: it has a place on ${target.chassisId} and is being handed over`;
  return `${move}: it waits for a place${refusals.length === 0 ? "" : `: ${describeRefusals(refusals)}`}`;
}

const PREEMPTION_WORDS: Readonly<Record<Preemption["mode"], string>> = {
  starve: "it was starved",
  pause: "it was paused",
  evict: "it was evicted",
};

function preemptedSummary({ state, chassisId }: Vm, { mode, by, byPriority, reason }: Preemption): string {
  const now =
    chassisId === null
      ? "It waits for a place"
      : `It is ${state} on ${chassisId} and gets its full request back once there is room`;
  return `${PREEMPTION_WORDS[mode]} for ${by} (priority ${byPriority}): ${reason}. ${now}.`;
}
