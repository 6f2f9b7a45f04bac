/** The rule for changes of a guest's environment. Each acts at a minute of the guest's simulated time. */
import type { VmEvent, VmState } from "@bioxen/contracts";
import { accept, type CommandOf, type DecisionTable } from "@bioxen/kernel";
import { changesProblem, type HeldMinute, minuteProblem } from "./held-minute.ts";
import { admit } from "./vm.ts";
import type { OnVm, VmDecision } from "./vm-decision.ts";

export type EnvironmentCommand = OnVm<"set-environment"> & {
  readonly environment: Readonly<Record<string, number>>;
  readonly at: HeldMinute;
};

function decideSetEnvironment(
  state: VmState,
  { vmId, environment, at }: CommandOf<EnvironmentCommand, "set-environment">,
): VmDecision {
  const admitted = admit(vmId, state, "set-environment");
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
