/**
 * The endpoints between BioXen's own services: the scheduler proposes placements, the allocator accepts or refuses
 * them, and agents report changes of their guests.
 *
 * These shapes may change with the version. The public contract is everything else in the catalogue.
 */
import { MAX_BLOB_BYTES, MAX_LEASE_TOKEN } from "@bioxen/kernel";
import * as z from "zod";
import { checkpointRecord } from "../events/guest-state.ts";
import { entryKey, reservation } from "../events/ledger.ts";
import { MOVE_CODES } from "../events/move.ts";
import { outsideChange } from "../events/observed.ts";
import { placementRefusal, programAgain } from "../events/vm.ts";
import { PREEMPTION_MODES } from "../fold/vm-state.ts";
import { id, MAX_EXEC_TIMEOUT_MS, MAX_PAGE, priority, recordedAmounts, source } from "../schemas.ts";
import { agentCheckpointSubject, agentExecSubject, agentHoldSubject } from "../subjects.ts";
import { type Endpoint, endpoint } from "./endpoint.ts";

/**
 * Maximum number of reasons why one VM has no place. The scheduler names 16 chassis, and only counts the other chassis
 * by kind of reason. Every reason is stored in the log and shown in the view of the VM.
 */
export const MAX_REASONS = 256;
const reason = placementRefusal.extend({ code: z.string().max(63), message: z.string().max(4_096) });

/**
 * Largest simulated minute of a reported guest state: two million years. A later state must have a later minute, so a
 * number near 2^53 would end the checkpoints of its VM.
 */
const MAX_SIM_MINUTES = 1_000_000_000_000;
/** A minute of simulated time, since the start of the cell. */
export const simMinute = z.int().min(0).max(MAX_SIM_MINUTES);
/** Largest length of `<agentId>.<id>`. */
const MAX_CHECKPOINT_ID_LENGTH = 127;
/**
 * A guest state as an agent reports it. Its `checkpointId` is `<agentId>.<id>`, the end of the subject that stores the
 * state; agents of earlier releases report the id only.
 */
const reportedCheckpoint = checkpointRecord.extend({
  checkpointId: z
    .string()
    .regex(
      /^(?:[a-z0-9-]{1,63}\.)?[A-Za-z0-9_-]{1,63}$/,
      "must be an id of an agent, '.', and 1 to 63 letters, digits, '-' or '_'",
    ),
  simMinutes: simMinute,
  bytes: z.int().min(0).max(MAX_BLOB_BYTES),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "must be a SHA-256 digest in hexadecimal"),
});

export const timeoutMs = z.int().min(1).max(MAX_EXEC_TIMEOUT_MS);
export const execResult = z.object({ result: z.unknown(), stdout: z.string(), instructions: z.int() });
/** Where the program ran among the acts of its minute, and how often the VM had been restored when its guest started. */
export const agentProgramAgain = z.object({ ...programAgain.shape, restores: z.int().min(0) });
export type AgentProgramAgain = z.infer<typeof agentProgramAgain>;
/**
 * `simMinute` is the minute at which the program ran; null: unknown. Agents of older releases do not send it. `again` is
 * absent where no guest runs the program again.
 */
const agentExecResult = z.object({
  ...execResult.shape,
  simMinute: z.int().min(0).nullable().optional(),
  again: agentProgramAgain.optional(),
});

export const INTERNAL_ENDPOINTS = {
  vmDefer: endpoint(
    "bioxen.cmd.vm.defer",
    "lifecycle",
    "From the scheduler: these VMs have no place, each with the reasons.",
    z.strictObject({
      deferrals: z
        .array(z.strictObject({ vmId: id, reasons: z.array(reason).max(MAX_REASONS) }))
        .min(1)
        .max(MAX_PAGE),
    }),
    z.object({}),
    true,
  ),
  vmReport: endpoint(
    "bioxen.cmd.vm.report",
    "lifecycle",
    "From an agent: a change of a guest.",
    z.strictObject({
      vmId: id,
      fence: z.int().min(1),
      observed: z.enum([
        "started",
        "restarted",
        "stopped",
        "failed",
        "checkpointed",
        "checkpoint-lost",
        "handed-over",
        "not-handed-over",
        "outside-change",
        "start-refused",
        "start-progressed",
        "until-reached",
      ]),
      reason: z.string().max(4_096).default(""),
      code: z.string().max(63).default("INTERNAL"),
      /**
       * The stored state of the guest; present with `checkpointed`, and with `handed-over` if the driver stores guest
       * states.
       */
      checkpoint: reportedCheckpoint.optional(),
      /** With `checkpoint` and `until-reached`: the number of restores that the VM had when this guest started. */
      restores: z.int().min(0).optional(),
      /** With `checkpoint-lost`: the id of the checkpoint that cannot be used; `code` says why. */
      checkpointId: z.string().max(MAX_CHECKPOINT_ID_LENGTH).optional(),
      /** With `outside-change`: the change of the machine that BioXen did not make. */
      outside: outsideChange.optional(),
      /** With `start-refused`: the host's own code, and the number of this try; `code` is one of START_REFUSAL_CODES. */
      hostCode: z.string().max(127).optional(),
      tries: z.int().min(1).optional(),
      /** With `until-reached`: the last minute of the cell, which it has reached. */
      simMinute: simMinute.optional(),
      /** With `start-progressed`: the progress of the start, permille. */
      permille: z.int().min(1).max(1000).optional(),
    }),
    /** `seq` is the sequence of the VM's last event; 0 if the VM has no event. */
    z.object({ changed: z.boolean(), seq: z.int().min(0) }),
    true,
  ),
  vmDivide: endpoint(
    "bioxen.cmd.vm.divide",
    "lifecycle",
    "From an agent: a cell whose VM goes on as two has divided. A VM is recorded for its second daughter, once.",
    z.strictObject({
      vmId: id,
      fence: z.int().min(1),
      /** The number of restores that the VM had when this guest started. */
      restores: z.int().min(0),
      /** The number of the division in the life of the cell. */
      division: z.int().min(1),
      /** The state of the second daughter, stored for the VM that it will be. */
      checkpoint: reportedCheckpoint,
    }),
    /** `daughterId` is null if there is no VM for the daughter; `reason` then says why. */
    z.object({ changed: z.boolean(), daughterId: z.string().nullable(), reason: z.string().optional() }),
    true,
  ),
  vmMove: endpoint(
    "bioxen.cmd.vm.move",
    "lifecycle",
    "From the scheduler: move this VM off `fromChassisId`, for a drain or a rebalancing. Like `migrate`, but without a time limit for the wait.",
    z.strictObject({
      vmId: id,
      fromChassisId: id,
      toChassisId: id.optional(),
      code: z.enum(MOVE_CODES).exclude(["COMMAND"]),
      reason: z.string().max(4_096),
    }),
    z.object({ changed: z.boolean(), seq: z.int() }),
    true,
  ),
  vmPreempt: endpoint(
    "bioxen.cmd.vm.preempt",
    "lifecycle",
    "From the scheduler: this VM must give up resources that it holds under `fence`, for the waiting VM `by`. An outdated fence, or a `by` that no longer waits, changes nothing.",
    z.strictObject({
      vmId: id,
      fence: z.int().min(1),
      mode: z.enum(PREEMPTION_MODES),
      by: id,
      byPriority: priority,
      reason: z.string().max(4_096),
    }),
    z.object({ changed: z.boolean(), seq: z.int() }),
    true,
  ),
  vmReinstate: endpoint(
    "bioxen.cmd.vm.reinstate",
    "lifecycle",
    "From the scheduler: there is room again for everything that the preemption with sequence `preemptedSeq` took from this VM. All or nothing.",
    z.strictObject({ vmId: id, fence: z.int().min(1), preemptedSeq: z.int().min(1) }),
    z.object({ changed: z.boolean(), seq: z.int() }),
    true,
  ),
  ledgerReserve: endpoint(
    "bioxen.cmd.ledger.reserve",
    "allocator",
    "From the scheduler: a plan for one chassis. The reservations that fit are appended in one event, the others are refused.",
    z.strictObject({
      chassisId: id,
      planId: z.string().max(63),
      reservations: z.array(reservation).min(1).max(MAX_PAGE),
      /**
       * Lease token of the scheduler that makes the proposal. The token must have been issued for the scheduler's
       * lease, and no ledger may have a newer token. A proposal without a token is accepted only while the allocator
       * knows no token.
       */
      proposerToken: z.int().min(1).max(MAX_LEASE_TOKEN).optional(),
    }),
    z.object({
      seq: z.int().nullable(),
      /** Sequence of the newest quota event that a refusal depends on; absent when no refusal depends on a quota. */
      quotaSeq: z.int().optional(),
      reserved: z.array(z.string()),
      refused: z.array(z.object({ vmId: z.string(), refusal: placementRefusal })),
    }),
    true,
  ),
  ledgerResize: endpoint(
    "bioxen.cmd.ledger.resize",
    "allocator",
    "From lifecycle: change the amounts that a VM holds, all or nothing.",
    z.strictObject({
      chassisId: id,
      ...entryKey.shape,
      amounts: recordedAmounts,
      /** The amounts that the VM must hold before; absent: any. */
      from: recordedAmounts.optional(),
    }),
    z.object({ changed: z.boolean(), seq: z.int() }),
    true,
  ),
} as const;

/** The request of an agent's `exec` endpoint. `fence` is the fencing token of the guest's reservation. */
export const agentExecRequest = z.strictObject({
  vmId: id,
  fence: z.int().min(1),
  source,
  timeoutMs,
  /** Whether the source is shell also where the guest runs Lua; absent: the language is the guest's own. */
  shell: z.literal(true).optional(),
  /** Whether the source runs on a copy of the guest; absent: it may change the guest. */
  readOnly: z.literal(true).optional(),
});
export type AgentExecRequest = z.infer<typeof agentExecRequest>;

/** `holder` is the VM that the state is stored for; absent when it is stored for the guest's own VM. */
const agentCheckpointRequest = z.strictObject({
  vmId: id,
  fence: z.int().min(1),
  holder: id.optional(),
});
export type AgentCheckpointRequest = z.infer<typeof agentCheckpointRequest>;
const takenCheckpoint = z.object({ checkpoint: reportedCheckpoint, restores: z.int().min(0) });

/** Returns the endpoint of one agent that stores the state of a guest as a blob. The call appends no event. */
export function agentCheckpoint(
  agentId: string,
): Endpoint<typeof agentCheckpointRequest, typeof takenCheckpoint> {
  const summary = "Store the state of a guest of this agent.";
  const subject = agentCheckpointSubject(agentId);
  return endpoint(subject, "chassis-agent", summary, agentCheckpointRequest, takenCheckpoint, true);
}

/** Without `atMinute` the guest is kept at its present minute. */
const agentHoldRequest = z.strictObject({
  vmId: id,
  fence: z.int().min(1),
  atMinute: simMinute.optional(),
});
export type AgentHoldRequest = z.infer<typeof agentHoldRequest>;
/** `presentMinute` is the minute at which the guest is; absent: unknown. */
const heldAt = z.object({ simMinute, restores: z.int().min(0), presentMinute: simMinute.optional() });

/**
 * Returns the endpoint of one agent that keeps a guest at a minute of its simulated time, until the change of this minute
 * is in the log, for some seconds. The call appends no event.
 */
export function agentHold(agentId: string): Endpoint<typeof agentHoldRequest, typeof heldAt> {
  const summary =
    "Keep a guest of this agent at a simulated minute, for a change of its environment or allocation.";
  return endpoint(agentHoldSubject(agentId), "chassis-agent", summary, agentHoldRequest, heldAt, true);
}

/** Returns the endpoint of one agent to which lifecycle forwards an `exec` command. */
export function agentExec(agentId: string): Endpoint<typeof agentExecRequest, typeof agentExecResult> {
  const summary =
    "Run a program in a guest of this agent. A command that is forwarded twice is carried out once.";
  return endpoint(
    agentExecSubject(agentId),
    "chassis-agent",
    summary,
    agentExecRequest,
    agentExecResult,
    true,
  );
}
