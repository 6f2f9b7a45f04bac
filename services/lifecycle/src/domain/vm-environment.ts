/** The rule for changes of a guest's environment. Each acts at a minute of the guest's simulated time. */
import { endsWithAgent, refuse, type Vm, type VmEvent, type VmState } from "@bioxen/contracts";
import { accept, type CommandOf, type DecisionTable } from "@bioxen/kernel";
import { changesProblem, type HeldMinute, minuteProblem } from "./held-minute.ts";
import { admit } from "./vm.ts";
import type { OnVm, VmDecision } from "./vm-decision.ts";

export type EnvironmentCommand = OnVm<"set-environment"> & {
  readonly environment: Readonly<Record<string, number>>;
  readonly at: HeldMinute;
};

/** Admits a change of the environment. A machine has no simulated time at which it could act, in any state. */
export function admitEnvironment(
  vmId: string,
  state: VmState,
): { readonly vm: Vm } | { readonly answer: VmDecision } {
  if (state.exists && state.state !== "destroyed" && !endsWithAgent(state.vmType)) {
    return { answer: refuse("UNSUPPORTED", `${vmId} is a machine: it has no simulated time`) };
  }
  return admit(vmId, state, "set-environment");
}

function decideSetEnvironment(
  state: VmState,
  { vmId, environment, at }: CommandOf<EnvironmentCommand, "set-environment">,
): VmDecision {
  const admitted = admitEnvironment(vmId, state);
  if ("answer" in admitted) return admitted.answer;
  const problem = minuteProblem(vmId, admitted.vm, at) ?? changesProblem(vmId, admitted.vm);
  if (problem !== undefined) return problem;
  const { fence, simMinute } = at;
  const data = { fence, simMinute, environment: { ...environment } };
  return accept<VmEvent>({ type: "bioxen.vm.environment-changed.v1", data });
}

export const ENVIRONMENT_RULES: DecisionTable<VmState, EnvironmentCommand, VmEvent> = {
  "set-environment": decideSetEnvironment,
};
