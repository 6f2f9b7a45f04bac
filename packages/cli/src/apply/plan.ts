/**
 * Plans the actions that bring a fleet to its desired state: a pure comparison of the fleet file with the existing VMs.
 *
 * Only the request and the state of a VM can change in place. Any other difference needs a new VM under the same id,
 * and the content of the cell is lost. That action is `replace`, which runs only with `--replace`.
 */
import { isDeepStrictEqual } from "node:util";
import {
  fullDemandOfTypes,
  isHeldByPreemption,
  recordedSchedule,
  requestedAmounts,
  requestParts,
  type Vm,
  type VmView,
} from "@bioxen/contracts";
import { equalAmounts } from "@bioxen/kernel";
import type { Fleet, WantedVm } from "./fleet-file.ts";
import { FLEET_LABEL, type FleetState } from "./fleet-schema.ts";

export interface Difference {
  readonly field: string;
  readonly from: unknown;
  readonly to: unknown;
}

/**
 * Action of the plan for one VM. `left`: the VM is no longer in the file, and stays because pruning was not requested.
 * `foreign`: the file names the id of a VM that belongs to another fleet or to no fleet.
 */
export type PlannedAction = "create" | "change" | "replace" | "unchanged" | "prune" | "left" | "foreign";

export interface PlannedVm {
  readonly vmId: string;
  readonly action: PlannedAction;
  readonly differences: readonly Difference[];
  /** Desired state of the VM; undefined when the VM is no longer in the file. */
  readonly wanted: WantedVm | undefined;
}

/**
 * Returns the planned action for each VM: first the VMs of the file in its order, then the VMs that are no longer in
 * the file. `present` holds all existing VMs that are not destroyed.
 */
export function planOf(fleet: Fleet, present: readonly VmView[], prune: boolean): PlannedVm[] {
  const byId = new Map(present.map((vm) => [vm.vmId, vm]));
  const wantedIds = new Set(fleet.vms.map(({ vmId }) => vmId));
  const unlisted = present.filter((vm) => isOf(fleet.name, vm) && !wantedIds.has(vm.vmId));
  return [
    ...fleet.vms.map((wanted) => plannedVm(fleet.name, wanted, byId.get(wanted.vmId))),
    ...unlisted.map(({ vmId }) => ({
      vmId,
      action: prune ? ("prune" as const) : ("left" as const),
      differences: [],
      wanted: undefined,
    })),
  ];
}

/**
 * Returns whether `vm` is a VM of this fleet that `apply` created. A fork has the same labels, but `apply` did not
 * create it.
 */
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
  const mutable = mutableDifferences(wanted, vm);
  const action = fixed.length > 0 ? "replace" : mutable.length > 0 ? "change" : "unchanged";
  return { vmId, action, differences: [...fixed, ...mutable], wanted };
}

/** Returns the differences between file and VM that cannot change in place and therefore need a new VM. */
function fixedDifferences({ create, types }: WantedVm, vm: VmView): Difference[] {
  const full = fullDemandOfTypes(types);
  const burst = create.burst && requestedAmounts(create.burst, full, zeroes(create.burst));
  // A VM without an explicit guarantee is guaranteed its whole request, also after a resize.
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
    ...differing("schedule", vm.schedule ?? [], scheduled(create, types)),
    ...differing("timeScale", vm.timeScale ?? "agent", create.timeScale ?? "agent"),
    ...differing("until", untilOf(vm), create.until ?? {}),
    ...differing("burst", vm.burst ?? {}, burst ?? {}),
    ...differing("guarantee", Object.fromEntries(guaranteed), guarantee),
  ];
}

function scheduled(create: WantedVm["create"], types: WantedVm["types"]): unknown {
  const { request } = requestParts(types, create.resources);
  return recordedSchedule(types, request, create.schedule).schedule ?? [];
}

function untilOf({ until }: VmView): object {
  return until === undefined ? {} : { simMinutes: until.simMinutes, then: until.then };
}

function zeroes(named: object): Record<string, number> {
  return Object.fromEntries(Object.keys(named).map((name) => [name, 0]));
}

/** Returns the differences between file and VM that can change in place. */
function mutableDifferences({ request, state }: WantedVm, vm: VmView): Difference[] {
  return [
    ...differing("resources", vm.request, request),
    ...differing("state", settledState(vm, state), state),
  ];
}

/**
 * Returns the differences between two values. Two records give one difference for each field that differs; other values
 * give at most one. Records are compared as JSON, without undefined fields.
 */
function differing(field: string, from: unknown, to: unknown): Difference[] {
  if (!isRecord(from) || !isRecord(to)) return isDeepStrictEqual(from, to) ? [] : [{ field, from, to }];
  const before = asJson(from);
  const after = asJson(to);
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((name) => !isDeepStrictEqual(before[name], after[name]))
    .map((name) => ({ field: `${field}.${name}`, from: before[name] ?? null, to: after[name] ?? null }));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asJson(value: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
}

/**
 * Returns the state that a VM will reach without a further command. A pending VM will run, and so will a VM that
 * preemption paused. A failed VM stays in `error`; this counts as stopped when the file wants the VM stopped. A VM that
 * has reached its last minute has run as the file wants.
 */
function settledState(vm: VmView, wanted: FleetState): string {
  const hasEnded = ["paused", "stopping", "stopped"].includes(vm.state) && vm.until?.reached === true;
  if (wanted === "running" && hasEnded) return "running";
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

/** Returns whether preemption, and not a user, paused the VM. Such a VM resumes when its chassis has room again. */
function isHeldBack(vm: VmView): boolean {
  return isHeldByPreemption(vm as Pick<Vm, "preemption">) && vm.preemption?.heldByUser !== true;
}

/**
 * Next step for a VM: a command, `wait` or `rest`. `wait`: the VM is in transition and needs no command. `rest`: no
 * step is due, or none can succeed now.
 */
export type Step = "create" | "destroy" | "resize" | "start" | "pause" | "resume" | "stop" | "wait" | "rest";

/**
 * Returns the next step from the current view `vm` to the desired state `wanted`. `vm` is undefined when the VM does
 * not exist; `wanted` is undefined when the VM must be destroyed. A VM that cannot change in place is destroyed and
 * then created.
 */
export function nextStep(wanted: WantedVm | undefined, vm: VmView | undefined): Step {
  if (vm === undefined || vm.state === "destroyed") return wanted === undefined ? "rest" : "create";
  if (vm.state === "stopping") return "wait";
  if (wanted === undefined || fixedDifferences(wanted, vm).length > 0) return "destroy";
  if (vm.state === "starting") return "wait";
  if (!equalAmounts(vm.request, wanted.request)) return vm.state === "pending" ? "stop" : "resize";
  const now = settledState(vm, wanted.state);
  if (vm.state === "pending" && wanted.state !== "stopped") return vm.refusals.length > 0 ? "rest" : "wait";
  if (now === wanted.state) return "rest";
  if (wanted.state === "stopped") return "stop";
  if (now === "stopped" || now === "error") return "start";
  return wanted.state === "paused" ? "pause" : "resume";
}
