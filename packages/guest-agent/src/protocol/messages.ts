/**
 * The schemas of requests, replies and reports.
 */
import { DRIVER_ERROR_CODES } from "@bioxen/vm-driver";
import * as z from "zod";
import { amounts, count, environment, positive, timeScale, vmId } from "./fields.ts";

/** Base64 of a checkpoint of the basic driver. */
const base64 = z.base64();

/** The input of a start: a `GuestSpec` without its checkpoint, which is a field of the request. */
export const cellSpecSchema = z.strictObject({
  vmId,
  incarnation: positive,
  fence: positive,
  biologicalType: z.string().min(1),
  seed: count,
  /** As in {@link identitySchema}. */
  allocation: amounts,
  environment: environment.optional(),
  /** Lua source that runs once at the start. */
  program: z.string().optional(),
  config: z.record(z.string(), z.unknown()),
  restores: count.optional(),
});
export type CellSpec = z.infer<typeof cellSpecSchema>;

const fenceOfRequest = positive.optional();

/**
 * A request: one JSON object in one line. `fence`, where present, must be the fence of the cell: the request is
 * otherwise rejected with `STALE_FENCE` or `GUEST_NOT_FOUND`.
 */
export const requestSchema = z.discriminatedUnion("op", [
  z.strictObject({ op: z.literal("status") }),
  /**
   * Starts the cell. A repeated boot (same VM, incarnation, fence and restores) changes nothing. A newer fence of the
   * same VM, incarnation and restores without a checkpoint takes over the cell: it continues under the new spec. Every
   * other boot replaces the cell by a new one, or by that of the checkpoint. An older fence of the same incarnation is
   * `STALE_FENCE`.
   */
  z.strictObject({
    op: z.literal("boot"),
    spec: cellSpecSchema,
    timeScale: timeScale.optional(),
    checkpointBase64: base64.optional(),
  }),
  z.strictObject({ op: z.literal("exec"), source: z.string(), timeoutMs: positive, fence: fenceOfRequest }),
  z.strictObject({ op: z.literal("resize"), allocation: amounts, fence: fenceOfRequest }),
  z.strictObject({ op: z.literal("sample") }),
  /** Returns the state of the cell after it was stored in the machine. */
  z.strictObject({ op: z.literal("checkpoint"), fence: fenceOfRequest }),
  /** Replaces the content of the cell that has the fence of `spec`, from a checkpoint or by a fresh start. */
  z.strictObject({ op: z.literal("restart"), spec: cellSpecSchema, checkpointBase64: base64.optional() }),
  z.strictObject({ op: z.literal("pause"), fence: fenceOfRequest }),
  z.strictObject({ op: z.literal("resume"), fence: fenceOfRequest }),
  /** Returns the stored lines with a `seq` above `after`; 0 for all. */
  z.strictObject({ op: z.literal("logs"), after: count }),
]);
export type CellRequest = z.infer<typeof requestSchema>;
export type CellOperation = CellRequest["op"];

/** The agent as it reports itself. `running` includes a paused cell. */
export const AGENT_STATES = ["waiting", "running", "failed"] as const;
const agentFields = {
  version: z.string(),
  protocol: positive,
  /** Name of the cell model. */
  model: z.string(),
  state: z.enum(AGENT_STATES),
  /** Why the agent waits or has failed. */
  reason: z.string().optional(),
};

const finite = z.number();
/** A `GuestSample` of a cell. */
export const sampleSchema = z.object({
  simMinutes: count,
  growthRatePerMinute: finite,
  doublingTimeMinutes: finite.nullable(),
  ribosomes: z.object({ total: finite, engaged: finite, cap: finite }),
  atp: z.object({ molecules: finite, perSecond: finite, capPerSecond: finite }),
  rnaPolymerases: z.object({ cap: finite }),
  proteinAminoAcids: finite,
  divisions: count,
  luaInstructions: count,
  /** The amounts of the genes of a circuit by name; absent without any, and in a report that has no room for them. */
  outputs: z.record(z.string(), finite).optional(),
  health: z.int().min(0).max(100),
  lagMs: z.number().min(0),
});
export type CellSample = z.infer<typeof sampleSchema>;

const placed = { incarnation: positive, fence: positive };
/**
 * Value of {@link AGENT_KEY}. Incarnation and fence are those of the cell, absent without one. They tell a report of
 * this start from a report that XAPI restored from an earlier start.
 */
export const agentReportSchema = z.object({
  ...agentFields,
  incarnation: positive.optional(),
  fence: positive.optional(),
  /** The start of the agent's process, epoch ms, and the number of the last line that its cell has printed since. */
  startedAtMs: count.optional(),
  lastLine: count.optional(),
});
export type AgentReport = z.infer<typeof agentReportSchema>;
/** Value of {@link SAMPLE_KEY}. */
export const sampleReportSchema = sampleSchema.extend(placed);
export type SampleReport = z.infer<typeof sampleReportSchema>;

const ok = { ok: z.literal(true) };
/** The successful reply to each operation. A reader ignores fields that it does not know. */
export const replySchemas = {
  status: z.object({
    ...ok,
    agent: z.object(agentFields),
    identity: z.object({ vmId, ...placed, restores: count }).optional(),
    simMinutes: count.optional(),
    paused: z.boolean().optional(),
    settings: z.object({
      stateDir: z.string(),
      socket: z.string(),
      pollMs: positive,
      /** Whether the machine has the xenstore tools. */
      xenstore: z.boolean(),
      timeScale: timeScale.optional(),
    }),
    /** Names of stored cells that could not be read. They are kept for inspection. */
    damaged: z.array(z.string()),
  }),
  boot: z.object(ok),
  exec: z.object({ ...ok, result: z.unknown(), stdout: z.string(), instructions: count }),
  resize: z.object(ok),
  sample: z.object({ ...ok, sample: sampleSchema }),
  checkpoint: z.object({ ...ok, simMinutes: count, bytesBase64: base64 }),
  restart: z.object(ok),
  pause: z.object(ok),
  resume: z.object(ok),
  logs: z.object({
    ...ok,
    lines: z.array(z.object({ seq: positive, line: z.string() })),
    /** The `after` of the next request. */
    next: count,
    /** The agent's report and the latest sample, so that one request tells all of a machine without xenstore. */
    agent: agentReportSchema.optional(),
    sample: sampleSchema.optional(),
  }),
} as const satisfies Record<CellOperation, z.ZodType>;
export type CellReply<Op extends CellOperation> = z.infer<(typeof replySchemas)[Op]>;

export const failureSchema = z.object({
  ok: z.literal(false),
  code: z.enum(DRIVER_ERROR_CODES),
  message: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
  retryable: z.boolean().optional(),
});
export type CellFailure = z.infer<typeof failureSchema>;
