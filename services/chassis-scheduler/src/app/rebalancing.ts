/**
 * The question who would be better off elsewhere, asked of the picture as it is.
 */
import type { Handled, ParsedRequestOf, PlacementPolicyName, ResultOf, Vm } from "@bioxen/contracts";
import type { Clock } from "@bioxen/kernel";
import { planRebalance, type Resident, type ResidentRoom, waitingVm } from "@bioxen/placement";
import type { Cluster } from "./cluster.ts";

export class Rebalancing {
  readonly #cluster: Pick<Cluster, "vms" | "rooms">;
  readonly #clock: Clock;
  readonly #policy: PlacementPolicyName;

  constructor(cluster: Pick<Cluster, "vms" | "rooms">, clock: Clock, policy: PlacementPolicyName) {
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

/** A cell that runs, is not on its way already, and has all it asks for: elsewhere it would be given that. */
function isMovable({ vmType, state, preemption, migration }: Vm): boolean {
  const isThere = (state === "running" || state === "paused") && migration === null;
  return vmType === "basic" && isThere && preemption?.active !== true;
}
