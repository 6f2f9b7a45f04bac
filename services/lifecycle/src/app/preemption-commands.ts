/**
 * Preemption and reinstatement at the request of the scheduler. A user's resume of a VM that preemption has paused also
 * reinstates the VM.
 */
import { type Handled, isFollowedBy, type ParsedRequestOf, type Vm, type VmState } from "@bioxen/contracts";
import type { Causation, Executed } from "@bioxen/kernel";
import { vmDecider } from "../domain/vm-decider.ts";
import { preemptedMeanwhile, type VmRejection } from "../domain/vm-decision.ts";
import { activePreemptionOf } from "../domain/vm-preemption.ts";
import { type CommandPorts, changedSeq, type SeqChanged } from "./command-ports.ts";
import { resizeInLedger } from "./ledger-resize.ts";

export class PreemptionCommands {
  readonly #ports: CommandPorts;

  constructor(ports: CommandPorts) {
    this.#ports = ports;
  }

  async preempt(
    { vmId, ...order }: ParsedRequestOf<"vmPreempt">,
    causation: Causation,
  ): Promise<Handled<SeqChanged>> {
    const { vms } = this.#ports;
    // Another instance may have appended the event that made the preemptor wait. The scheduler does not repeat an order
    // that changed nothing, so the preemptor's newest state is read first.
    await vms.refresh(order.by);
    const executed = await vms.execute(vmId, causation, (state) =>
      vmDecider.decide(state, { type: "preempt", vmId, order, preemptor: vms.get(order.by).state }),
    );
    return changedSeq(executed);
  }

  async reinstate(
    { vmId, fence, preemptedSeq }: ParsedRequestOf<"vmReinstate">,
    causation: Causation,
  ): Promise<Handled<SeqChanged>> {
    const { state, lastSeq } = await this.#ports.vms.refresh(vmId);
    const preempted = activePreemptionOf(state);
    if (preempted?.seq !== preemptedSeq || preempted.vm.fence !== fence) {
      return { ok: true, result: { changed: false, seq: lastSeq } };
    }
    const reinstated = await this.reinstateFully(vmId, preempted.vm, { isResume: false }, causation);
    return reinstated.ok ? changedSeq(reinstated) : reinstated;
  }

  /** Gives the VM its whole request back: the ledger grants all of it or nothing, then the VM records it. */
  async reinstateFully(
    vmId: string,
    vm: Vm,
    { isResume }: { readonly isResume: boolean },
    causation: Causation,
  ): Promise<Executed<VmState> | VmRejection> {
    const { ledgers, vms } = this.#ports;
    const { chassisId, fence, preemption } = vm;
    if (chassisId === null || fence === null || preemption === null) return preemptedMeanwhile(vmId);
    const entryNow = () => ledgers.get(chassisId).entries[vmId];
    const entry = entryNow();
    if (entry === undefined || !isFollowedBy(vm, entry)) return preemptedMeanwhile(vmId);
    const resize = { vmId, chassisId, fence, amounts: vm.request, preemption };
    const resized = await resizeInLedger(this.#ports, resize, causation);
    if (!resized.ok) return resized;
    const preemptedSeq = preemption.seq;
    return vms.execute(vmId, causation, (state) =>
      vmDecider.decide(state, { type: "reinstate", vmId, preemptedSeq, granted: entryNow(), isResume }),
    );
  }
}
