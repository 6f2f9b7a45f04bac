/**
 * The telemetry samples that are published on core NATS. Delivery is at most once; a reader keeps the newest sample.
 */
import { z } from "zod";
import { recordedAmounts } from "./schemas.ts";

export const vmSample = z
  .object({
    vmId: z.string(),
    chassisId: z.string(),
    atMs: z.int(),
    /** Number of the sample since the guest's start (1, 2, 3 …). A gap shows a reader how many samples were lost. */
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
    /** The pool's measurements of an `xcpng` VM; absent for a cell. A field is null when it was not measured. */
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
     * The amounts that the VM may use now; absent when they equal its allocation. They exceed the allocation while the
     * VM borrows idle capacity, and can be below it on an oversubscribed chassis. `lent` is the part above the
     * allocation.
     */
    granted: recordedAmounts.optional(),
    lent: recordedAmounts.optional(),
    /** Simulated time by which the guest is behind because the host was too slow, ms. */
    lagMs: z.number(),
  })
  .meta({ id: "VmSample" });
export type VmSample = z.infer<typeof vmSample>;

/** The heartbeat of an agent for one of its chassis. */
export const chassisSample = z
  .object({
    chassisId: z.string(),
    agentId: z.string(),
    atMs: z.int(),
    sampleNumber: z.int(),
    guests: z.int(),
    /**
     * Number of guests whose VM, according to the log, is on none of the agent's chassis or has another reservation
     * there. A guest that is arriving or leaving is counted for a moment; a guest that is counted permanently is a
     * ghost.
     */
    strays: z.int(),
    /** Longest delay of the agent's event loop since the last sample, ms. */
    eventLoopLagMs: z.number(),
    /** Sequence of the last event the agent has applied. */
    appliedSeq: z.int(),
  })
  .meta({ id: "ChassisSample" });
export type ChassisSample = z.infer<typeof chassisSample>;

/** The vital signs of one instance of a service. */
export const serviceSample = z
  .object({
    service: z.string(),
    /** Id of this process. */
    instance: z.string(),
    atMs: z.int(),
    /** Number of the sample since the start of the process (1, 2, 3 …). */
    sampleNumber: z.int(),
    /** Sequence of the last event that the instance has applied. */
    appliedSeq: z.int(),
    /** Stored events that the instance has not applied yet; null when the log was unreachable. */
    lagEvents: z.int().nullable(),
    /** True while the instance answers requests: it has caught up with the log and was not stopped. */
    ready: z.boolean(),
    /** Longest delay of its event loop since the last sample, ms. */
    eventLoopLagMs: z.number(),
    /** CPU time since the last sample, in permille of one core. */
    cpuPermille: z.int(),
    residentBytes: z.int(),
  })
  .meta({ id: "ServiceSample" });
export type ServiceSample = z.infer<typeof serviceSample>;

/**
 * Interval between samples, ms: short enough to watch a change live, long enough that a thousand guests take under 1 %
 * of a core.
 */
export const SAMPLE_INTERVAL_MS = 1_000;
/** Time without a heartbeat after which a chassis is suspect, ms: three missed heartbeats and half an interval. */
export const SUSPECT_AFTER_MS = 3_500;
/**
 * Shortest time without a heartbeat after which a chassis is lost, ms. Its VMs are then placed elsewhere. The time is
 * longer than the restart of an agent takes. `BIOXEN_LOST_AFTER_MS` overrides it and must be the same for schedulers
 * and agents, because an agent that is cut off pauses its guests just before this time.
 */
export const LOST_AFTER_MS = 10_000;
/**
 * Lower bound for `BIOXEN_LOST_AFTER_MS`, ms. With less, the loss of one or two messages would count as the loss of a
 * chassis.
 */
export const LEAST_LOST_AFTER_MS = 2_000;
