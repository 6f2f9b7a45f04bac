/** The record of a program that a user ran in a guest. It has run already, so the record is never refused. */
import type { AgentProgramAgain, Vm, VmEvent, VmState } from "@bioxen/contracts";
import { accept, type CommandOf, type DecisionTable, UNCHANGED } from "@bioxen/kernel";
import type { VmDecision } from "./vm-decision.ts";

export interface ExecutedCommand {
  readonly type: "executed";
  /** The fence of the guest in which it ran. */
  readonly fence: number;
  readonly source: string;
  readonly shell: boolean;
  /** `OK`, or the code of its error. */
  readonly outcome: string;
  readonly simMinute?: number | undefined;
  /** Where it ran among the acts of its minute; `restores` is that of the guest in which it ran. */
  readonly again?: AgentProgramAgain | undefined;
}

const WITH_GUEST = ["running", "paused", "stopping"];

/**
 * If the VM has left the guest's place meanwhile, the guest has ended, and nothing is recorded. A guest that was replaced
 * after a restore has another course, so no guest runs the program again.
 */
function decideExecuted(
  state: VmState,
  { fence, source, shell, outcome, simMinute, again }: CommandOf<ExecutedCommand, "executed">,
): VmDecision {
  if (!state.exists || state.fence !== fence || !WITH_GUEST.includes(state.state)) return UNCHANGED;
  const minute = simMinute === undefined ? {} : { simMinute };
  const data = { fence, source, ...(shell ? { shell } : {}), outcome, ...minute, ...placeIn(state, again) };
  return accept<VmEvent>({ type: "bioxen.vm.executed.v1", data });
}

function placeIn({ restores: present }: Vm, again: AgentProgramAgain | undefined) {
  if (again === undefined || again.restores !== present) return {};
  const { restores: _, ...place } = again;
  return { again: place };
}

export const EXECUTED_RULES: DecisionTable<VmState, ExecutedCommand, VmEvent> = {
  executed: decideExecuted,
};
