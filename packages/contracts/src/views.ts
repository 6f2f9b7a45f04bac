/**
 * The views in the replies of services (VM, ledger, quota, chassis), and the functions that make them from folded
 * states.
 */
import { type Amounts, subtract } from "@bioxen/kernel";
import * as z from "zod";
import { recorded } from "./courses.ts";
import { leftObject } from "./events/chassis.ts";
import { checkpointRecord } from "./events/guest-state.ts";
import { MOVE_CODES } from "./events/move.ts";
import { recordedUntil } from "./events/until.ts";
import { placementRefusal, scheduledChange, vmBirth } from "./events/vm.ts";
import type { Chassis } from "./fold/chassis.ts";
import { heldAmounts, type Ledger } from "./fold/ledger.ts";
import { chargedAmounts, type Quota, quotaFree } from "./fold/quota.ts";
import { PREEMPTION_MODES, VM_STATES, type Vm } from "./fold/vm-state.ts";
import { recordedHosts } from "./host-fit.ts";
import { recordedModel } from "./models.ts";
import { guaranteeOf } from "./preemption.ts";
import { ownerOfQuota } from "./quota-label.ts";
import { BIOLOGICAL_TYPES, offeredOf, VM_TYPES, withCell } from "./resources.ts";
import { recordedAmounts, recordedTaints } from "./schemas.ts";
import { refusedStartView, viewOfStart } from "./start-view.ts";

const checkpointView = z.object({ ...checkpointRecord.shape, atMs: z.int() });
/** A named stored state of a VM's guest. It is kept until it is deleted. */
export const snapshotView = z
  .object({ snapshotId: z.string(), ...checkpointView.shape })
  .meta({ id: "SnapshotView" });
export type SnapshotView = z.infer<typeof snapshotView>;

export const preemptionView = z
  .object({
    mode: z.enum(PREEMPTION_MODES),
    by: z.string(),
    byPriority: z.int(),
    reason: z.string(),
    seq: z.int(),
    atMs: z.int(),
    active: z.boolean(),
    heldByUser: z.boolean(),
  })
  .meta({ id: "PreemptionView" });

export const vmView = z
  .object({
    vmId: z.string(),
    incarnation: z.int(),
    /** The principal that created the VM, or that it was transferred to; `admin` for VMs from before identities. */
    owner: z.string(),
    biologicalType: z.enum(BIOLOGICAL_TYPES),
    vmType: z.enum(VM_TYPES),
    state: z.enum(VM_STATES),
    reason: z.string().nullable(),
    chassisId: z.string().nullable(),
    /** The amounts that the VM asks for. Those of the cell in a machine of a pool are not counted by its ledger. */
    request: recordedAmounts,
    /** The amounts that the VM holds, with those of the cell in a machine; null without a reservation. */
    allocation: recordedAmounts.nullable(),
    /** Maximum amounts that the VM may use when it borrows idle capacity; absent: the VM borrows nothing. */
    burst: recordedAmounts.optional(),
    priority: z.int(),
    seed: z.int(),
    labels: z.record(z.string(), z.string()),
    parent: z.string().nullable(),
    /** Present in the second daughter of a division; `parent` is its mother. */
    birth: vmBirth.optional(),
    /** What is recorded of the cell at simulated minutes; absent: nothing. */
    record: recorded.optional(),
    version: z.int(),
    createdAtMs: z.int(),
    updatedAtMs: z.int(),
    /** Fencing token of the VM's reservation; null while the VM has no reservation. */
    fence: z.int().nullable(),
    /** While the VM waits for a place: why each chassis refuses it. */
    refusals: z.array(placementRefusal),
    failure: z.string().nullable(),
    /**
     * The move in progress. `target` is the reservation on the other chassis. While `target` is null, `refusals`
     * explain why each chassis refuses the VM.
     */
    migration: z
      .object({
        toChassisId: z.string().nullable(),
        code: z.enum(MOVE_CODES),
        reason: z.string(),
        requestedAtMs: z.int(),
        target: z.object({ chassisId: z.string(), fence: z.int(), allocation: recordedAmounts }).nullable(),
        refusals: z.array(placementRefusal),
      })
      .nullable(),
    pendingSinceMs: z.int().nullable(),
    /** The minimum that starving leaves the VM: its request, unless it was created with a lower guarantee. */
    guarantee: recordedAmounts,
    /** The last preemption of the VM. Its `active` is true while the VM still holds less than its request. */
    preemption: preemptionView.nullable(),
    environment: z.record(z.string(), z.number()),
    restartPolicy: z.object({ mode: z.string(), maxAttempts: z.int(), backoffMs: z.int() }),
    placement: z.record(z.string(), z.unknown()),
    config: z.record(z.string(), z.unknown()),
    /** What changes at minutes of the cell, in order; absent: nothing. If amounts change, the first entry has the initial. */
    schedule: z.array(scheduledChange).optional(),
    /** `max`: the cell lives as fast as its agent can compute it; absent: at the rate of its agent. */
    timeScale: z.literal("max").optional(),
    /**
     * The last minute of the cell, and what the VM does there; absent: the cell has none. `reached` is true from the event
     * `until-reached` on, until the VM is started again or restored to an earlier minute.
     */
    until: z.object({ ...recordedUntil.shape, reached: z.boolean() }).optional(),
    /** The stored state that the VM's next guest continues from; null: the next guest starts from the beginning. */
    checkpoint: checkpointView.nullable(),
    snapshots: z.array(snapshotView),
    /** The last refusal by the host since the start was requested; absent once the guest has started. */
    refusedStart: refusedStartView.optional(),
    /** Progress of a long start, permille; absent when it is unknown. */
    startPermille: z.int().optional(),
  })
  .meta({ id: "VmView" });
export type VmView = z.infer<typeof vmView>;

function viewOfMigration(migration: Vm["migration"]): VmView["migration"] {
  if (migration === null) return null;
  const { requestedBy: _by, ...seen } = migration;
  return { ...seen, refusals: [...seen.refusals] };
}

export function viewOfVm(vmId: string, vm: Vm): VmView {
  return {
    vmId,
    incarnation: vm.incarnation,
    owner: vm.owner,
    biologicalType: vm.biologicalType,
    vmType: vm.vmType,
    state: vm.state,
    reason: vm.reason,
    chassisId: vm.chassisId,
    request: withCell(vm.request, vm.cell),
    allocation: vm.allocation && withCell(vm.allocation, vm.cell),
    ...(vm.burst === undefined ? {} : { burst: vm.burst }),
    priority: vm.priority,
    seed: vm.seed,
    labels: vm.labels,
    parent: vm.parent,
    ...(vm.birth === undefined ? {} : { birth: vm.birth }),
    ...(vm.record === undefined ? {} : { record: vm.record }),
    version: vm.version,
    createdAtMs: vm.createdAtMs,
    updatedAtMs: vm.updatedAtMs,
    fence: vm.fence,
    refusals: [...vm.refusals],
    failure: vm.failure,
    migration: viewOfMigration(vm.migration),
    pendingSinceMs: vm.pendingSinceMs,
    guarantee: guaranteeOf(vm),
    preemption: vm.preemption,
    environment: vm.environment,
    restartPolicy: vm.restartPolicy,
    placement: vm.placement,
    config: vm.config,
    ...(vm.schedule === undefined ? {} : { schedule: [...vm.schedule] }),
    ...(vm.timeScale === undefined ? {} : { timeScale: vm.timeScale }),
    ...(vm.until === undefined ? {} : { until: { ...vm.until, reached: vm.untilReached === true } }),
    checkpoint: vm.checkpoint,
    snapshots: [...vm.snapshots],
    ...viewOfStart(vm),
  };
}

export const ledgerView = z
  .object({
    chassisId: z.string(),
    capacity: recordedAmounts,
    offered: recordedAmounts,
    reserved: recordedAmounts,
    free: recordedAmounts,
    /** Offered share of each oversubscribed resource, in permille of the real amount, as in the chassis view. */
    oversubscribePermille: recordedAmounts.optional(),
    maxVms: z.int(),
    /**
     * The last forged lease token in the ledger's events, with the sequence of its reservation event. The ledger
     * ignores such a token, which no lease can have had. Absent when no event has such a token.
     */
    ignoredToken: z.object({ seq: z.int(), token: z.int() }).optional(),
    entries: z.array(
      z.object({
        vmId: z.string(),
        incarnation: z.int(),
        fence: z.int(),
        reservedBy: z.string(),
        amounts: recordedAmounts,
        phase: z.enum(["reserved", "committed"]),
        expiresAtMs: z.int().nullable(),
      }),
    ),
  })
  .meta({ id: "LedgerView" });
export type LedgerView = z.infer<typeof ledgerView>;

export function viewOfLedger(chassisId: string, ledger: Ledger): LedgerView {
  const reserved = heldAmounts(ledger);
  const entries = Object.values(ledger.entries)
    .sort((a, b) => a.fence - b.fence || (a.vmId < b.vmId ? -1 : 1))
    .map(({ amountsSeq: _, ...entry }) => entry);
  return {
    chassisId,
    capacity: ledger.capacity,
    offered: ledger.offered,
    reserved,
    free: subtract(ledger.offered, reserved),
    ...oversubscribed(ledger),
    maxVms: ledger.maxVms,
    ...(ledger.ignoredToken === undefined ? {} : { ignoredToken: ledger.ignoredToken }),
    entries,
  };
}

export const quotaView = z
  .object({
    /** The label; for the quota of an owner, `@` and the name of the owner. */
    label: z.string(),
    /** The owner whose VMs the quota limits; absent in the quota of a label. */
    owner: z.string().optional(),
    /** The quota's limit for each resource. */
    resources: recordedAmounts,
    /**
     * The amounts that all VMs with the quota's label hold together on all chassis, including reservations in progress.
     * A VM that is moving counts once.
     */
    held: recordedAmounts,
    /** For each resource, the part of the quota's limit that VMs do not hold. */
    free: recordedAmounts,
    /** True when the limits are in force. False for a moment after the quota was first set or was lowered. */
    enforced: z.boolean(),
    /** Version of the quota when it was last set. It does not change with what VMs hold. */
    version: z.int(),
    holders: z.array(z.object({ vmId: z.string(), chassisId: z.string(), amounts: recordedAmounts })),
  })
  .meta({ id: "QuotaView" });
export type QuotaView = z.infer<typeof quotaView>;

export function viewOfQuota(quota: Quota): QuotaView {
  const holders = Object.entries(quota.charges)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { vmId, chassisId, amounts }]) => ({ vmId, chassisId, amounts }));
  const { label, resources, enforced, version } = quota;
  const held = chargedAmounts(quota);
  const owner = ownerOfQuota(label);
  const whose = owner === undefined ? { label } : { label, owner };
  return { ...whose, resources, held, free: quotaFree(quota), enforced, version, holders };
}

export const chassisView = z
  .object({
    chassisId: z.string(),
    chassisType: z.string(),
    capacity: recordedAmounts,
    offered: recordedAmounts,
    /** The part of `offered` that no VM holds now; absent in a view of a past moment. */
    free: recordedAmounts.optional(),
    overheadPermille: z.int(),
    /**
     * Offered share of each oversubscribed resource, in permille of the real amount; absent: no resource is
     * oversubscribed.
     */
    oversubscribePermille: recordedAmounts.optional(),
    maxVms: z.int(),
    labels: z.record(z.string(), z.string()),
    agentId: z.string(),
    taints: recordedTaints,
    /** The hosts of a pool, each with what it has for VMs when it is empty; absent for a chassis without hosts. */
    hosts: recordedHosts.optional(),
    /** The cell models of its agent beside the built-in one; absent without any. */
    models: z.array(recordedModel).optional(),
    /** What the pool keeps although the agent was to remove it, in order of the first failures; absent without any. */
    leftBehind: z.array(leftObject).optional(),
    /**
     * `ready`: heartbeats arrive. `suspect`: heartbeats are missing, and the chassis takes no VM. `lost`: heartbeats
     * were missing for so long that the chassis' VMs are placed elsewhere; this lasts until the chassis recovers.
     * `unknown`: the instance that answers has not listened for heartbeats long enough.
     */
    state: z.enum(["ready", "suspect", "lost", "unknown"]),
    cordoned: z.boolean(),
    heartbeatAgeMs: z.int().nullable(),
    /** Time at which the chassis was declared lost, epoch ms; null while it is not lost. */
    lostAtMs: z.int().nullable(),
    registeredAtMs: z.int(),
    version: z.int(),
  })
  .meta({ id: "ChassisView" });
export type ChassisView = z.infer<typeof chassisView>;

/** The liveness of a chassis in a view of a past moment: unknown, because heartbeats are not recorded. */
export const PAST_LIVENESS = { state: "unknown", heartbeatAgeMs: null } as const;

function oversubscribed({ oversubscribePermille }: { oversubscribePermille?: Amounts | undefined }) {
  return oversubscribePermille === undefined ? {} : { oversubscribePermille };
}

export function viewOfChassis(
  chassisId: string,
  chassis: Chassis,
  liveness: Pick<ChassisView, "state" | "heartbeatAgeMs">,
): ChassisView {
  return {
    chassisId,
    chassisType: chassis.chassisType,
    capacity: chassis.capacity,
    offered: offeredOf(chassis),
    overheadPermille: chassis.overheadPermille,
    ...oversubscribed(chassis),
    maxVms: chassis.maxVms,
    labels: chassis.labels,
    agentId: chassis.agentId,
    taints: [...(chassis.taints ?? [])],
    ...(chassis.hosts === undefined ? {} : { hosts: [...chassis.hosts] }),
    ...(chassis.models === undefined ? {} : { models: [...chassis.models] }),
    ...(chassis.leftBehind === undefined ? {} : { leftBehind: [...chassis.leftBehind] }),
    cordoned: chassis.cordoned,
    lostAtMs: chassis.lost?.atMs ?? null,
    registeredAtMs: chassis.registeredAtMs,
    version: chassis.version,
    ...liveness,
    // The log records only losses. Any other liveness is known only to an instance that receives heartbeats.
    ...(chassis.lost === null ? {} : { state: "lost" as const }),
  };
}
