/** The state that commands on VMs read, and the functions that build the answers to these commands. */
import {
  beyondLog,
  type ChassisState,
  type Handled,
  type Ledger,
  type ResultOf,
  type VmState,
  viewOfVm,
} from "@bioxen/contracts";
import type { Aggregates, Caller, Causation, Clock, EventLog, Executed, ReadModel } from "@bioxen/kernel";
import { type VmCommand, vmDecider } from "../domain/vm-decider.ts";
import { noVm } from "../domain/vm-decision.ts";

export interface CommandPorts {
  readonly vms: Aggregates<VmState>;
  readonly ledgers: ReadModel<Ledger>;
  readonly chassis: ReadModel<ChassisState>;
  readonly caller: Caller;
  readonly clock: Clock;
  /** Resolves once the event with this sequence is folded into the read models here. */
  readonly applied: (seq: number) => Promise<void>;
  /** Resolves once everything that the log holds now is folded into the read models here. */
  readonly caughtUp: () => Promise<void>;
  readonly log: Pick<EventLog, "lastSeq">;
  /** Sequence of the last event that is folded into the read models here. */
  readonly knownSeq: () => number;
}

export type VmChanged = ResultOf<"vmCreate">;
export type SeqChanged = ResultOf<"vmReport">;

/**
 * Checks a sequence in a command that comes from another service. Returns the refusal of the command if the sequence is
 * beyond the end of the log; otherwise undefined. Asks the log only when this instance does not know the sequence.
 */
export async function beyondKnownLog(
  { log, knownSeq }: Pick<CommandPorts, "log" | "knownSeq">,
  seq: number,
  path: string,
) {
  return seq <= knownSeq() ? undefined : beyondLog(log, seq, path);
}

/** Decides one command on the VM and appends its event. */
export function executeOn(
  { vms }: Pick<CommandPorts, "vms">,
  vmId: string,
  causation: Causation,
  command: VmCommand,
): Promise<Executed<VmState>> {
  return vms.execute(vmId, causation, (state) => vmDecider.decide(state, command));
}

/** Returns the answer to a user's command: whether it changed the VM, and the VM afterwards. */
export function changedVm(vmId: string, executed: Executed<VmState>): Handled<VmChanged> {
  if (!executed.ok) return { ok: false, rejection: executed.rejection };
  const { state } = executed.current;
  if (!state.exists) return noVm(vmId);
  return { ok: true, result: { changed: executed.changed, vm: viewOfVm(vmId, state) } };
}

/**
 * Returns the answer to a command of another service: whether it changed the VM, and the sequence of the VM's last
 * event.
 */
export function changedSeq(executed: Executed<VmState>): Handled<SeqChanged> {
  if (!executed.ok) return { ok: false, rejection: executed.rejection };
  return { ok: true, result: { changed: executed.changed, seq: executed.current.lastSeq } };
}
