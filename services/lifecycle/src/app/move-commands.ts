/**
 * Moves of VMs, as users and the scheduler ask for them: what is known at once about where a VM could go.
 */
import {
  type Chassis,
  emptyRoom,
  type Handled,
  mismatchOf,
  type ParsedRequestOf,
  type PlacementRefusal,
  type ResultOf,
  refuse,
  roomFor,
  roomOf,
  type Vm,
  type VmState,
} from "@bioxen/contracts";
import type { Causation } from "@bioxen/kernel";
import type { VmDecision } from "../domain/vm.ts";
import { decideCancelMigration, decideMigrate, decideMove, type MoveRequest } from "../domain/vm-move.ts";
import { type CommandPorts, changedVm } from "./commands.ts";
import { onAllChassis } from "./known-chassis.ts";

type Unfit = Extract<VmDecision, { ok: false }>;

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
    const decide = (state: VmState) =>
      decideMigrate(vmId, state, request, (vm) =>
        chassisId === null ? this.#fitsNowhereElse(vmId, vm) : this.#unfitOn(chassisId, vm),
      );
    const { vms } = this.#ports;
    return changedVm(vmId, await onAllChassis(this.#ports, () => vms.execute(vmId, causation, decide)));
  }

  async cancel(
    { vmId }: { vmId: string },
    causation: Causation,
  ): Promise<Handled<ResultOf<"vmCancelMigration">>> {
    const { vms } = this.#ports;
    return changedVm(vmId, await vms.execute(vmId, causation, (state) => decideCancelMigration(vmId, state)));
  }

  async move(
    { vmId, fromChassisId, toChassisId, code, reason }: ParsedRequestOf<"vmMove">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"vmMove">>> {
    const request = { toChassisId: toChassisId ?? null, code, reason };
    const executed = await this.#ports.vms.execute(vmId, causation, (state) =>
      decideMove(vmId, state, fromChassisId, request),
    );
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    return { ok: true, result: { changed: executed.changed, seq: executed.held.lastSeq } };
  }

  /** Why the VM cannot go to the chassis that was named; undefined: as far as is known here it can. */
  #unfitOn(chassisId: string, vm: Vm): Unfit | undefined {
    const chassis = this.#ports.chassis.get(chassisId);
    if (!chassis.registered) return refuse("CHASSIS_NOT_FOUND", `there is no chassis ${chassisId}`);
    const never = mismatchOf(vm, chassisId, chassis) ?? roomFor(vm.request, emptyRoom(chassis));
    if (never !== undefined) {
      const details = { request: vm.request, reasons: [{ chassisId, ...never }] };
      return refuse("INFEASIBLE", `${chassisId}: ${never.message}`, { details });
    }
    if (chassis.lost !== null || chassis.cordoned) {
      const why = chassis.lost === null ? "is cordoned" : "is lost";
      return refuse("UNAVAILABLE", `${chassisId} ${why} and takes nobody`, { retryable: true });
    }
    const misfit = roomFor(vm.request, roomOf(this.#ports.ledgers.get(chassisId)));
    if (misfit === undefined) return undefined;
    const { resource, requested, free, message } = misfit;
    const details = { chassisId, resource, requested, free };
    return refuse("CAPACITY_EXCEEDED", `${chassisId}: ${message}`, { retryable: true, details });
  }

  /** INFEASIBLE where no other chassis could hold it even when it is empty. */
  #fitsNowhereElse(vmId: string, vm: Vm): Unfit | undefined {
    const reasons: PlacementRefusal[] = [];
    const registered = [...this.#ports.chassis.entries()].filter(
      (entry): entry is [string, Chassis] => entry[1].registered && entry[0] !== vm.chassisId,
    );
    for (const [chassisId, chassis] of registered) {
      const misfit = mismatchOf(vm, chassisId, chassis) ?? roomFor(vm.request, emptyRoom(chassis));
      if (misfit === undefined) return undefined;
      reasons.push({ chassisId, ...misfit });
    }
    const all = reasons.map((r) => `${r.chassisId}: ${r.message}`).join("; ");
    const message = `${vmId} fits no other chassis even when it is empty: ${all || "there is none"}`;
    return refuse("INFEASIBLE", message, { details: { request: vm.request, reasons } });
  }
}
