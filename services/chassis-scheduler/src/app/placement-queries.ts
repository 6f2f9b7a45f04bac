/**
 * What the scheduler would do, and why: the same plan as in the process, with nothing done about it.
 */
import {
  fullDemand,
  type Handled,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  requestedAmounts,
} from "@bioxen/contracts";
import type { Clock } from "@bioxen/kernel";
import {
  candidatesFor,
  type PlacementPolicy,
  planPlacements,
  type WaitingVm,
  waitingVm,
} from "@bioxen/placement";
import type { Cluster } from "./cluster.ts";

/** What a VM that is only asked about is called when it has no name. */
const UNNAMED = "new-vm";

export class PlacementQueries {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #policy: PlacementPolicy;

  constructor(cluster: Cluster, clock: Clock, policy: PlacementPolicy) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#policy = policy;
  }

  plan(request: ParsedRequestOf<"placementPlan">): Handled<ResultOf<"placementPlan">> {
    const asked = "vmIds" in request ? this.#existing(request.vmIds) : [this.#imagined(request)];
    if (typeof asked === "string") return refuse("VM_NOT_FOUND", `there is no VM ${asked}`);
    const plan = planPlacements(asked, this.#cluster.rooms(), {
      policy: this.#policy,
      quotas: this.#cluster.quotas(),
      nowMs: this.#clock.nowMs(),
    });
    return {
      ok: true,
      result: {
        placements: plan.placements.map(({ vm, chassisId, score }) => ({ vmId: vm.vmId, chassisId, score })),
        deferrals: plan.deferrals.map(({ vmId, reasons }) => ({ vmId, reasons: [...reasons] })),
        scores: Object.fromEntries(Object.entries(plan.scores).map(([id, list]) => [id, [...list]])),
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

  explain({ vmId }: ParsedRequestOf<"placementExplain">): Handled<ResultOf<"placementExplain">> {
    const vm = this.#cluster.vms.get(vmId);
    if (!vm.exists) return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
    const candidates = candidatesFor(waitingVm(vmId, vm), this.#cluster.rooms(), this.#policy);
    return {
      ok: true,
      result: {
        vmId,
        state: vm.state,
        chassisId: vm.chassisId,
        summary: summaryOf(vm),
        candidates: [...candidates],
      },
    };
  }
}

function summaryOf(vm: { state: string; chassisId: string | null; reason: string | null }): string {
  if (vm.chassisId !== null) return `it is ${vm.state} on ${vm.chassisId}`;
  if (vm.state === "pending") return `it waits for a place: ${vm.reason ?? "the next plan decides"}`;
  return `it is ${vm.state} and asks for no place`;
}
