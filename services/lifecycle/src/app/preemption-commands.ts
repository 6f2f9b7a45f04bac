/**
 * Preemption and reinstatement at the request of the scheduler. A user's resume of a VM that preemption has paused also
 * reinstates the VM.
 */
import {
  type ChassisState,
  type Handled,
  isFollowedBy,
  type ParsedRequestOf,
  refuse,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import type { Causation, Executed, ReadModel } from "@bioxen/kernel";
import { neverFits } from "../domain/chassis-fit.ts";
import { vmDecider } from "../domain/vm-decider.ts";
import { preemptedMeanwhile, type VmRejection } from "../domain/vm-decision.ts";
import { activePreemptionOf } from "../domain/vm-preemption.ts";
import { beyondKnownLog, type CommandPorts, changedSeq, type SeqChanged } from "./command-ports.ts";
import { onAllChassis } from "./known-chassis.ts";
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
    const { vms, chassis } = this.#ports;
    const beyond = await beyondKnownLog(this.#ports, order.fence, "fence");
    if (beyond !== undefined) return beyond;
    // Another instance may have appended the event that made the preemptor wait. The scheduler does not repeat an order
    // that changed nothing, so the preemptor's newest state is read first.
    await vms.refresh(order.by);
    const executed = await onAllChassis(this.#ports, () =>
      vms.execute(vmId, causation, (state) => {
        const preemptor = vms.get(order.by).state;
        const obstacle = obstacleOf(state, preemptor, chassis);
        return vmDecider.decide(state, { type: "preempt", vmId, order, preemptor, obstacle });
      }),
    );
    return changedSeq(executed);
  }

  async reinstate(
    { vmId, fence, preemptedSeq }: ParsedRequestOf<"vmReinstate">,
    causation: Causation,
  ): Promise<Handled<SeqChanged>> {
    const beyond =
      (await beyondKnownLog(this.#ports, fence, "fence")) ??
      (await beyondKnownLog(this.#ports, preemptedSeq, "preemptedSeq"));
    if (beyond !== undefined) return beyond;
    const { state, lastSeq } = await this.#ports.vms.refresh(vmId);
    const preempted = activePreemptionOf(state);
    if (preempted?.seq !== preemptedSeq || preempted.vm.fence !== fence) {
      return { ok: true, result: { changed: false, seq: lastSeq } };
    }
    const reinstated = await this.reinstateFully(vmId, preempted.vm, { isResume: false }, causation);
    return reinstated.ok ? changedSeq(reinstated) : reinstated;
  }

  /** Gives the VM its whole request back. The ledger grants all or nothing; then the VM records the granted amounts. */
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

/** Returns why the preemptor could not run on the victim's chassis even if the chassis were empty; else undefined. */
function obstacleOf(
  victim: VmState,
  preemptor: VmState,
  chassis: ReadModel<ChassisState>,
): VmRejection | undefined {
  if (!victim.exists || victim.chassisId === null || !preemptor.exists) return undefined;
  const { chassisId } = victim;
  const home = chassis.get(chassisId);
  if (!home.registered) return refuse("CHASSIS_NOT_FOUND", `there is no chassis ${chassisId}`);
  const never = neverFits(preemptor, [chassisId, home]);
  if (never === undefined) return undefined;
  const details = { request: preemptor.request, reasons: [{ chassisId, ...never }] };
  return refuse("INFEASIBLE", `${chassisId}: ${never.message}`, { details });
}
