/**
 * The endpoints about orphans: machines in a pool that a BioXen made and that do not belong to the agent of the pool's
 * chassis. An operator adopts one by creating a VM with the machine's uuid as `config.machine`, or deletes it.
 */
import * as z from "zod";
import { MACHINE_OUTCOMES } from "../events/chassis.ts";
import type { PageShape } from "../page-shape.ts";
import { pageRequest, pageResult } from "../pages.ts";
import { expectedVersion, id, recordedAmounts } from "../schemas.ts";
import { agentOrphansSubject } from "../subjects.ts";
import { chassisView } from "../views.ts";
import { type Endpoint, endpoint, paged } from "./endpoint.ts";

const machineUuid = z.string().regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, "must be a uuid");

export const orphanView = z
  .object({
    uuid: z.string(),
    /** The machine's name in the pool. */
    name: z.string(),
    /** The VM that the machine was made for. */
    vmId: z.string(),
    /** The BioXen that made the machine; null for a release before clusters had ids. */
    clusterId: z.string().nullable(),
    agentId: z.string(),
    incarnation: z.int(),
    fence: z.int(),
    state: z.enum(["running", "paused", "halted"]),
    resources: recordedAmounts,
    /**
     * Why the machine is an orphan. `cluster`: another BioXen made it. `agent`: an agent made it that runs no chassis.
     * `log`: the log does not have its reservation. `duplicate`: its VM has a newer machine.
     */
    cause: z.enum(["cluster", "agent", "log", "duplicate"]),
  })
  .meta({ id: "OrphanView" });
export type OrphanView = z.infer<typeof orphanView>;

const listed = z.object({
  /** The id of this BioXen. */
  clusterId: z.string(),
  /** Number of all orphans in the pool now. */
  total: z.int().min(0),
  /** The orphans of this page, in order of uuid. A page shows them as they are when it is asked for. */
  orphans: z.array(orphanView),
  ...pageResult,
});
const ORPHAN_PAGES: PageShape = { orphans: "items" };

export const ORPHAN_ENDPOINTS = {
  chassisOrphans: paged(
    endpoint(
      "bioxen.qry.chassis.orphans",
      "chassis-scheduler",
      "The machines in the pool of a chassis that a BioXen made and that do not belong to the chassis' agent, in order of uuid, and their number. The agent never changes them. A chassis that is no pool has none.",
      z.strictObject({ chassisId: id, ...pageRequest }),
      listed,
    ),
    ORPHAN_PAGES,
  ),
  chassisDeleteMachine: endpoint(
    "bioxen.cmd.chassis.delete-machine",
    "chassis-scheduler",
    "Delete an orphan with its disks and snapshots. The agent of the chassis shuts it down, and `bioxen.chassis.machine-deletion-ended.v1` has the outcome.",
    z.strictObject({ chassisId: id, uuid: machineUuid, expectedVersion }),
    z.object({ changed: z.boolean(), chassis: chassisView }),
  ),
  chassisReportMachine: endpoint(
    "bioxen.cmd.chassis.report-machine",
    "chassis-scheduler",
    "From an agent: the outcome of the deletion of a machine.",
    z.strictObject({
      chassisId: id,
      uuid: machineUuid,
      outcome: z.enum(MACHINE_OUTCOMES),
      reason: z.string().max(4_096).default(""),
    }),
    z.object({ changed: z.boolean(), chassis: chassisView }),
    true,
  ),
} as const;

const agentOrphansRequest = z.strictObject({ chassisId: id, ...pageRequest });

/** Returns the endpoint of one agent that lists the orphans in the pool of its chassis. */
export function agentOrphans(agentId: string): Endpoint<typeof agentOrphansRequest, typeof listed> {
  const summary = "List the machines in the pool of a chassis that do not belong to this agent.";
  const subject = agentOrphansSubject(agentId);
  return paged(endpoint(subject, "chassis-agent", summary, agentOrphansRequest, listed, true), ORPHAN_PAGES);
}
