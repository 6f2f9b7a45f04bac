/**
 * Records why VMs have no place, as the scheduler found it.
 */
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
   * The page of deferrals is one message for many VMs, so each event is caused by what its own VM waits for, not by
   * the message. The event that made the VM wait may not be known here yet: when the reasons seem unchanged, the VM
   * is read again.
   */
  async #record(vmId: string, reasons: readonly PlacementRefusal[]): Promise<void> {
    const command = { type: "defer", reasons } as const;
    const known = this.#vms.get(vmId);
    const isNews = vmDecider.decide(known.state, command) !== UNCHANGED;
    for (let current = isNews ? known : await this.#vms.refresh(vmId); current.last !== undefined; ) {
      const move = moveOf(current.state);
      // The reasons are recorded against the wait that is the cause of the event. When another one has begun since,
      // the loop starts over.
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
