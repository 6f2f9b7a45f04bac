/**
 * Time courses: what a VM records, the subjects and the stream of the recorded rows, and their form.
 *
 * An agent records a row of each of its guests at exact simulated minutes, and stores the rows in batches. Each batch is
 * one message; its subject names the agent, so that no agent can write the rows of another one. Courses are data, not
 * state: no decision depends on them.
 */
import type { CourseBatchName, CourseName } from "@bioxen/kernel";
import * as z from "zod";
import { streamOfObjects } from "./stream-declaration.ts";

/** Longest interval between two recorded minutes, simulated minutes: 70 days. */
export const MAX_RECORD_INTERVAL_MINUTES = 100_000;
/** Maximum number of rows in one batch: about 70 kB with every field of a cell. */
export const MAX_BATCH_ROWS = 128;
/**
 * Time for which a course is kept after its VM was destroyed, ms: 30 days. The contract promises this value.
 */
export const COURSE_KEPT_MS = 30 * 86_400_000;

/** A column of a course: a quantity and its unit; the unit of a pure number is `1`. */
export const courseColumn = z.object({ name: z.string(), unit: z.string() }).meta({ id: "CourseColumn" });
export type CourseColumn = z.infer<typeof courseColumn>;

/** The columns in front of every course: the simulated minute, and how often the cell went back before. */
export const COURSE_KEYS = [
  { name: "minute", unit: "min" },
  { name: "branch", unit: "1" },
] as const satisfies readonly CourseColumn[];

const molecules = (...names: readonly string[]): CourseColumn[] =>
  names.map((name) => ({ name, unit: "molecules" }));

/** The state of a cell of the built-in model, in the order of its columns. The names are those of Weiße et al. 2015. */
export const STATE_FIELDS: readonly CourseColumn[] = [
  { name: "generations", unit: "1" },
  ...molecules("zr", "zt", "zm", "zq", "et", "em", "si", "q", "mr", "mt", "mm", "mq"),
  ...molecules("r", "cr", "ct", "cm", "cq", "a"),
];
/** The fields of a cell of every model. */
export const GROWTH_FIELDS: readonly CourseColumn[] = [
  { name: "growthRatePerMinute", unit: "1/min" },
  { name: "doublingTimeMinutes", unit: "min" },
];
export const ALLOCATION_FIELDS: readonly CourseColumn[] = [
  { name: "allocation.ribosomes", unit: "molecules" },
  { name: "allocation.rnaPolymerases", unit: "molecules" },
  { name: "allocation.atpPerSecond", unit: "molecules/s" },
  { name: "allocation.dnaKilobases", unit: "kb" },
];
/**
 * The fields of a cell of the built-in model without genes, in the order of their columns: the state of the model, what
 * follows from it, the allocation, and the environment. `cellFieldsOf` has those of a cell with genes.
 */
export const CELL_FIELDS: readonly CourseColumn[] = [
  ...STATE_FIELDS,
  ...GROWTH_FIELDS,
  { name: "ribosomalMassFraction", unit: "1" },
  ...ALLOCATION_FIELDS,
  { name: "environment.nutrientQuality", unit: "1" },
  { name: "environment.substrate", unit: "molecules" },
  { name: "environment.chloramphenicolMicromolar", unit: "µM" },
];

/** Longest name of a field, characters. */
const MAX_FIELD_LENGTH = 63;
/** Maximum number of fields that a request can name. */
const MAX_FIELDS = 64;

/** Names of fields, each once. */
export const courseFields = z
  .array(z.string().min(1).max(MAX_FIELD_LENGTH))
  .min(1)
  .max(MAX_FIELDS)
  .refine((names) => new Set(names).size === names.length, "must name each field once");

/** What a new VM records. */
export const record = z.strictObject({
  /** Simulated minutes between two rows. Rows are of the multiples of this number, and of minute 0. */
  everyMinutes: z.int().min(1).max(MAX_RECORD_INTERVAL_MINUTES),
  /** The recorded fields; absent: all fields of the cell. */
  fields: courseFields.optional(),
});

/** The same in an event. */
export const recorded = z.object({
  everyMinutes: z.int().min(1),
  fields: z.array(z.string()).optional(),
});
export type Recorded = z.infer<typeof recorded>;

/** The content of one batch. The first value of a row is its minute; the other values are those of the columns. */
export const courseBatch = z.object({
  columns: z.array(courseColumn),
  rows: z.array(z.array(z.number().nullable())).min(1),
});
export type CourseBatch = z.infer<typeof courseBatch>;

export const COURSE_STREAM = "BIOXEN_COURSES";
const PREFIX = "bioxen.course.";

/** Returns the subjects of the batches that an agent stores. `agentId` may be `*`. */
export function coursesOfAgent(agentId: string): string {
  return `${PREFIX}${agentId}.*.*.*.*.*`;
}

/** Returns the subjects of all batches of a course. */
export function courseSubjects({ vmId, incarnation }: CourseName): string {
  return `${PREFIX}*.${vmId}.${incarnation}.*.*.*`;
}

export function courseSubject(name: CourseBatchName): string {
  const { agentId, vmId, incarnation, branch, run, firstMinute } = name;
  return `${PREFIX}${agentId}.${vmId}.${incarnation}.${branch}.${run}.${firstMinute}`;
}

const COURSE_SUBJECT =
  /^bioxen\.course\.([a-z0-9-]+)\.([a-z0-9-]+)\.([0-9]{1,15})\.([0-9]{1,15})\.([0-9]{1,15})\.([0-9]{1,15})$/;

/** Returns the batch that a subject names; undefined for a subject that names none. */
export function courseBatchName(subject: string): CourseBatchName | undefined {
  const [, agentId, vmId, ...numbers] = COURSE_SUBJECT.exec(subject) ?? [];
  if (agentId === undefined || vmId === undefined) return undefined;
  const [incarnation = 0, branch = 0, run = 0, firstMinute = 0] = numbers.map(Number);
  return { agentId, vmId, incarnation, branch, run, firstMinute };
}

/** Configuration of the stream of courses. */
export const COURSE_STREAM_CONFIG = streamOfObjects({
  name: COURSE_STREAM,
  subjects: [coursesOfAgent("*")],
  description: "Recorded time courses of VMs, in batches of rows",
});
