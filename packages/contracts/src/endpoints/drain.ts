/**
 * The endpoints of drains: start one, show its progress, cancel it.
 */
import * as z from "zod";
import { DRAIN_STATUSES } from "../fold/drain.ts";
import { pageRequest, pageResult } from "../pages.ts";
import { expectedVersion, id } from "../schemas.ts";
import { chassisView } from "../views.ts";
import { endpoint, paged } from "./endpoint.ts";

/**
 * Default number of parallel moves of one drain. Each move occupies room on two chassis, and the agent stores one guest
 * state at a time. With more parallel moves, each guest would be stopped for longer, and the drain would not be faster.
 */
export const DEFAULT_DRAIN_PARALLELISM = 4;
/**
 * Maximum number of parallel moves of one drain. No agent stores this many guest states at once. More parallel moves
 * would only wait, and each of them would occupy room on two chassis.
 */
export const MAX_DRAIN_PARALLELISM = 64;
/** Default deadline of a drain, ms: ten minutes. An operator at a terminal has noticed a stuck drain by then. */
export const DEFAULT_DRAIN_DEADLINE_MS = 600_000;
/** Longest deadline of a drain, ms: one day. For more time, cordon the chassis and wait. */
export const MAX_DRAIN_DEADLINE_MS = 86_400_000;

export const drainView = z
  .object({
    chassisId: z.string(),
    status: z.enum(DRAIN_STATUSES),
    /** True when the chassis was cordoned before the drain. A cancelled drain then leaves it cordoned. */
    wasCordoned: z.boolean(),
    parallelism: z.int(),
    startedAtMs: z.int(),
    deadlineAtMs: z.int(),
    endedAtMs: z.int().nullable(),
    moved: z.int(),
    remaining: z.int(),
    /**
     * The progress of each VM of the drain. `moved`: the VM is on `toChassisId`. `gone`: the VM left without a
     * placement on another chassis; `reason` says why. `moving`: the VM has a reservation on `toChassisId`, and its
     * guest is being handed over. `waiting`: the VM still runs on the drained chassis; `reason` says what it waits for.
     * `remains`: the drain ended before the VM could leave.
     */
    vms: z.array(
      z.object({
        vmId: z.string(),
        status: z.enum(["moved", "gone", "moving", "waiting", "remains"]),
        toChassisId: z.string().nullable(),
        reason: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: "DrainView" });
export type DrainView = z.infer<typeof drainView>;

/** The reply has as many VMs of the drain as fit. `bioxen.qry.chassis.drain` with its `cursor` returns the next VMs. */
const drained = z.object({
  changed: z.boolean(),
  chassis: chassisView,
  drain: drainView.nullable(),
  ...pageResult,
});
const DRAIN_PAGES = { drain: { vms: "items" } } as const;

export const DRAIN_ENDPOINTS = {
  chassisDrain: paged(
    endpoint(
      "bioxen.cmd.chassis.drain",
      "chassis-scheduler",
      "Close the chassis to new VMs and move its VMs elsewhere with their states, `parallelism` at a time. The reply comes once the drain has started. The chassis stays cordoned after the last VM has left, and also when the deadline ends the drain earlier. A drain that is already under way is not changed.",
      z.strictObject({
        chassisId: id,
        parallelism: z.int().min(1).max(MAX_DRAIN_PARALLELISM).default(DEFAULT_DRAIN_PARALLELISM),
        deadlineMs: z.int().min(1).max(MAX_DRAIN_DEADLINE_MS).default(DEFAULT_DRAIN_DEADLINE_MS),
        expectedVersion,
      }),
      drained,
    ),
    DRAIN_PAGES,
  ),
  chassisCancelDrain: paged(
    endpoint(
      "bioxen.cmd.chassis.cancel-drain",
      "chassis-scheduler",
      "Cancel the drain. VMs that have moved stay at their new places, moves under way are cancelled, and the chassis takes VMs again unless it was cordoned before the drain.",
      z.strictObject({ chassisId: id, expectedVersion }),
      drained,
    ),
    DRAIN_PAGES,
  ),
  chassisDrainGet: paged(
    endpoint(
      "bioxen.qry.chassis.drain",
      "chassis-scheduler",
      "The progress of the latest drain of a chassis, VM by VM; null when it was never drained.",
      z.strictObject({ chassisId: id, ...pageRequest }),
      z.object({ drain: drainView.nullable(), ...pageResult }),
    ),
    DRAIN_PAGES,
  ),
} as const;
