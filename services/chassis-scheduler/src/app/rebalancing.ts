/**
 * Rebalancing: which VMs would be better placed on another chassis now, and, on request, their moves.
 *
 * Each move names the chassis that its VM is on. Lifecycle ignores it when the VM has left or is already moving, so
 * rebalancing needs no lease.
 */
import {
  callEndpoint,
  callFailure,
  ENDPOINTS,
  type Handled,
  type ParsedRequestOf,
  type PlacementPolicyName,
  type ResultOf,
  type Vm,
} from "@bioxen/contracts";
import type { Caller, Causation, Clock } from "@bioxen/kernel";
import { planRebalance, type Resident, type ResidentRoom, waitingVm } from "@bioxen/placement";
import type { Cluster } from "./cluster.ts";

/** Deadline of one call to lifecycle, ms. The call appends a single event. */
const CALL_TIMEOUT_MS = 10_000;

type Move = ResultOf<"placementRebalance">["moves"][number];

export class Rebalancing {
  readonly #cluster: Pick<Cluster, "vms" | "rooms">;
  readonly #clock: Clock;
  readonly #policy: PlacementPolicyName;
  readonly #bus: Caller;

  constructor(
    cluster: Pick<Cluster, "vms" | "rooms">,
    { clock, bus }: { readonly clock: Clock; readonly bus: Caller },
    policy: PlacementPolicyName,
  ) {
    this.#bus = bus;
    this.#cluster = cluster;
    this.#clock = clock;
    this.#policy = policy;
  }

  plan(request: ParsedRequestOf<"placementRebalance">): Handled<ResultOf<"placementRebalance">> {
    const policy = request.policy ?? this.#policy;
    const nowMs = this.#clock.nowMs();
    const { moves, ...rest } = planRebalance(this.#rooms(), { policy, nowMs, maxMoves: request.maxMoves });
    return { ok: true, result: { policy, moves: [...moves], ...rest } };
  }

  async rebalance(
    request: ParsedRequestOf<"chassisRebalance">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"chassisRebalance">>> {
    const planned = this.plan(request);
    if (!planned.ok) return planned;
    const { moves } = planned.result;
    const accepted = await Promise.all(moves.map((move) => this.#request(move, causation)));
    const asked = moves.filter((_move, i) => accepted[i] === true).map(({ vmId }) => vmId);
    return { ok: true, result: { ...planned.result, changed: asked.length > 0, asked } };
  }

  /** Requests one move, and returns true when lifecycle has accepted it. */
  async #request(move: Move, causation: Causation): Promise<boolean> {
    const reply = await callEndpoint(
      this.#bus,
      ENDPOINTS.vmMove,
      { ...move, code: "REBALANCE" },
      { timeoutMs: CALL_TIMEOUT_MS, causation: { ...causation, deduplicate: false } },
    );
    if (reply.ok) return reply.changed;
    if (!reply.error.retryable) return false;
    throw callFailure(ENDPOINTS.vmMove.subject, reply.error);
  }

  #rooms(): ResidentRoom[] {
    const residents = new Map<string, Resident[]>();
    for (const [vmId, vm] of this.#cluster.vms.entries()) {
      if (!vm.exists || vm.chassisId === null) continue;
      const here = residents.get(vm.chassisId) ?? [];
      here.push({ vm: waitingVm(vmId, vm), placedAtMs: vm.placedAtMs ?? 0, isMovable: isMovable(vm) });
      residents.set(vm.chassisId, here);
    }
    return this.#cluster.rooms().map((room) => ({ ...room, residents: residents.get(room.chassisId) ?? [] }));
  }
}

/**
 * Returns true for a cell that runs or is paused, does not move already, and is not preempted. A preempted VM would get
 * its full request on another chassis, which is not the purpose of a rebalance.
 */
function isMovable({ vmType, state, preemption, migration }: Vm): boolean {
  const isSettled = (state === "running" || state === "paused") && migration === null;
  return vmType === "basic" && isSettled && preemption?.active !== true;
}
