/**
 * Running source code in a guest: the command is forwarded to the agent that runs it, and appends no event.
 */
import {
  agentExec,
  callEndpoint,
  type Handled,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
} from "@bioxen/contracts";
import { type Causation, invariant } from "@bioxen/kernel";
import { admit } from "../domain/vm.ts";
import type { VmRejection } from "../domain/vm-decision.ts";
import { agentOf } from "./agent-of-vm.ts";
import type { CommandPorts } from "./command-ports.ts";
import { passedOn } from "./peer-refusal.ts";

/**
 * Time in addition to the timeout of the guest, ms: two network hops, and the wait for other calls of the same
 * guest.
 */
const EXEC_MARGIN_MS = 5_000;

export class ExecCommand {
  readonly #ports: CommandPorts;

  constructor(ports: CommandPorts) {
    this.#ports = ports;
  }

  async exec(
    { vmId, source, timeoutMs, shell }: ParsedRequestOf<"vmExec">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"vmExec">>> {
    const admitted = admit(vmId, (await this.#ports.vms.refresh(vmId)).state, "exec");
    if ("answer" in admitted) {
      invariant(!admitted.answer.ok, "no state of a VM is where an exec leads", { vmId });
      return admitted.answer;
    }
    if (shell && admitted.vm.vmType === "basic") return noShell(vmId);
    const agent = agentOf(this.#ports.chassis, vmId, admitted.vm);
    if ("ok" in agent) return agent;
    const reply = await callEndpoint(
      this.#ports.caller,
      agentExec(agent.agentId),
      { vmId, fence: agent.fence, source, timeoutMs, ...(shell ? { shell } : {}) },
      { timeoutMs: timeoutMs + EXEC_MARGIN_MS, causation },
    );
    if (!reply.ok) return passedOn(reply.error);
    const { result, stdout, instructions } = reply;
    return { ok: true, result: { result, stdout, instructions } };
  }
}

function noShell(vmId: string): VmRejection {
  const message = `${vmId} is a basic VM, which has no shell: run Lua in it, without shell`;
  return refuse("UNSUPPORTED", message);
}
