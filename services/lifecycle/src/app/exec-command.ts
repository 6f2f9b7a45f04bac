/**
 * Running source code in a guest: the command is forwarded to the agent that runs it. What may have changed the guest is
 * recorded afterwards, with the minute at which it ran; a read-only command appends no event.
 */
import {
  agentExec,
  agentProgramAgain,
  callEndpoint,
  type Handled,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
} from "@bioxen/contracts";
import { type Causation, invariant, type ReplyError } from "@bioxen/kernel";
import { programsProblem } from "../domain/held-minute.ts";
import { admit } from "../domain/vm.ts";
import type { VmRejection } from "../domain/vm-decision.ts";
import type { ExecutedCommand } from "../domain/vm-executed.ts";
import { agentOf } from "./agent-of-vm.ts";
import { type CommandPorts, executeOn } from "./command-ports.ts";
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
    { vmId, source, timeoutMs, shell, readOnly }: ParsedRequestOf<"vmExec">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"vmExec">>> {
    const admitted = admit(vmId, (await this.#ports.vms.refresh(vmId)).state, "exec");
    if ("answer" in admitted) {
      invariant(!admitted.answer.ok, "no state of a VM is where an exec leads", { vmId });
      return admitted.answer;
    }
    if (shell && admitted.vm.vmType === "basic") return noShell(vmId);
    if (readOnly && admitted.vm.vmType !== "basic") return noCopy(vmId);
    if (!readOnly && admitted.vm.vmType === "basic") {
      const tooMany = programsProblem(vmId, admitted.vm);
      if (tooMany !== undefined) return tooMany;
    }
    const agent = agentOf(this.#ports.chassis, vmId, admitted.vm);
    if ("ok" in agent) return agent;
    const { fence } = agent;
    const reply = await callEndpoint(
      this.#ports.caller,
      agentExec(agent.agentId),
      { vmId, fence, source, timeoutMs, ...(shell ? { shell } : {}), ...(readOnly ? { readOnly } : {}) },
      { timeoutMs: timeoutMs + EXEC_MARGIN_MS, causation },
    );
    const ran = reply.ok ? ranAt(reply.simMinute, "OK", reply.again) : ranWith(reply.error);
    if (ran !== undefined && !readOnly) {
      const command = { type: "executed", fence, source, shell, ...ran } as const;
      await executeOn(this.#ports, vmId, causation, command);
    }
    if (!reply.ok) return passedOn(forCaller(reply.error));
    const { result, stdout, instructions, simMinute = null } = reply;
    return { ok: true, result: { result, stdout, instructions, simMinute } };
  }
}

type Ran = Pick<ExecutedCommand, "outcome" | "simMinute" | "again">;

/**
 * Returns what is recorded of a program that ran; undefined if its agent is of an older release. Agents are the last part
 * of an upgrade, so no service that cannot read the event meets it then.
 */
function ranAt(simMinute: unknown, outcome: string, again: unknown): Ran | undefined {
  const place = agentProgramAgain.safeParse(again);
  if (typeof simMinute === "number")
    return { outcome, simMinute, ...(place.success ? { again: place.data } : {}) };
  return simMinute === null ? { outcome } : undefined;
}

/** Returns the outcome of a program that failed after it may have changed its guest; undefined if it did not run. */
function ranWith({ code, details = {} }: ReplyError): Ran | undefined {
  // A program that does not compile runs nothing.
  return details["instructions"] === 0 ? undefined : ranAt(details["simMinute"], code, details["again"]);
}

/** Returns the error for the caller: without what only services need, and without a minute where it is unknown. */
function forCaller(error: ReplyError): ReplyError {
  if (error.details?.["simMinute"] === undefined) return error;
  const { again: _, simMinute, ...details } = error.details;
  return { ...error, details: simMinute === null ? details : { ...details, simMinute } };
}

function noCopy(vmId: string): VmRejection {
  return refuse("UNSUPPORTED", `${vmId} is a machine: it has no copy on which a program could run`);
}

function noShell(vmId: string): VmRejection {
  const message = `${vmId} is a basic VM, which has no shell: run Lua in it, without shell`;
  return refuse("UNSUPPORTED", message);
}
