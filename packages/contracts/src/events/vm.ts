/**
 * The events of a VM. Events are stored forever, so an event type never changes: it only gets a successor with a higher
 * version.
 *
 * `VM_EVENTS` has the types that are written today. `SUPERSEDED_VM_EVENTS` has the types that only older logs contain;
 * see `upcasters.ts`.
 */
import * as z from "zod";
import { recorded } from "../courses.ts";
import { BIOLOGICAL_TYPES, VM_TYPES } from "../resources.ts";
import { anyJson, recordedAmounts } from "../schemas.ts";
import { checkpointRecord, GUEST_STATE_EVENTS } from "./guest-state.ts";
import { MOVE_EVENTS } from "./move.ts";
import { OBSERVED_EVENTS } from "./observed.ts";
import { START_EVENTS } from "./start.ts";
import { recordedUntil, UNTIL_EVENTS } from "./until.ts";

const empty = z.object({});

/** Why a chassis refused a VM. */
export const placementRefusal = z
  .object({
    /** null when the reason concerns no single chassis, for instance when none is registered. */
    chassisId: z.string().nullable(),
    code: z.string(),
    message: z.string(),
    resource: z.string().optional(),
    requested: z.number().optional(),
    free: z.number().optional(),
    /**
     * In a refusal that stands for several unnamed chassis with the same kind of reason: the number of these chassis.
     * Absent in a refusal by a single chassis, which `chassisId` names.
     */
    chassisCount: z.int().min(1).optional(),
  })
  .meta({ id: "PlacementRefusal" });
export type PlacementRefusal = z.infer<typeof placementRefusal>;

/** A change of a cell that its creation names for a minute of its simulated time. */
export const scheduledChange = z.object({
  atMinute: z.int().min(0),
  /** The fields of the environment that change; absent: none. */
  environment: z.record(z.string(), z.number()).optional(),
  /** All amounts of the cell from this minute on; absent: they stay. */
  allocation: recordedAmounts.optional(),
});
export type ScheduledChange = z.infer<typeof scheduledChange>;

/** Where a VM comes from that is the second daughter of a division; its `parent` is the mother. */
export const vmBirth = z.object({
  /** The VM from which the lineage descends. */
  root: z.string(),
  /** The incarnation of the mother. */
  incarnation: z.int().min(1),
  /** The number of the division in the life of the mother, and its minute of simulated time. */
  division: z.int().min(1),
  simMinute: z.int().min(0),
});
export type VmBirth = z.infer<typeof vmBirth>;

export const vmCreated = z.object({
  incarnation: z.int().min(1),
  biologicalType: z.enum(BIOLOGICAL_TYPES),
  vmType: z.enum(VM_TYPES),
  request: recordedAmounts,
  /**
   * Amounts of the cell in a machine of a pool, which no ledger counts; absent: the request names none, so the cell
   * has its full demand.
   */
  cell: recordedAmounts.optional(),
  /** The amounts that the VM keeps when preemption starves it; absent: its full request. */
  guarantee: recordedAmounts.optional(),
  /** The amounts up to which the VM may borrow idle capacity of its chassis; absent: the VM borrows nothing. */
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
  /** Present in the second daughter of a division: the VM starts by itself. */
  birth: vmBirth.optional(),
  /**
   * What changes at minutes of the cell, in order; absent: nothing. If amounts change, the first entry has those of the
   * beginning, and `request` has the largest amount of each resource.
   */
  schedule: z.array(scheduledChange).optional(),
  /** `max`: the cell lives as fast as its agent can compute it; absent: at the rate of its agent. */
  timeScale: z.literal("max").optional(),
  /** The last minute of the cell, and what the VM does there; absent: the cell has none. */
  until: recordedUntil.optional(),
  /**
   * In a fork and in a second daughter: the stored state that its first guest continues from; absent: that guest starts from
   * the beginning.
   */
  checkpoint: checkpointRecord.optional(),
  /** What is recorded of the cell at simulated minutes; absent: nothing. */
  record: recorded.optional(),
});

/**
 * Why a VM lost its place. `RESERVATION_EXPIRED`: its guest was not running in time. `RESERVATION_REPLACED`: the ledger
 * holds another reservation for it. `RESERVATION_ENDED`: the ledger holds no reservation, and the cause is unknown.
 * `PREEMPTED`: a VM of higher priority needs the place. `CHASSIS_LOST`: the agent of its chassis sends no heartbeats,
 * so that the guest counts as lost.
 */
export const DISPLACEMENT_CODES = [
  "RESERVATION_EXPIRED",
  "RESERVATION_REPLACED",
  "RESERVATION_ENDED",
  "PREEMPTED",
  "CHASSIS_LOST",
] as const;
export type DisplacementCode = (typeof DISPLACEMENT_CODES)[number];

/** The place of a program among everything that acts on a cell at one minute of its simulated time. */
export const programAgain = z.object({
  /** How many programs of users had run at this minute before it. */
  nth: z.int().min(0),
  /** Sequence of the newest change that had acted at this minute before it; 0: none. */
  afterSeq: z.int().min(0),
  /** After how many Lua instructions its limit of time ended it; absent: that limit did not end it. */
  instructions: z.int().min(0).optional(),
});
export type ProgramAgain = z.infer<typeof programAgain>;

export const VM_EVENTS = {
  "bioxen.vm.created.v1": vmCreated,
  /**
   * The VM waits for a place. `automatic` is true for a start by the restart policy, false for a start by a command.
   */
  "bioxen.vm.start-requested.v1": z.object({ automatic: z.boolean() }),
  /** No chassis can take the VM now. The event is recorded when the reasons change. */
  "bioxen.vm.deferred.v1": z.object({ reasons: z.array(placementRefusal) }),
  /** The ledger of `chassisId` holds `allocation` for the VM; `fence` is the fencing token of that reservation. */
  "bioxen.vm.placed.v1": z.object({
    chassisId: z.string(),
    fence: z.int().min(1),
    allocation: recordedAmounts,
  }),
  /** The guest has started. With `paused` it starts paused, because the VM was paused at its previous place. */
  "bioxen.vm.started.v1": z.object({ fence: z.int().min(1), paused: z.literal(true).optional() }),
  /** The guest was started again at the same place, because its agent had died. */
  "bioxen.vm.guest-restarted.v1": z.object({ fence: z.int().min(1), reason: z.string() }),
  "bioxen.vm.paused.v1": empty,
  "bioxen.vm.resumed.v1": empty,
  /**
   * The guest must end. `deadlineMs` is the time, from this event, that the guest has to end by itself; absent: the
   * default of the guest, or no time with `force`.
   */
  "bioxen.vm.stop-requested.v1": z.object({
    destroy: z.boolean(),
    deadlineMs: z.int().min(0).optional(),
    force: z.literal(true).optional(),
  }),
  "bioxen.vm.stopped.v1": z.object({ reason: z.string() }),
  "bioxen.vm.failed.v1": z.object({ reason: z.string(), code: z.string() }),
  /**
   * The VM lost its place, the reservation `fence` on `chassisId`, and waits for another place. `chassisId` is null in
   * old logs only.
   */
  "bioxen.vm.displaced.v2": z.object({
    fence: z.int().min(1),
    chassisId: z.string().nullable(),
    code: z.enum(DISPLACEMENT_CODES),
    reason: z.string(),
    /** The VM that needs the place; present with code `PREEMPTED` only. */
    by: z.string().optional(),
    /** Priority of the VM `by`; present with code `PREEMPTED` only. */
    byPriority: z.int().optional(),
  }),
  /**
   * The VM gave up part of its allocation for the VM `by` and keeps `allocation`; its ledger entry is reduced
   * afterwards. With `starve` the VM continues on the amounts that it keeps; with `pause` it is paused.
   */
  "bioxen.vm.preempted.v1": z.object({
    mode: z.enum(["starve", "pause"]),
    fence: z.int().min(1),
    by: z.string(),
    byPriority: z.int(),
    reason: z.string(),
    allocation: recordedAmounts,
  }),
  /** The VM has its full request again, after its ledger granted it. `state` is its state from here on. */
  "bioxen.vm.reinstated.v1": z.object({
    fence: z.int().min(1),
    allocation: recordedAmounts,
    state: z.enum(["running", "paused"]),
  }),
  /**
   * The request changed. `allocation` is null when the VM holds no place; otherwise it is the new allocation. `cell` has
   * the new amounts of the cell in a machine; absent: they are unchanged.
   */
  "bioxen.vm.resized.v1": z.object({
    request: recordedAmounts,
    allocation: recordedAmounts.nullable(),
    cell: recordedAmounts.optional(),
    /**
     * Minute of the cell's simulated time at which it gets its new amounts, which may be still to come. A guest that
     * continues from an earlier minute gets them at this minute again. Absent: the guest has them as soon as its agent sees
     * the event. So for a machine, for a VM without a guest, and for amounts that lifecycle adopts from the ledger.
     */
    simMinute: z.int().min(0).optional(),
    /** What the cell gets at `simMinute`, if it had or has more at other minutes; absent: `allocation`. */
    given: recordedAmounts.optional(),
  }),
  /**
   * These fields of the guest's environment change at minute `simMinute` of its simulated time, which may be still to
   * come. A guest that continues from an earlier minute has the change at this minute again.
   */
  "bioxen.vm.environment-changed.v1": z.object({
    fence: z.int().min(1),
    simMinute: z.int().min(0),
    environment: z.record(z.string(), z.number()),
  }),
  /**
   * A program of a user ran in the guest with this fence, and may have changed it. `outcome` is `OK`, or the code of its
   * error.
   */
  "bioxen.vm.executed.v1": z.object({
    fence: z.int().min(1),
    source: z.string(),
    /** Present for a shell script where the guest's own language is another one. */
    shell: z.literal(true).optional(),
    outcome: z.string(),
    /** Minute of the cell's simulated time at which it ran; absent: unknown, as for a machine. */
    simMinute: z.int().min(0).optional(),
    /**
     * Where a guest that continues from an earlier minute runs the program again. Absent: it does not, because the cell
     * was not changed, or the agent is of an older release.
     */
    again: programAgain.optional(),
  }),
  /** The VM has another owner. Its guest goes on. */
  "bioxen.vm.transferred.v1": z.object({ owner: z.string() }),
  "bioxen.vm.destroyed.v1": z.object({ reason: z.string() }),
  ...GUEST_STATE_EVENTS,
  ...MOVE_EVENTS,
  ...OBSERVED_EVENTS,
  ...START_EVENTS,
  ...UNTIL_EVENTS,
} as const;

export type VmEvent = {
  [T in keyof typeof VM_EVENTS]: { readonly type: T; readonly data: z.infer<(typeof VM_EVENTS)[T]> };
}[keyof typeof VM_EVENTS];

/** Versions of VM events that are read but no longer written. */
export const SUPERSEDED_VM_EVENTS = {
  "bioxen.vm.displaced.v1": z.object({ fence: z.int().min(1), reason: z.string() }),
} as const;
