/**
 * Samples published on core NATS: at most once, the newest counts.
 */
import { z } from "zod";
import { recordedAmounts } from "./schemas.ts";

export const vmSample = z
  .object({
    vmId: z.string(),
    chassisId: z.string(),
    atMs: z.int(),
    /** 1, 2, 3 … per guest start: a reader counts what it missed. */
    sampleNumber: z.int(),
    state: z.enum(["running", "paused"]),
    simMinutes: z.number(),
    growthRatePerMinute: z.number(),
    /** null while the cell does not grow. */
    doublingTimeMinutes: z.number().nullable(),
    ribosomes: z.object({ total: z.number(), engaged: z.number(), cap: z.number() }),
    atp: z.object({ molecules: z.number(), perSecond: z.number(), capPerSecond: z.number() }),
    rnaPolymerases: z.object({ cap: z.number() }),
    proteinAminoAcids: z.number(),
    divisions: z.int(),
    luaInstructions: z.int(),
    /** What the pool measured of an `xcpng` VM; absent where the VM is a cell. null: not measured. */
    machine: z
      .object({
        vcpus: z.int(),
        cpuPermille: z.int().nullable(),
        memoryMiB: z.int(),
        memoryUsedMiB: z.int().nullable(),
        address: z.string().nullable(),
        host: z.string().nullable(),
      })
      .optional(),
    health: z.number().min(0).max(100),
    /**
     * What it may use now where that is not its allocation: with what is lent to it, or less on an oversubscribed chassis. Absent: its
     * allocation. `lent` is the part beyond the allocation.
     */
    granted: recordedAmounts.optional(),
    lent: recordedAmounts.optional(),
    /** Simulated time owed to the guest because the host was too slow, ms. */
    lagMs: z.number(),
  })
  .meta({ id: "VmSample" });
export type VmSample = z.infer<typeof vmSample>;

/** An agent's heartbeat for one of its chassis. */
export const chassisSample = z
  .object({
    chassisId: z.string(),
    agentId: z.string(),
    atMs: z.int(),
    sampleNumber: z.int(),
    guests: z.int(),
    /**
     * Guests of the agent that the log has on none of its chassis, or there on another reservation: on their way in or out, or
     * ghosts when they stay.
     */
    strays: z.int(),
    /** Longest the agent's event loop was held up since the last sample, ms. */
    eventLoopLagMs: z.number(),
    /** Sequence of the last event the agent has applied. */
    appliedSeq: z.int(),
  })
  .meta({ id: "ChassisSample" });
export type ChassisSample = z.infer<typeof chassisSample>;

/** How one instance of a service is. */
export const serviceSample = z
  .object({
    service: z.string(),
    /** Of this process alone. */
    instance: z.string(),
    atMs: z.int(),
    /** 1, 2, 3 … per process. */
    sampleNumber: z.int(),
    /** Sequence of the last event it has applied. */
    appliedSeq: z.int(),
    /** Events stored that it has not applied; null when the log could not be asked. */
    lagEvents: z.int().nullable(),
    /** It answers requests: it caught up and nothing stopped it. */
    ready: z.boolean(),
    /** Longest its event loop was held up since the last sample, ms. */
    eventLoopLagMs: z.number(),
    /** Of one core since the last sample. */
    cpuPermille: z.int(),
    residentBytes: z.int(),
  })
  .meta({ id: "ServiceSample" });
export type ServiceSample = z.infer<typeof serviceSample>;

/** How often an agent publishes each sample, ms: a person sees it move, a thousand guests stay under 1 % of a core. */
export const SAMPLE_INTERVAL_MS = 1_000;
/** Without a heartbeat for this long a chassis is suspect: three missed and a little. */
export const SUSPECT_AFTER_MS = 3_500;
/**
 * Without a heartbeat for at least this long, ms, a chassis is lost and its VMs are placed elsewhere: longer than an agent takes to
 * be started again. `BIOXEN_LOST_AFTER_MS` says otherwise, to schedulers and agents alike: an agent that is cut off holds its
 * guests just before this time.
 */
export const LOST_AFTER_MS = 10_000;
/** Shorter makes a lost message or two a lost chassis. */
export const LEAST_LOST_AFTER_MS = 2_000;
