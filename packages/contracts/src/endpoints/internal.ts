/**
 * What our services say to each other: the scheduler proposes, the allocator disposes, agents report. These shapes may change
 * with the version; everything in endpoints.ts is the public contract.
 */
import { z } from "zod";
import { checkpointRecord } from "../events/guest-state.ts";
import { entryKey, reservation } from "../events/ledger.ts";
import { MOVE_CODES } from "../events/move.ts";
import { outsideChange } from "../events/observed.ts";
import { placementRefusal } from "../events/vm.ts";
import { PREEMPTION_MODES } from "../fold/vm-state.ts";
import { id, MAX_EXEC_TIMEOUT_MS, MAX_PAGE, priority, recordedAmounts, source } from "../schemas.ts";
import { agentCheckpointSubject, agentExecSubject } from "../subjects.ts";
import { type Endpoint, endpoint } from "./endpoint.ts";

export const timeoutMs = z.int().min(1).max(MAX_EXEC_TIMEOUT_MS);
export const execResult = z.object({ result: z.unknown(), stdout: z.string(), instructions: z.int() });

export const INTERNAL_ENDPOINTS = {
  vmDefer: endpoint(
    "bioxen.cmd.vm.defer",
    "lifecycle",
    "The scheduler: these VMs have no place, and why.",
    z.strictObject({
      deferrals: z
        .array(z.strictObject({ vmId: id, reasons: z.array(placementRefusal) }))
        .min(1)
        .max(MAX_PAGE),
    }),
    z.object({}),
    true,
  ),
  vmReport: endpoint(
    "bioxen.cmd.vm.report",
    "lifecycle",
    "An agent: what its guest did.",
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
      ]),
      reason: z.string().max(4_096).default(""),
      code: z.string().max(63).default("INTERNAL"),
      /** With `checkpointed`, and with `handed-over` where the driver can: the state that was stored, and how often the VM had been set back when its guest began. */
      checkpoint: checkpointRecord.optional(),
      restores: z.int().min(0).optional(),
      /** With `checkpoint-lost`; `code` says why. */
      checkpointId: z.string().max(63).optional(),
      /** With `outside-change`. */
      outside: outsideChange.optional(),
    }),
    /** `seq`: of the VM's last event, 0 where it has none. */
    z.object({ changed: z.boolean(), seq: z.int().min(0) }),
    true,
  ),
  vmMove: endpoint(
    "bioxen.cmd.vm.move",
    "lifecycle",
    "The scheduler: this VM is to run elsewhere, for the sake of its chassis. As `migrate`, and waits as long as it takes.",
    z.strictObject({
      vmId: id,
      fromChassisId: id,
      toChassisId: id.optional(),
      code: z.enum(MOVE_CODES),
      reason: z.string().max(4_096),
    }),
    z.object({ changed: z.boolean(), seq: z.int() }),
    true,
  ),
  vmPreempt: endpoint(
    "bioxen.cmd.vm.preempt",
    "lifecycle",
    "The scheduler: this VM must give up what it holds under `fence`, for the VM `by` that waits. A fence it no longer has, or a `by` that waits no longer, changes nothing.",
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
    "The scheduler: there is room for what the preemption with sequence `preemptedSeq` took from this VM. All or nothing.",
    z.strictObject({ vmId: id, fence: z.int().min(1), preemptedSeq: z.int().min(1) }),
    z.object({ changed: z.boolean(), seq: z.int() }),
    true,
  ),
  ledgerReserve: endpoint(
    "bioxen.cmd.ledger.reserve",
    "allocator",
    "The scheduler proposes a plan for one chassis: what fits is reserved in one event, the rest refused.",
    z.strictObject({
      chassisId: id,
      planId: z.string().max(63),
      reservations: z.array(reservation).min(1).max(MAX_PAGE),
      /** Of the proposer's lease. Without one a proposal is older than every lease: taken only where none was ever seen. */
      proposerToken: z.int().min(1).optional(),
    }),
    z.object({
      seq: z.int().nullable(),
      /** Of the newest quota's event that a refusal rests on; absent: none does. */
      quotaSeq: z.int().optional(),
      reserved: z.array(z.string()),
      refused: z.array(z.object({ vmId: z.string(), refusal: placementRefusal })),
    }),
    true,
  ),
  ledgerResize: endpoint(
    "bioxen.cmd.ledger.resize",
    "allocator",
    "Lifecycle: change what a VM holds, all or nothing.",
    z.strictObject({ chassisId: id, ...entryKey.shape, amounts: recordedAmounts }),
    z.object({ changed: z.boolean(), seq: z.int() }),
    true,
  ),
} as const;

/** What an agent's own inbox takes: the fence says which guest is meant. */
export const agentExecRequest = z.strictObject({ vmId: id, fence: z.int().min(1), source, timeoutMs });
export type AgentExecRequest = z.infer<typeof agentExecRequest>;

/** `holder`: the VM the state is stored for; absent: the one it is taken of. */
const agentCheckpointRequest = z.strictObject({
  vmId: id,
  fence: z.int().min(1),
  holder: id.optional(),
});
export type AgentCheckpointRequest = z.infer<typeof agentCheckpointRequest>;
const takenCheckpoint = z.object({ checkpoint: checkpointRecord, restores: z.int().min(0) });

/** The endpoint of one agent: takes and stores the state of a guest, and records nothing. */
export function agentCheckpoint(
  agentId: string,
): Endpoint<typeof agentCheckpointRequest, typeof takenCheckpoint> {
  const summary = "Store the state of a guest of this agent.";
  const subject = agentCheckpointSubject(agentId);
  return endpoint(subject, "chassis-agent", summary, agentCheckpointRequest, takenCheckpoint, true);
}

/** The endpoint of one agent: lifecycle forwards `exec` here. */
export function agentExec(agentId: string): Endpoint<typeof agentExecRequest, typeof execResult> {
  const summary =
    "Run a program in a guest of this agent; a command that is forwarded again is carried out once.";
  return endpoint(agentExecSubject(agentId), "chassis-agent", summary, agentExecRequest, execResult, true);
}
