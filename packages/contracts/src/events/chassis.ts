/**
 * What can have happened to a chassis: what its agent registered, and what operators decided about it.
 */
import { z } from "zod";
import { recordedAmounts } from "../schemas.ts";

const registration = z.object({
  chassisType: z.string(),
  capacity: recordedAmounts,
  overheadPermille: z.int().min(0).max(1000),
  maxVms: z.int().min(0),
  labels: z.record(z.string(), z.string()),
  agentId: z.string(),
});

export const CHASSIS_EVENTS = {
  "bioxen.chassis.registered.v1": registration,
  /** Registered again with other values. */
  "bioxen.chassis.reconfigured.v1": registration,
  "bioxen.chassis.cordoned.v1": z.object({}),
  "bioxen.chassis.uncordoned.v1": z.object({}),
  "bioxen.chassis.removed.v1": z.object({}),
} as const;

export type ChassisEvent = {
  [T in keyof typeof CHASSIS_EVENTS]: {
    readonly type: T;
    readonly data: z.infer<(typeof CHASSIS_EVENTS)[T]>;
  };
}[keyof typeof CHASSIS_EVENTS];
