/**
 * The schema of an experiment file, and the JSON Schema by which editors check it.
 *
 * `base` has the fields of `bioxen.cmd.vm.create`, without those that the experiment sets itself, and without those that
 * let neighbours change a result. The fields are declared without their defaults, so that a stored file has exactly what
 * its author wrote.
 */
import * as z from "zod";
import { createRequest } from "../endpoints/placement.ts";
import { optionalFields } from "../optional-fields.ts";
import { publishedSchema } from "../protocol/publishing.ts";
import { anyJson, id, labels, MAX_LABELS, RESERVED_LABELS, seed } from "../schemas.ts";

/**
 * Maximum number of VMs of one experiment: as many as a fleet has. Their events are about 100 MB of a log that is never
 * deleted.
 */
export const MAX_EXPERIMENT_VMS = 10_000;
/** Maximum number of rows that all VMs of one experiment record: some gigabytes with every field of a cell. */
export const MAX_EXPERIMENT_ROWS = 10_000_000;
/** Longest run of a VM, simulated minutes: with one VM and a row a minute as many rows as an experiment may have. */
export const MAX_EXPERIMENT_MINUTES = 10_000_000;
/** Longest interval between two recorded minutes, simulated minutes: 70 days. */
const MAX_INTERVAL_MINUTES = 100_000;
/** Maximum number of swept fields. More than a few give too many combinations to run, unless they have one value each. */
export const MAX_SWEPT_FIELDS = 32;
/** Maximum number of recorded fields that a file can name. */
const MAX_RECORDED_FIELDS = 64;

/**
 * The fields of a create that neither `base` nor `sweep` may have, each with the reason. A field that is not yet one of
 * the create request is listed for the day on which it is one.
 */
export const FIXED_FIELDS: Readonly<Record<string, string>> = {
  vmId: "is made from the id of the experiment: leave it out",
  seed: "is derived from the `seed` of the experiment: leave it out",
  expectedVersion: "is for the change of one VM: leave it out",
  timeScale: "is always `max` in an experiment: leave it out",
  until: "is the `untilMinute` of the experiment: leave it out",
  record: "belongs beside `base`, for all VMs: move it",
  burst: "is refused: lent capacity depends on other VMs, so that the results could not be reproduced",
  guarantee:
    "is refused: a preempted cell would grow on fewer resources, and the results depend on other VMs",
};

/** The name of a swept field: the names on the way to it, joined by dots, such as `environment.nutrientQuality`. */
const sweptField = z
  .string()
  .max(255)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9][A-Za-z0-9_-]*)*$/,
    "must be names joined by dots, such as environment.nutrientQuality",
  );

const createFields = optionalFields(
  Object.fromEntries(Object.entries(createRequest.shape).filter(([name]) => !(name in FIXED_FIELDS))),
);
const refusedFields = Object.fromEntries(
  Object.entries(FIXED_FIELDS).map(([name, error]) => [name, z.never({ error }).optional()]),
);

const ownLabels = labels
  .refine(
    (own) => Object.keys(own).length < MAX_LABELS,
    `must have at most ${MAX_LABELS - 1} labels: the experiment adds one`,
  )
  .superRefine((own, context) => {
    for (const name of Object.keys(own).filter((key) => key.startsWith(RESERVED_LABELS))) {
      context.addIssue({ code: "custom", path: [name], message: "is reserved for bioxen: leave it out" });
    }
  });

const base = z.strictObject({ ...createFields, ...refusedFields, labels: ownLabels.optional() });

const record = z.strictObject({
  everyMinutes: z
    .int()
    .min(1)
    .max(MAX_INTERVAL_MINUTES)
    .describe("simulated minutes between two rows; `untilMinute` is a multiple of it"),
  fields: z
    .array(z.string().min(1).max(63))
    .min(1)
    .max(MAX_RECORDED_FIELDS)
    .refine((names) => new Set(names).size === names.length, "must name each field once")
    .optional()
    .describe("recorded fields; default all fields of the cell"),
});

export const experimentFile = z
  .strictObject({
    experiment: id.describe("id of the experiment; the ids of its VMs begin with it"),
    base: base.describe("what every VM is created with: the fields of bioxen.cmd.vm.create"),
    sweep: z
      .record(sweptField, z.array(anyJson).min(1).max(MAX_EXPERIMENT_VMS))
      .refine(
        (fields) => Object.keys(fields).length <= MAX_SWEPT_FIELDS,
        `must have at most ${MAX_SWEPT_FIELDS} fields`,
      )
      .optional()
      .describe("values of fields of `base`; every combination of them is run"),
    replicates: z
      .int()
      .min(1)
      .max(MAX_EXPERIMENT_VMS)
      .optional()
      .describe("VMs of each combination, each with another seed; default 1"),
    seed: seed.optional().describe("seed from which the seeds of the VMs are derived; default 1"),
    untilMinute: z
      .int()
      .min(1)
      .max(MAX_EXPERIMENT_MINUTES)
      .describe("simulated minute at which every VM ends"),
    record: record.describe("rows of the time course of every VM"),
    keep: z
      .boolean()
      .optional()
      .describe("keep the VMs, stopped; default false: they are destroyed once recorded"),
  })
  .meta({
    title: "BioXen experiment",
    description: "A question to cells, for `bioxen experiment run FILE`.",
  });

export type ExperimentFile = z.infer<typeof experimentFile>;

/** Seed of an experiment that names none. */
export const DEFAULT_EXPERIMENT_SEED = 1;

/** Returns the content of the file docs/experiment.schema.json. */
export function experimentSchemaDocument(): string {
  const { $schema, ...schema } = publishedSchema(experimentFile, "sent");
  return `${JSON.stringify({ $schema, $id: "urn:bioxen:experiment", ...schema }, null, 2)}\n`;
}
