/** Records the reasons for which the scheduler found no place for VMs. */
import type { Handled, ParsedRequestOf, PlacementRefusal, VmState } from "@bioxen/contracts";
import { causedByMove } from "@bioxen/contracts";
import { causedBy, UNCHANGED } from "@bioxen/kernel";
import { vmDecider } from "../domain/vm-decider.ts";
import type { CommandPorts } from "./command-ports.ts";

export class DeferCommand {
  readonly #vms: CommandPorts["vms"];

  constructor({ vms }: Pick<CommandPorts, "vms">) {
    this.#vms = vms;
  }

  async defer({ deferrals }: ParsedRequestOf<"vmDefer">): Promise<Handled<Record<string, never>>> {
    for (const { vmId, reasons } of deferrals) await this.#record(vmId, reasons);
    return { ok: true, result: {} };
  }

  /**
   * Records the reasons for one VM. The cause of the event is the start or move for which the VM waits. The command
   * cannot be the cause, because it is about many VMs. This instance may not have read the event that made the VM
   * wait: when the reasons seem unchanged, it reads the VM again.
   */
  async #record(vmId: string, reasons: readonly PlacementRefusal[]): Promise<void> {
    // No reasons are recorded for a VM whose events cannot be read. That VM must not block the other VMs of the report.
    if (this.#vms.asideOf(vmId) !== undefined) return;
    const command = { type: "defer", reasons } as const;
    const known = this.#vms.get(vmId);
    const isNews = vmDecider.decide(known.state, command) !== UNCHANGED;
    for (let current = isNews ? known : await this.#vms.refresh(vmId); current.last !== undefined; ) {
      const move = moveOf(current.state);
      // The event is appended only while the VM still has the same move, or still has no move. Otherwise the loop runs
      // again with the new cause.
      const isSameWait = (state: VmState) => moveOf(state)?.requestedBy.id === move?.requestedBy.id;
      const causation = move === null ? causedBy(current.last) : causedByMove(move);
      await this.#vms.execute(vmId, causation, (state) =>
        isSameWait(state) ? vmDecider.decide(state, command) : UNCHANGED,
      );
      current = this.#vms.get(vmId);
      if (isSameWait(current.state)) return;
    }
  }
}

function moveOf(state: VmState) {
  return state.exists ? state.migration : null;
}
