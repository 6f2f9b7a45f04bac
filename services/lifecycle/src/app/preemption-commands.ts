/**
 * Preemption and its end, as the scheduler asks for them, and what a resume of a preempted VM has in common with that.
 */
import {
  ENDPOINTS,
  type Handled,
  isErrorCode,
  isFollowedBy,
  type ParsedRequestOf,
  type Preemption,
  type ResultOf,
  refuse,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import type { Causation, Executed, Rejection, ReplyError } from "@bioxen/kernel";
import { preemptedMeanwhile } from "../domain/vm.ts";
import { decidePreempt, decideReinstate, shrunkBy } from "../domain/vm-preemption.ts";
import type { CommandPorts } from "./commands.ts";

/** The allocator's answer to a resize, ms: one append and its queue. */
export const RESIZE_TIMEOUT_MS = 5_000;

type Done = Handled<ResultOf<"vmPreempt">>;

export class PreemptionCommands {
  readonly #ports: CommandPorts;

  constructor(ports: CommandPorts) {
    this.#ports = ports;
  }

  async preempt({ vmId, ...order }: ParsedRequestOf<"vmPreempt">, causation: Causation): Promise<Done> {
    const { vms } = this.#ports;
    // It may have begun to wait at another instance: what is not done for it now the scheduler does not ask for again.
    await vms.refresh(order.by);
    const executed = await vms.execute(vmId, causation, (state) =>
      decidePreempt(state, order, vms.get(order.by).state),
    );
    return answerOf(executed);
  }

  async reinstate(
    { vmId, fence, preemptedSeq }: ParsedRequestOf<"vmReinstate">,
    causation: Causation,
  ): Promise<Done> {
    const { state, lastSeq } = await this.#ports.vms.refresh(vmId);
    const shrunk = shrunkBy(state);
    if (shrunk?.seq !== preemptedSeq || shrunk.vm.fence !== fence) {
      return { ok: true, result: { changed: false, seq: lastSeq } };
    }
    const restored = await this.restore(vmId, shrunk.vm, false, causation);
    return restored.ok ? answerOf(restored) : restored;
  }

  /** Ledger first, all or nothing; then the VM. Should this process die in between, the VM adopts it (`vm-process.ts`). */
  async restore(
    vmId: string,
    vm: Vm,
    goOn: boolean,
    causation: Causation,
  ): Promise<Executed<VmState> | { readonly ok: false; readonly rejection: Rejection }> {
    const { ledgers, caller, applied, vms } = this.#ports;
    const { chassisId, fence, preemption } = vm;
    const entryNow = () => (chassisId === null ? undefined : ledgers.get(chassisId).entries[vmId]);
    const entry = entryNow();
    if (chassisId === null || fence === null || preemption === null || entry === undefined) {
      return preemptedMeanwhile(vmId);
    }
    if (!isFollowedBy(vm, entry)) return preemptedMeanwhile(vmId);
    const reply = await caller.call(
      ENDPOINTS.ledgerResize.subject,
      { chassisId, vmId, fence, amounts: vm.request },
      { timeoutMs: RESIZE_TIMEOUT_MS, causation, ...resizeIdOf(causation, fence, preemption) },
    );
    if (!reply.ok) return passedOn(reply.error);
    await applied((reply as ResultOf<"ledgerResize"> & { ok: true }).seq);
    return vms.execute(vmId, causation, (state) =>
      decideReinstate(vmId, state, preemption.seq, entryNow(), goOn),
    );
  }
}

function answerOf(executed: Executed<VmState>): Done {
  if (!executed.ok) return { ok: false, rejection: executed.rejection };
  return { ok: true, result: { changed: executed.changed, seq: executed.held.lastSeq } };
}

/**
 * One intent changes one reservation once, however often its command is sent: the ledger remembers it by this id. After a
 * preemption it is to be changed once more: what it was given has been taken.
 */
export function resizeIdOf(
  { causeId, deduplicate }: Causation,
  fence: number,
  preemption: Preemption | null,
): { readonly messageId?: string } {
  if (!deduplicate) return {};
  const since = preemption?.active === true ? `:${preemption.seq}` : "";
  return { messageId: `${causeId}:${fence}${since}` };
}

/** Another service's refusal, as it stands. */
export function passedOn(error: ReplyError): { readonly ok: false; readonly rejection: Rejection } {
  const { code, message, retryable, details } = error;
  const known = isErrorCode(code) ? code : "INTERNAL";
  return refuse(known, message, details === undefined ? { retryable } : { retryable, details });
}
