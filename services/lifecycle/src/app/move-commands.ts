/**
 * Moves of VMs that users and the scheduler request. A user's request is rejected at once if, as far as this instance
 * knows, no chassis can take the VM.
 */
import {
  type Handled,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  roomFor,
  roomOf,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import type { Causation } from "@bioxen/kernel";
import { neverFits, neverFitsAny, registeredOf } from "../domain/chassis-fit.ts";
import { vmDecider } from "../domain/vm-decider.ts";
import type { VmRejection } from "../domain/vm-decision.ts";
import type { MoveRequest } from "../domain/vm-move.ts";
import { type CommandPorts, changedSeq, changedVm, executeOn } from "./command-ports.ts";
import { onAllChassis } from "./known-chassis.ts";

export class MoveCommands {
  readonly #ports: CommandPorts;

  constructor(ports: CommandPorts) {
    this.#ports = ports;
  }

  async migrate(
    { vmId, chassisId = null }: { vmId: string; chassisId?: string | null | undefined },
    causation: Causation,
  ): Promise<Handled<ResultOf<"vmMigrate">>> {
    const request: MoveRequest = { toChassisId: chassisId, code: "COMMAND", reason: "by command" };
    const decide = (state: VmState) => {
      const obstacle = state.exists ? this.#obstacleOf(vmId, state, chassisId) : undefined;
      return vmDecider.decide(state, { type: "migrate", vmId, request, obstacle });
    };
    const { vms } = this.#ports;
    return changedVm(vmId, await onAllChassis(this.#ports, () => vms.execute(vmId, causation, decide)));
  }

  async cancel(
    { vmId }: { vmId: string },
    causation: Causation,
  ): Promise<Handled<ResultOf<"vmCancelMigration">>> {
    const command = { type: "cancel-migration", vmId } as const;
    return changedVm(vmId, await executeOn(this.#ports, vmId, causation, command));
  }

  async move(
    { vmId, fromChassisId, toChassisId, code, reason }: ParsedRequestOf<"vmMove">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"vmMove">>> {
    const { vms, chassis, caughtUp } = this.#ports;
    const isCordoned = () => {
      const from = chassis.get(fromChassisId);
      return from.registered && from.cordoned;
    };
    // A drain cordons its chassis before it requests moves. This instance may not have read the cordon's event yet.
    if (code === "DRAIN" && !isCordoned()) await caughtUp();
    const request = { toChassisId: toChassisId ?? null, code, reason };
    const decide = (state: VmState) => {
      const obstacle =
        state.exists && toChassisId !== undefined ? this.#never(toChassisId, state) : undefined;
      const isAllowed = code !== "DRAIN" || isCordoned();
      return vmDecider.decide(state, { type: "move", vmId, fromChassisId, request, obstacle, isAllowed });
    };
    return changedSeq(await onAllChassis(this.#ports, () => vms.execute(vmId, causation, decide)));
  }

  #obstacleOf(vmId: string, vm: Vm, toChassisId: string | null): VmRejection | undefined {
    return toChassisId === null ? this.#nowhereElse(vmId, vm) : this.#obstacleOn(toChassisId, vm);
  }

  /** Returns why the VM cannot go to the named chassis; undefined when it can, as far as this instance knows. */
  #obstacleOn(chassisId: string, vm: Vm): VmRejection | undefined {
    const never = this.#never(chassisId, vm);
    const chassis = this.#ports.chassis.get(chassisId);
    if (never !== undefined || !chassis.registered) return never;
    if (chassis.lost !== null || chassis.cordoned) {
      const why = chassis.lost === null ? "is cordoned" : "is lost";
      return refuse("UNAVAILABLE", `${chassisId} ${why} and accepts no VM`, { retryable: true });
    }
    const misfit = roomFor(vm.request, roomOf(this.#ports.ledgers.get(chassisId)));
    if (misfit === undefined) return undefined;
    const { resource, requested, free, message } = misfit;
    const details = { chassisId, resource, requested, free };
    return refuse("CAPACITY_EXCEEDED", `${chassisId}: ${message}`, { retryable: true, details });
  }

  /** Returns why the named chassis could not hold the VM even if the chassis were empty; otherwise undefined. */
  #never(chassisId: string, vm: Vm): VmRejection | undefined {
    const chassis = this.#ports.chassis.get(chassisId);
    if (!chassis.registered) return refuse("CHASSIS_NOT_FOUND", `there is no chassis ${chassisId}`);
    const never = neverFits(vm, [chassisId, chassis]);
    if (never === undefined) return undefined;
    const details = { request: vm.request, reasons: [{ chassisId, ...never }] };
    return refuse("INFEASIBLE", `${chassisId}: ${never.message}`, { details });
  }

  /** Returns INFEASIBLE when no other registered chassis could hold the VM, even if empty; otherwise undefined. */
  #nowhereElse(vmId: string, vm: Vm): VmRejection | undefined {
    const registered = registeredOf(this.#ports.chassis.entries());
    const others = registered.filter(([chassisId]) => chassisId !== vm.chassisId);
    const reasons = neverFitsAny(vm, others);
    if (reasons === undefined) return undefined;
    const all = reasons.map((r) => `${r.chassisId}: ${r.message}`).join("; ");
    const message = `${vmId} fits no other chassis, not even an empty one: ${all || "no other is registered"}`;
    return refuse("INFEASIBLE", message, { details: { request: vm.request, reasons } });
  }
}
