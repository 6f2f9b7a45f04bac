/**
 * Changes the reservation of a VM in the ledger of its chassis, before the VM records the new amounts.
 *
 * If this process dies between the event of the ledger and the event of the VM, the lease holder adopts the amounts
 * of the ledger (`vm-process.ts`).
 */
import { callEndpoint, ENDPOINTS, type LedgerEntry, type Preemption } from "@bioxen/contracts";
import type { Amounts, Causation } from "@bioxen/kernel";
import type { VmRejection } from "../domain/vm-decision.ts";
import type { CommandPorts } from "./command-ports.ts";
import { passedOn } from "./peer-refusal.ts";

/** Longest wait for the allocator's answer, ms. The allocator first completes earlier commands of the same ledger. */
const RESIZE_TIMEOUT_MS = 5_000;

export interface LedgerResize {
  readonly vmId: string;
  readonly chassisId: string;
  readonly fence: number;
  /** The new amounts of the entry: the ledger grants all of them, or changes nothing. */
  readonly amounts: Amounts;
  readonly preemption: Preemption | null;
  /** The amounts that the entry must hold before; absent: any. */
  readonly from?: Amounts | undefined;
}

/**
 * Resizes the VM's ledger entry. Returns the entry after the resize, in the state that this instance knows; undefined
 * when the VM has meanwhile lost its entry.
 */
export async function resizeInLedger(
  { caller, applied, ledgers }: Pick<CommandPorts, "caller" | "applied" | "ledgers">,
  { vmId, chassisId, fence, amounts, preemption, from }: LedgerResize,
  causation: Causation,
): Promise<{ readonly ok: true; readonly entry: LedgerEntry | undefined } | VmRejection> {
  const reply = await callEndpoint(
    caller,
    ENDPOINTS.ledgerResize,
    { chassisId, vmId, fence, amounts, ...(from === undefined ? {} : { from }) },
    { timeoutMs: RESIZE_TIMEOUT_MS, causation, ...resizeIdOf(causation, fence, preemption) },
  );
  if (!reply.ok) return passedOn(reply.error);
  await applied(reply.seq);
  return { ok: true, entry: ledgers.get(chassisId).entries[vmId] };
}

/**
 * Returns the message id under which the ledger remembers the resize: one command changes one reservation once, however
 * often the command is sent. An active preemption has taken granted amounts away, so the same command may then change
 * the reservation once more. The id therefore includes the sequence of that preemption.
 */
function resizeIdOf(
  { causeId, deduplicate }: Causation,
  fence: number,
  preemption: Preemption | null,
): { readonly messageId?: string } {
  if (!deduplicate) return {};
  const since = preemption?.active === true ? `:${preemption.seq}` : "";
  return { messageId: `${causeId}:${fence}${since}` };
}
