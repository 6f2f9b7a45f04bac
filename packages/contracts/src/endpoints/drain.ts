/**
 * Drains' part of the catalogue: everybody off a chassis, how far that is, and an end of it.
 */
import { z } from "zod";
import { DRAIN_STATUSES } from "../fold/drain.ts";
import { id } from "../schemas.ts";
import { chassisView } from "../views.ts";
import { endpoint } from "./endpoint.ts";

/**
 * Moves of one drain that are under way at once, unless it says otherwise. Each holds its room twice, and its agent stores one guest's
 * state at a time: more would stand still longer, not move faster.
 */
export const DEFAULT_DRAIN_PARALLELISM = 4;
/** As many states are stored at once by nobody; what is above only holds room twice. */
export const MAX_DRAIN_PARALLELISM = 64;
/** After this long, ms, a drain that does not say otherwise is given up: who waits at a terminal has looked by then. */
export const DEFAULT_DRAIN_DEADLINE_MS = 600_000;
/** A day: longer is a cordon, and patience. */
export const MAX_DRAIN_DEADLINE_MS = 86_400_000;

export const drainView = z
  .object({
    chassisId: z.string(),
    status: z.enum(DRAIN_STATUSES),
    /** Then the end of the drain, too, leaves it cordoned. */
    wasCordoned: z.boolean(),
    parallelism: z.int(),
    startedAtMs: z.int(),
    deadlineAtMs: z.int(),
    endedAtMs: z.int().nullable(),
    moved: z.int(),
    remaining: z.int(),
    /**
     * `moved`: it lives on `toChassisId`; `gone`: it left and lives nowhere, `reason` says why; `moving`: its place on `toChassisId` is
     * held and it is handed over; `waiting`: it runs here and is to move, `reason` says what it waits for; `remains`: the drain ended
     * before it could go.
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

const drained = z.object({ changed: z.boolean(), chassis: chassisView, drain: drainView.nullable() });

export const DRAIN_ENDPOINTS = {
  chassisDrain: endpoint(
    "bioxen.cmd.chassis.drain",
    "chassis-scheduler",
    "Take no more VMs, and move those that are there elsewhere with their states, a few at a time. Answered once it is begun. The chassis stays cordoned when nobody is left, and when the deadline ends it before that. One that is being drained already is left as it is.",
    z.strictObject({
      chassisId: id,
      parallelism: z.int().min(1).max(MAX_DRAIN_PARALLELISM).default(DEFAULT_DRAIN_PARALLELISM),
      deadlineMs: z.int().min(1).max(MAX_DRAIN_DEADLINE_MS).default(DEFAULT_DRAIN_DEADLINE_MS),
    }),
    drained,
  ),
  chassisCancelDrain: endpoint(
    "bioxen.cmd.chassis.cancel-drain",
    "chassis-scheduler",
    "End the drain where it is: who moved stays where it went, moves under way are taken back, and the chassis takes VMs again unless it was cordoned before.",
    z.strictObject({ chassisId: id }),
    drained,
  ),
  chassisDrainGet: endpoint(
    "bioxen.qry.chassis.drain",
    "chassis-scheduler",
    "How far the latest drain of a chassis is, VM by VM; null when it was never drained.",
    z.strictObject({ chassisId: id }),
    z.object({ drain: drainView.nullable() }),
  ),
} as const;
