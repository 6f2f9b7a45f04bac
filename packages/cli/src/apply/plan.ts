/**
 * What it takes to make a fleet so: a pure comparison of what is wanted with what there is.
 *
 * Only the request and the state of a VM can be changed in place. What else differs needs another VM under its id, which loses what is
 * in the cell: that is `replace`, and is done only when asked for by name.
 */
import { isDeepStrictEqual } from "node:util";
import { fullDemand, isHeldByPreemption, requestedAmounts, type Vm, type VmView } from "@bioxen/contracts";
import { equalAmounts } from "@bioxen/kernel";
import type { Fleet, WantedVm } from "./fleet-file.ts";
import { FLEET_LABEL, type FleetState } from "./fleet-schema.ts";

export interface Difference {
  readonly field: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** `left`: the fleet has it no more, and nobody asked to prune. `foreign`: it has the id and is of no, or of another, fleet. */
export type PlannedAction = "create" | "change" | "replace" | "unchanged" | "prune" | "left" | "foreign";

export interface PlannedVm {
  readonly vmId: string;
  readonly action: PlannedAction;
  readonly differences: readonly Difference[];
  /** Undefined: the fleet has it no more. */
  readonly wanted: WantedVm | undefined;
}

/** In the order of the file, what it has no more last. `present`: VMs that are not destroyed. */
export function planOf(fleet: Fleet, present: readonly VmView[], prune: boolean): PlannedVm[] {
  const byId = new Map(present.map((vm) => [vm.vmId, vm]));
  const wantedIds = new Set(fleet.vms.map(({ vmId }) => vmId));
  const superfluous = present.filter((vm) => isOf(fleet.name, vm) && !wantedIds.has(vm.vmId));
  return [
    ...fleet.vms.map((wanted) => plannedVm(fleet.name, wanted, byId.get(wanted.vmId))),
    ...superfluous.map(({ vmId }) => ({
      vmId,
      action: prune ? ("prune" as const) : ("left" as const),
      differences: [],
      wanted: undefined,
    })),
  ];
}

/** Made by `apply`: a fork of such a VM has its labels, and was made by somebody else. */
function isOf(fleet: string, vm: VmView): boolean {
  return vm.parent === null && vm.labels[FLEET_LABEL] === fleet;
}

function plannedVm(fleet: string, wanted: WantedVm, vm: VmView | undefined): PlannedVm {
  const { vmId } = wanted;
  if (vm === undefined) return { vmId, action: "create", differences: [], wanted };
  if (!isOf(fleet, vm)) {
    const from = vm.parent === null ? (vm.labels[FLEET_LABEL] ?? null) : `a fork of ${vm.parent}`;
    return { vmId, action: "foreign", differences: [{ field: "fleet", from, to: fleet }], wanted };
  }
  const fixed = fixedDifferences(wanted, vm);
  const free = freeDifferences(wanted, vm);
  const action = fixed.length > 0 ? "replace" : free.length > 0 ? "change" : "unchanged";
  return { vmId, action, differences: [...fixed, ...free], wanted };
}

/** What only another VM could have. */
function fixedDifferences({ create }: WantedVm, vm: VmView): Difference[] {
  const full = fullDemand(create.biologicalType, create.vmType);
  const burst = create.burst && requestedAmounts(create.burst, full, zeroes(create.burst));
  // Without one of its own a VM is guaranteed what it asks for, whatever that becomes.
  const guarantee =
    create.guarantee === undefined
      ? vm.request
      : requestedAmounts(create.guarantee, full, zeroes(create.guarantee));
  const guaranteed = Object.keys(guarantee).map((name) => [name, vm.guarantee[name] ?? 0]);
  return [
    ...differing("biologicalType", vm.biologicalType, create.biologicalType),
    ...differing("vmType", vm.vmType, create.vmType),
    ...differing("priority", vm.priority, create.priority),
    ...differing("seed", vm.seed, create.seed ?? vm.seed),
    ...differing("labels", vm.labels, create.labels),
    ...differing("environment", vm.environment, create.environment),
    ...differing("placement", vm.placement, create.placement),
    ...differing("restartPolicy", vm.restartPolicy, create.restartPolicy),
    ...differing("config", vm.config, create.config),
    ...differing("burst", vm.burst ?? {}, burst ?? {}),
    ...differing("guarantee", Object.fromEntries(guaranteed), guarantee),
  ];
}

function zeroes(named: object): Record<string, number> {
  return Object.fromEntries(Object.keys(named).map((name) => [name, 0]));
}

/** What can be changed as it is. */
function freeDifferences({ request, state }: WantedVm, vm: VmView): Difference[] {
  return [
    ...differing("resources", vm.request, request),
    ...differing("state", stateTowards(vm, state), state),
  ];
}

/** Of two records name by name, else of two values; as JSON records them, without what is undefined. */
function differing(field: string, from: unknown, to: unknown): Difference[] {
  if (!isRecord(from) || !isRecord(to)) return isDeepStrictEqual(from, to) ? [] : [{ field, from, to }];
  const before = recorded(from);
  const after = recorded(to);
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((name) => !isDeepStrictEqual(before[name], after[name]))
    .map((name) => ({ field: `${field}.${name}`, from: before[name] ?? null, to: after[name] ?? null }));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function recorded(value: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
}

/** The state a VM is on its way to: one that waits for a place is to run, one that somebody more urgent paused too; one that failed rests. */
function stateTowards(vm: VmView, wanted: FleetState): string {
  switch (vm.state) {
    case "pending":
    case "starting":
      return "running";
    case "paused":
      return isHeldBack(vm) ? "running" : "paused";
    case "created":
    case "stopping":
      return "stopped";
    case "error":
      return wanted === "stopped" ? "stopped" : "error";
    default:
      return vm.state;
  }
}

/** Paused by preemption, not by its user: it runs again when there is room. */
function isHeldBack(vm: VmView): boolean {
  return isHeldByPreemption(vm as Pick<Vm, "preemption">) && vm.preemption?.heldByUser !== true;
}

/** `wait`: it is on its way by itself. `rest`: as far as it can be brought now. */
export type Step = "create" | "destroy" | "resize" | "start" | "pause" | "resume" | "stop" | "wait" | "rest";

/** What is to be done next with a VM that is as `vm`; undefined: there is none. A fixed difference means that it is replaced. */
export function nextStep(wanted: WantedVm | undefined, vm: VmView | undefined): Step {
  if (vm === undefined || vm.state === "destroyed") return wanted === undefined ? "rest" : "create";
  if (vm.state === "stopping") return "wait";
  if (wanted === undefined || fixedDifferences(wanted, vm).length > 0) return "destroy";
  if (vm.state === "starting") return "wait";
  if (!equalAmounts(vm.request, wanted.request)) return vm.state === "pending" ? "stop" : "resize";
  const now = stateTowards(vm, wanted.state);
  if (vm.state === "pending" && wanted.state !== "stopped") return vm.refusals.length > 0 ? "rest" : "wait";
  if (now === wanted.state) return "rest";
  if (wanted.state === "stopped") return "stop";
  if (now === "stopped" || now === "error") return "start";
  return wanted.state === "paused" ? "pause" : "resume";
}
