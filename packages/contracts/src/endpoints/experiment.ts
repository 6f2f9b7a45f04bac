/**
 * The endpoints of experiments: start one, cancel it, and read its progress and results.
 */
import * as z from "zod";
import { courseColumn } from "../courses.ts";
import { EXPERIMENT_STATUSES } from "../fold/experiment.ts";
import { pageRequest, pageResult } from "../pages.ts";
import { anyJson, expectedVersion, id } from "../schemas.ts";
import { endpoint, paged } from "./endpoint.ts";

/**
 * The states of a VM within its experiment. `planned`: it is not created yet. `waiting`: it has no guest that runs.
 * `running`: its guest runs. `recorded`: its result is stored. `failed`: it will have no result. `dropped`: the
 * experiment ended before.
 */
export const EXPERIMENT_VM_STATUSES = [
  "planned",
  "waiting",
  "running",
  "recorded",
  "failed",
  "dropped",
] as const;

export const experimentView = z
  .object({
    experimentId: z.string(),
    owner: z.string(),
    status: z.enum(EXPERIMENT_STATUSES),
    /** Why the experiment failed, what its first waiting VM waits for, or why the first failed VM failed; null: none of them. */
    reason: z.string().nullable(),
    /** SHA-256 of the canonical JSON of the file, hexadecimal. */
    digest: z.string(),
    seed: z.int(),
    untilMinute: z.int(),
    keep: z.boolean(),
    vmCount: z.int(),
    rowsPerVm: z.int(),
    recorded: z.int(),
    failed: z.int(),
    waiting: z.int(),
    running: z.int(),
    /** Release of BioXen that started the experiment. */
    bioxenVersion: z.string(),
    startedAtMs: z.int(),
    updatedAtMs: z.int(),
    endedAtMs: z.int().nullable(),
    /** Sequences of the first and the last event of the experiment so far. */
    firstSeq: z.int(),
    lastSeq: z.int(),
    version: z.int(),
  })
  .meta({ id: "ExperimentView" });
export type ExperimentView = z.infer<typeof experimentView>;

export const experimentVmView = z
  .object({
    vmId: z.string(),
    /** The swept values by the path of their field. */
    values: z.record(z.string(), z.unknown()),
    replicate: z.int(),
    seed: z.int(),
    status: z.enum(EXPERIMENT_VM_STATUSES),
    reason: z.string().nullable(),
    /** The incarnation of the VM whose course is the result; null without a result. */
    incarnation: z.int().nullable(),
    rowCount: z.int().nullable(),
    /** SHA-256 of the rows of the course, hexadecimal; null without a result. */
    digest: z.string().nullable(),
    /** Index of the columns of `final` in `columnSets`; null without a result. */
    columnSet: z.int().nullable(),
    /** The values of the last row of the course; empty without a result. */
    final: z.array(z.number().nullable()),
  })
  .meta({ id: "ExperimentVmView" });
export type ExperimentVmView = z.infer<typeof experimentVmView>;

const changed = z.object({ changed: z.boolean(), experiment: experimentView });

export const EXPERIMENT_ENDPOINTS = {
  experimentStart: endpoint(
    "bioxen.cmd.experiment.start",
    "experiments",
    "Start the experiment of a file (docs/experiment.schema.json). The service creates its VMs for the caller, a bounded number at a time, runs them to the last minute, stores their results, and destroys them unless `keep` is true. Full quotas and chassis make it wait. The same file again changes nothing; another file under the same id is a CONFLICT.",
    z.strictObject({ file: z.record(z.string(), anyJson) }),
    changed,
  ),
  experimentCancel: endpoint(
    "bioxen.cmd.experiment.cancel",
    "experiments",
    "Cancel the experiment. All its VMs are destroyed, also with `keep`; results that are stored stay. The reply comes once the cancellation is stored; the experiment is `cancelled` once no VM is left.",
    z.strictObject({ experimentId: id, expectedVersion }),
    changed,
  ),
  experimentGet: paged(
    endpoint(
      "bioxen.qry.experiment.get",
      "experiments",
      "One experiment with its file, and each VM with its result. Each page repeats the file. All pages show the results after one event; the status of a VM without a result is that of the time of its page.",
      z.strictObject({ experimentId: id, ...pageRequest }),
      z.object({
        experiment: experimentView,
        file: z.record(z.string(), z.unknown()),
        columnSets: z.array(z.array(courseColumn)),
        vms: z.array(experimentVmView),
        ...pageResult,
      }),
    ),
    { vms: "items" },
  ),
  experimentList: paged(
    endpoint(
      "bioxen.qry.experiment.list",
      "experiments",
      "All experiments in order of id; with `owner` those of this owner.",
      z.strictObject({ owner: id.optional(), ...pageRequest }),
      z.object({ experiments: z.array(experimentView), ...pageResult }),
    ),
    { experiments: "items" },
  ),
} as const;
