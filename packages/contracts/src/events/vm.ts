/**
 * What can have happened to a VM. Stored for ever: a type is never changed, only followed by a higher version.
 * `VM_EVENTS` is what is written today; what only older logs hold is in `SUPERSEDED_VM_EVENTS`, see `upcasters.ts`.
 */
import { z } from "zod";
import { BIOLOGICAL_TYPES, VM_TYPES } from "../resources.ts";
import { anyJson, recordedAmounts } from "../schemas.ts";
import { checkpointRecord, GUEST_STATE_EVENTS } from "./guest-state.ts";
import { MOVE_EVENTS } from "./move.ts";
import { OBSERVED_EVENTS } from "./observed.ts";

const empty = z.object({});

/** Why one chassis did not take a VM. */
export const placementRefusal = z
  .object({
    /** null: the reason is not one chassis' (none is registered). */
    chassisId: z.string().nullable(),
    code: z.string(),
    message: z.string(),
    resource: z.string().optional(),
    requested: z.number().optional(),
    free: z.number().optional(),
    /** So many chassis that are not named refuse for this kind of reason; absent: the line is of the one named. */
    chassisCount: z.int().min(1).optional(),
  })
  .meta({ id: "PlacementRefusal" });
export type PlacementRefusal = z.infer<typeof placementRefusal>;

export const vmCreated = z.object({
  incarnation: z.int().min(1),
  biologicalType: z.enum(BIOLOGICAL_TYPES),
  vmType: z.enum(VM_TYPES),
  request: recordedAmounts,
  /** The least that preemption may shrink it to; absent: its request. */
  guarantee: recordedAmounts.optional(),
  /** Up to what idle capacity of its chassis is lent to it; absent: nothing is. */
  burst: recordedAmounts.optional(),
  priority: z.int(),
  seed: z.int(),
  program: z.string().nullable(),
  environment: z.record(z.string(), z.number()),
  placement: z.record(z.string(), anyJson),
  restartPolicy: z.object({
    mode: z.enum(["never", "on-failure", "always"]),
    maxAttempts: z.int(),
    backoffMs: z.int(),
  }),
  labels: z.record(z.string(), z.string()),
  config: z.record(z.string(), anyJson),
  parent: z.string().nullable(),
  /** Of a fork: the state its first guest goes on from, stored for it; absent: that begins anew. */
  checkpoint: checkpointRecord.optional(),
});

/**
 * What took a VM's place away. `RESERVATION_EXPIRED`: its guest was not running in time. `RESERVATION_REPLACED`: the ledger
 * holds another reservation for it. `RESERVATION_ENDED`: the ledger holds none, and nothing more is known. `PREEMPTED`: a VM of
 * higher priority needs it. `CHASSIS_LOST`: its chassis' agent is silent, and its guest with it.
 */
export const DISPLACEMENT_CODES = [
  "RESERVATION_EXPIRED",
  "RESERVATION_REPLACED",
  "RESERVATION_ENDED",
  "PREEMPTED",
  "CHASSIS_LOST",
] as const;
export type DisplacementCode = (typeof DISPLACEMENT_CODES)[number];

export const VM_EVENTS = {
  "bioxen.vm.created.v1": vmCreated,
  /** It wants a place. `automatic`: by its restart policy, not by a command. */
  "bioxen.vm.start-requested.v1": z.object({ automatic: z.boolean() }),
  /** No chassis takes it now; recorded when the reasons change. */
  "bioxen.vm.deferred.v1": z.object({ reasons: z.array(placementRefusal) }),
  /** A ledger holds `allocation` for it; `fence` is that reservation's fencing token. */
  "bioxen.vm.placed.v1": z.object({
    chassisId: z.string(),
    fence: z.int().min(1),
    allocation: recordedAmounts,
  }),
  /** `paused`: its guest was left paused, as it was where it ran before; absent: it runs. */
  "bioxen.vm.started.v1": z.object({ fence: z.int().min(1), paused: z.literal(true).optional() }),
  /** The guest had to be started again in the same place: its agent had died. */
  "bioxen.vm.guest-restarted.v1": z.object({ fence: z.int().min(1), reason: z.string() }),
  "bioxen.vm.paused.v1": empty,
  "bioxen.vm.resumed.v1": empty,
  "bioxen.vm.stop-requested.v1": z.object({ destroy: z.boolean() }),
  "bioxen.vm.stopped.v1": z.object({ reason: z.string() }),
  "bioxen.vm.failed.v1": z.object({ reason: z.string(), code: z.string() }),
  /** It lost its place, the reservation `fence` on `chassisId`, and waits for another. `chassisId` is null in old logs only. */
  "bioxen.vm.displaced.v2": z.object({
    fence: z.int().min(1),
    chassisId: z.string().nullable(),
    code: z.enum(DISPLACEMENT_CODES),
    reason: z.string(),
    /** The VM that needs the place, and its priority; there with `PREEMPTED`, and only then. */
    by: z.string().optional(),
    byPriority: z.int().optional(),
  }),
  /**
   * Gave up part of what it held for the VM `by`, and keeps `allocation`. Its ledger follows down. `starve`: it goes on with that;
   * `pause`: it stands still.
   */
  "bioxen.vm.preempted.v1": z.object({
    mode: z.enum(["starve", "pause"]),
    fence: z.int().min(1),
    by: z.string(),
    byPriority: z.int(),
    reason: z.string(),
    allocation: recordedAmounts,
  }),
  /** Has all it asks for again; its ledger granted it before. `state`: what it is now. */
  "bioxen.vm.reinstated.v1": z.object({
    fence: z.int().min(1),
    allocation: recordedAmounts,
    state: z.enum(["running", "paused"]),
  }),
  /** `allocation` is null when it holds none: only the request changed. */
  "bioxen.vm.resized.v1": z.object({ request: recordedAmounts, allocation: recordedAmounts.nullable() }),
  "bioxen.vm.destroyed.v1": z.object({ reason: z.string() }),
  ...GUEST_STATE_EVENTS,
  ...MOVE_EVENTS,
  ...OBSERVED_EVENTS,
} as const;

export type VmEvent = {
  [T in keyof typeof VM_EVENTS]: { readonly type: T; readonly data: z.infer<(typeof VM_EVENTS)[T]> };
}[keyof typeof VM_EVENTS];

/** Versions that nobody writes any more. */
export const SUPERSEDED_VM_EVENTS = {
  "bioxen.vm.displaced.v1": z.object({ fence: z.int().min(1), reason: z.string() }),
} as const;
