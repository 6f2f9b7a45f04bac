/**
 * Requests to the guest agent in a machine, over SSH: the command `bioxen-cell call` reads one request and prints one
 * reply. What the machine answers is external input, and is checked.
 */
import {
  CELL_COMMAND,
  type CellOperation,
  type CellReply,
  type CellRequest,
  EXIT_NO_DAEMON,
  MAX_MESSAGE_BYTES,
  parseReply,
} from "@bioxen/guest-agent/protocol";
import { DriverError } from "@bioxen/vm-driver";
import type { ProgramExit } from "../ssh/run.ts";
import type { OwnVm } from "./inventory.ts";
import { CELL_CALL_MS } from "./limits.ts";
import type { Programs } from "./programs.ts";

/** Exit statuses of a shell for a command that it does not find, or cannot run. */
const NOT_FOUND = [126, 127];
/** What the agent's command says when the request did not reach an agent. */
const NOT_SENT = /ENOENT|ECONNREFUSED|EACCES/;

/** Requests that may be sent again whatever became of the first one. */
const REPEATABLE: readonly CellOperation[] = [
  "status",
  "boot",
  "resize",
  "sample",
  "checkpoint",
  "pause",
  "resume",
  "logs",
];

/** Rejects a request because the machine has no guest agent. */
export class NoGuestAgent extends DriverError {
  constructor(vmId: string) {
    super("UNSUPPORTED", `"${vmId}" has no guest agent: ${CELL_COMMAND} is not installed in its machine`);
  }
}

type RequestOf<Op extends CellOperation> = Extract<CellRequest, { readonly op: Op }>;

export class CellCalls {
  readonly #programs: Pick<Programs, "call">;

  constructor(programs: Pick<Programs, "call">) {
    this.#programs = programs;
  }

  /**
   * Sends a request to the agent in the machine that `target` returns; see {@link Programs.run}. Rejects with the error
   * of the agent, with {@link NoGuestAgent}, or with `UNAVAILABLE`, which is retryable unless the request may have had
   * an effect that a repetition would double.
   */
  async send<Op extends CellOperation>(
    target: () => OwnVm,
    request: RequestOf<Op>,
    withinMs = CELL_CALL_MS,
  ): Promise<CellReply<Op>> {
    const { vmId } = target().tags;
    const { op } = request;
    const call = {
      command: `${CELL_COMMAND} call`,
      input: `${JSON.stringify(request)}\n`,
      maxOutputBytes: MAX_MESSAGE_BYTES + 1,
    };
    const exit = await this.#programs.call(target, call, withinMs).catch((thrown: unknown) => {
      throw repeatable(op, thrown);
    });
    if (exit.exitCode !== 0) throw noAnswer(vmId, op, exit);
    return parseReply(op as Op, exit.stdout.trim());
  }
}

function noAnswer(vmId: string, op: CellOperation, { exitCode, stderr }: ProgramExit): DriverError {
  if (exitCode !== null && NOT_FOUND.includes(exitCode)) return new NoGuestAgent(vmId);
  const why = stderr.trim().split("\n").at(-1) || `exit status ${exitCode}`;
  const isUnsent = exitCode === EXIT_NO_DAEMON && NOT_SENT.test(why);
  const retryable = isUnsent || REPEATABLE.includes(op);
  const details = { vmId, exitCode, ran: isUnsent ? "no" : "unknown" };
  return new DriverError("UNAVAILABLE", `the guest agent of "${vmId}" does not answer: ${why}`, {
    retryable,
    details,
  });
}

/** Returns the error of a lost connection as retryable, if the request may be repeated. */
function repeatable(op: CellOperation, thrown: unknown): unknown {
  if (!(thrown instanceof DriverError) || thrown.code !== "UNAVAILABLE" || thrown.retryable) return thrown;
  const isLost = thrown.details["ran"] === "unknown";
  if (!isLost || !REPEATABLE.includes(op)) return thrown;
  const { message, details } = thrown;
  return new DriverError("UNAVAILABLE", message, { cause: thrown, details, retryable: true });
}
