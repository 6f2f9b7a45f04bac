/**
 * What can have happened to a chassis: what its agent registered, what operators decided about it, and that it fell silent.
 */
import { z } from "zod";
import { recordedAmounts, recordedTaints } from "../schemas.ts";

const registration = z.object({
  chassisType: z.string(),
  capacity: recordedAmounts,
  overheadPermille: z.int().min(0).max(1000),
  /** Thousandths of what there is that its ledger gives away, per resource; absent, as a name that is absent: not oversubscribed. */
  oversubscribePermille: recordedAmounts.optional(),
  maxVms: z.int().min(0),
  labels: z.record(z.string(), z.string()),
  agentId: z.string(),
  /** Absent: none. */
  taints: recordedTaints.optional(),
});

export const CHASSIS_EVENTS = {
  "bioxen.chassis.registered.v1": registration,
  /** Registered again with other values. */
  "bioxen.chassis.reconfigured.v1": registration,
  "bioxen.chassis.cordoned.v1": z.object({}),
  "bioxen.chassis.uncordoned.v1": z.object({}),
  "bioxen.chassis.removed.v1": z.object({}),
  /**
   * Its agent was not heard of for `silentMs` where `timeoutMs` were the limit: its `basic` VMs are placed elsewhere.
   * `lossesInARow`: 1, 2, 3 … while each loss follows soon on the recovery before it.
   */
  "bioxen.chassis.lost.v1": z.object({
    silentMs: z.int().min(0),
    timeoutMs: z.int().min(1),
    lossesInARow: z.int().min(1),
  }),
  /** Its agent is heard of steadily, has read of the loss and has no leftover guest: it takes VMs again. */
  "bioxen.chassis.recovered.v1": z.object({ lostForMs: z.int().min(0) }),
} as const;

export type ChassisEvent = {
  [T in keyof typeof CHASSIS_EVENTS]: {
    readonly type: T;
    readonly data: z.infer<(typeof CHASSIS_EVENTS)[T]>;
  };
}[keyof typeof CHASSIS_EVENTS];
