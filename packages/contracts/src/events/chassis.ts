/**
 * The events of a chassis: its registration by its agent, the decisions of operators about it, its loss and its
 * recovery.
 */
import * as z from "zod";
import { recordedHosts } from "../host-fit.ts";
import { recordedModel } from "../models.ts";
import { recordedAmounts, recordedTaints } from "../schemas.ts";

const registration = z.object({
  chassisType: z.string(),
  capacity: recordedAmounts,
  overheadPermille: z.int().min(0).max(1000),
  /**
   * Per resource, the share of the real amount that the ledger offers, in permille (1200 = 120 %). The share of a
   * resource that is left out is 1000.
   */
  oversubscribePermille: recordedAmounts.optional(),
  maxVms: z.int().min(0),
  labels: z.record(z.string(), z.string()),
  agentId: z.string(),
  /** Absent when the chassis has no taint. */
  taints: recordedTaints.optional(),
  /** The hosts of a pool, each with what it has for VMs when it is empty; absent for a chassis without hosts. */
  hosts: recordedHosts.optional(),
  /** The cell models of the agent beside the built-in one; absent without any. */
  models: z.array(recordedModel).optional(),
});

/**
 * The outcome of the deletion of a machine. `DELETED`: the pool has nothing of it any more. `KEPT`: the agent cannot delete
 * it, and tries no more.
 */
export const MACHINE_OUTCOMES = ["DELETED", "KEPT"] as const;

/** What a pool can keep although its agent was to remove it. */
export const LEFT_KINDS = ["machine", "snapshot", "disk"] as const;

/** An object of a VM that its agent was to remove from a pool, and that the pool still has. */
export const leftObject = z.object({
  vmId: z.string(),
  kind: z.enum(LEFT_KINDS),
  /** Names the object in the pool. */
  uuid: z.string(),
  /** Number of tries to remove it, all of which failed. */
  tries: z.int().min(1),
  /** Why the last try failed. */
  reason: z.string(),
  /** Time of the next try, epoch ms; null when the agent tries no more, and a person must remove the object. */
  nextTryAtMs: z.int().min(0).nullable(),
});
export type LeftObject = z.infer<typeof leftObject>;

/** Maximum number of objects left behind that the state of one chassis names. Further ones are recorded when one is gone. */
export const MAX_LEFT_OBJECTS = 100;

export const CHASSIS_EVENTS = {
  "bioxen.chassis.registered.v1": registration,
  /** The agent registered the chassis again, with other values. */
  "bioxen.chassis.reconfigured.v1": registration,
  "bioxen.chassis.cordoned.v1": z.object({}),
  "bioxen.chassis.uncordoned.v1": z.object({}),
  "bioxen.chassis.removed.v1": z.object({}),
  /**
   * The chassis counts as lost: no heartbeat of its agent arrived for `silentMs`, which exceeds the limit `timeoutMs`.
   * The `basic` VMs of the chassis are placed elsewhere. `lossesInARow` is 1 for the first loss, and grows by 1 with
   * each loss that follows soon after the previous recovery.
   */
  "bioxen.chassis.lost.v1": z.object({
    silentMs: z.int().min(0),
    timeoutMs: z.int().min(1),
    lossesInARow: z.int().min(1),
  }),
  /**
   * The chassis takes VMs again. Its agent sends heartbeats steadily again, has read in the log that the chassis was
   * lost, and has ended every guest whose VM is no longer placed there.
   */
  "bioxen.chassis.recovered.v1": z.object({ lostForMs: z.int().min(0) }),
  /**
   * An operator has decided that the agent deletes a machine of another owner, with its disks and snapshots. `uuid` names
   * the machine in the pool.
   */
  "bioxen.chassis.machine-deletion-requested.v1": z.object({ uuid: z.string() }),
  /** The deletion has ended. `reason` says why the pool keeps the machine; empty when it was deleted. */
  "bioxen.chassis.machine-deletion-ended.v1": z.object({
    uuid: z.string(),
    outcome: z.enum(MACHINE_OUTCOMES),
    reason: z.string(),
  }),
  /**
   * The pool has not removed an object of a VM that the agent was to remove. Recorded at the first failed try, when the
   * agent gives up, and when another run of the agent tries again.
   */
  "bioxen.chassis.removal-failed.v1": leftObject,
  /** An object that the pool had not removed is gone: the agent removed it later, or a person did. */
  "bioxen.chassis.removal-completed.v1": leftObject.pick({ vmId: true, kind: true, uuid: true }),
} as const;

export type ChassisEvent = {
  [T in keyof typeof CHASSIS_EVENTS]: {
    readonly type: T;
    readonly data: z.infer<(typeof CHASSIS_EVENTS)[T]>;
  };
}[keyof typeof CHASSIS_EVENTS];
