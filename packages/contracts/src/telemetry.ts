/**
 * The telemetry samples that services and agents publish on core NATS. Delivery is at most once; a reader keeps the
 * newest sample.
 */
import * as z from "zod";
import { recordedHosts } from "./host-fit.ts";
import { recordedAmounts } from "./schemas.ts";

export const vmSample = z
  .object({
    vmId: z.string(),
    chassisId: z.string(),
    atMs: z.int(),
    /** Number of this sample since the guest's start, from 1. A gap shows a reader how many samples were lost. */
    sampleNumber: z.int(),
    state: z.enum(["running", "paused"]),
    /** Simulated time of the cell, minutes; for a machine without a cell, the time since its start. */
    simMinutes: z.number(),
    /** This field and those up to `luaInstructions` are absent for a machine without a cell. */
    growthRatePerMinute: z.number().optional(),
    /** Doubling time of the cell, in minutes; null while the cell does not grow. */
    doublingTimeMinutes: z.number().nullable().optional(),
    ribosomes: z.object({ total: z.number(), engaged: z.number(), cap: z.number() }).optional(),
    atp: z.object({ molecules: z.number(), perSecond: z.number(), capPerSecond: z.number() }).optional(),
    rnaPolymerases: z.object({ cap: z.number() }).optional(),
    proteinAminoAcids: z.number().optional(),
    divisions: z.int().optional(),
    luaInstructions: z.int().optional(),
    /**
     * The outputs that the cell's model declares, and those of the genes of a circuit, by name; absent without any. The
     * units are those of the model's declaration; of genes molecules.
     */
    outputs: z.record(z.string(), z.number()).optional(),
    /**
     * The pool's measurements of an `xcpng` VM, with or without a cell in it; absent for a `basic` VM. A field is null
     * when the pool did not measure it.
     */
    machine: z
      .object({
        vcpus: z.int(),
        cpuPermille: z.int().nullable(),
        memoryMiB: z.int(),
        memoryUsedMiB: z.int().nullable(),
        address: z.string().nullable(),
        host: z.string().nullable(),
        /** Time since the start of the machine, minutes; absent in samples of older agents. */
        uptimeMinutes: z.number().optional(),
        /**
         * The guest agent in the machine. With the state `running` the machine is a cell; null: no guest agent has
         * reported, so it is only a machine. Absent in samples of older agents.
         */
        agent: z
          .object({
            version: z.string(),
            model: z.string(),
            state: z.enum(["waiting", "running", "failed"]),
            reason: z.string().optional(),
          })
          .nullable()
          .optional(),
      })
      .optional(),
    health: z.number().min(0).max(100),
    /**
     * The amounts that the VM may use now; absent when they equal its allocation. They exceed the allocation while the
     * VM borrows idle capacity, and can be below the allocation on an oversubscribed chassis. `lent` is the part above
     * the allocation.
     */
    granted: recordedAmounts.optional(),
    lent: recordedAmounts.optional(),
    /** Simulated time by which the guest is behind because the host was too slow, ms. */
    lagMs: z.number(),
  })
  .meta({ id: "VmSample" });
export type VmSample = z.infer<typeof vmSample>;

/** Returns whether the sample is that of a cell, by itself or in a machine. A cell that has failed is still one. */
export function isCellSample({
  machine,
  growthRatePerMinute,
}: Pick<VmSample, "machine" | "growthRatePerMinute">): boolean {
  const isMachineOnly = machine !== undefined && (machine.agent ?? null) === null;
  return growthRatePerMinute !== undefined && !isMachineOnly;
}

/** The heartbeat of an agent for one of its chassis. */
export const chassisSample = z
  .object({
    chassisId: z.string(),
    agentId: z.string(),
    /**
     * Id of the agent's process. Heartbeats with one agent id and two different instances at the same time reveal two
     * processes under that agent id. Absent in heartbeats of older versions.
     */
    instance: z.string().optional(),
    atMs: z.int(),
    sampleNumber: z.int().min(1),
    guests: z.int().min(0),
    /**
     * Number of guests of this agent that do not match the log: the guest's VM is on none of the agent's chassis, or
     * has another reservation there. A guest that is arriving or leaving is counted for a moment. A guest that is
     * counted permanently runs without a valid reservation.
     */
    strays: z.int().min(0),
    /**
     * For a pool: number of machines that do not belong to this agent, and number of objects that the agent was to remove
     * and that it no longer tries to remove. Absent for other chassis, and in heartbeats of older versions.
     */
    orphans: z.int().min(0).optional(),
    leftBehind: z.int().min(0).optional(),
    /** Longest delay of the agent's event loop since the previous sample, ms. */
    eventLoopLagMs: z.number().min(0),
    /** Log sequence of the last event that the agent has applied. */
    appliedSeq: z.int().min(0),
    /** The hosts of a pool that take VMs, each with its processors and its free memory; absent without hosts. */
    hosts: recordedHosts.optional(),
  })
  .meta({ id: "ChassisSample" });
export type ChassisSample = z.infer<typeof chassisSample>;

/** Maximum number of objects left behind in a pool that one status sample lists. */
export const MAX_LEFT_BEHIND = 20;

/** The periodic status sample of one instance of a service. */
export const serviceSample = z
  .object({
    service: z.string(),
    /** Id of the instance, which is one process. */
    instance: z.string(),
    atMs: z.int(),
    /** Number of this sample since the start of the process, from 1. */
    sampleNumber: z.int(),
    /** Log sequence of the last event that the instance has applied. */
    appliedSeq: z.int(),
    /** Number of events in the log that the instance has not applied yet; null when the log was unreachable. */
    lagEvents: z.int().nullable(),
    /** True while the instance answers requests: it has caught up with the log, and is not stopping. */
    ready: z.boolean(),
    /** Why the instance does no work although it has caught up with the log; absent while it works or starts. */
    waiting: z.string().optional(),
    /**
     * The agent's id, and the chassis that the agent should run but cannot, because another process runs them. Absent
     * in samples of other services.
     */
    agent: z
      .object({
        agentId: z.string(),
        refused: z.array(z.object({ chassisId: z.string(), reason: z.string() })),
        /**
         * The pools of the agent whose high availability is overcommitted: they are to tolerate `toTolerate` failures of
         * hosts, and have a plan for `planned`. Absent without any, and in samples of older agents.
         */
        overcommitted: z
          .array(z.object({ chassisId: z.string(), toTolerate: z.int().min(0), planned: z.int().min(0) }))
          .optional(),
        /**
         * What the agent removes from a pool and the pool keeps, at most {@link MAX_LEFT_BEHIND} objects. Absent when
         * nothing is left, and in samples of older agents.
         */
        left: z
          .array(
            z.object({
              vmId: z.string(),
              kind: z.enum(["machine", "snapshot", "disk"]),
              uuid: z.string(),
              /** Number of failed tries to remove it. */
              tries: z.int(),
              /** Why the last try failed. */
              reason: z.string(),
              /** Time of the next try, epoch ms; absent when the agent no longer tries. */
              nextTryAtMs: z.int().optional(),
            }),
          )
          .optional(),
      })
      .optional(),
    /** Longest delay of the instance's event loop since the previous sample, ms. */
    eventLoopLagMs: z.number(),
    /** CPU time of the instance since the previous sample, in permille of one core. */
    cpuPermille: z.int(),
    residentBytes: z.int(),
    /** Number of messages of the log that the instance cannot read; absent in samples of version 0.1.0. */
    unreadable: z.int().optional(),
    /**
     * What the monitor found on the server; absent in samples of other services, and while the server does not answer.
     */
    store: z
      .object({
        /** Number of foreign streams that answer BioXen's requests or take a subject of BioXen's own streams. */
        foreignStreams: z.int(),
        /** Largest number of copies that any one stream lacks. */
        missingCopies: z.int(),
      })
      .optional(),
  })
  .meta({ id: "ServiceSample" });
export type ServiceSample = z.infer<typeof serviceSample>;

/** A line of output of a guest, or of its agent about the guest. `chassisId` is null while the VM has no place. */
export const guestLine = z
  .object({ vmId: z.string(), chassisId: z.string().nullable(), atMs: z.int(), line: z.string() })
  .meta({ id: "GuestLine" });
export type GuestLine = z.infer<typeof guestLine>;

/**
 * Interval between two samples of a VM, chassis or service, ms. It is short enough to watch a change live, and long
 * enough that a thousand guests take under 1 % of a core.
 */
export const SAMPLE_INTERVAL_MS = 1_000;
/** Time without a heartbeat after which a chassis is suspect, ms: three missed heartbeats and half an interval. */
export const SUSPECT_AFTER_MS = 3_500;
/**
 * Default time without a heartbeat after which a chassis is declared lost, ms. The VMs of a lost chassis are placed
 * elsewhere. The time is longer than an agent takes to restart. `BIOXEN_LOST_AFTER_MS` overrides it and must be the
 * same for schedulers and agents, because an agent that loses its connection pauses its guests just before this time.
 */
export const LOST_AFTER_MS = 10_000;
/**
 * Minimum of `BIOXEN_LOST_AFTER_MS`, ms. With a lower value, the loss of one or two heartbeat messages would count as
 * the loss of a chassis.
 */
export const LEAST_LOST_AFTER_MS = 2_000;
