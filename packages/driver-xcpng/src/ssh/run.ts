/**
 * One program on an open connection, from its first byte to its outcome. It ends in one of four ways: with an exit status; by its
 * deadline, which the machine holds; not begun, and then nothing was run; or unheard of, and then nobody knows.
 */
import { randomBytes } from "node:crypto";
import { messageOf } from "@bioxen/kernel";
import { DriverError } from "@bioxen/vm-driver";
import type { Client, ClientChannel } from "ssh2";
import { BoundedOutput } from "./bounded-output.ts";
import { type Machine, notRun, outcomeUnknown, unreachable } from "./failures.ts";
import { DRAIN_MS } from "./limits.ts";
import { NOT_RUN, remoteCommand, TIMED_OUT } from "./remote-shell.ts";

const LOST = "the connection was lost";

export interface Ran {
  /** As a shell has it: above 128, by the signal of the rest. null: it was ended at its deadline. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The connection, as far as a program on it cares. */
export interface Line {
  readonly machine: Machine;
  readonly ended: string | undefined;
  onEnd(listener: () => void): () => void;
}

export interface RunLimits {
  /** Of the program, held in the machine. */
  readonly timeoutMs: number;
  readonly beginWithinMs: number;
  /** When there is no word by then, nobody knows. */
  readonly answerWithinMs: number;
}

export async function runOn(client: Client, line: Line, source: string, limits: RunLimits): Promise<Ran> {
  const answerBy = performance.now() + limits.answerWithinMs;
  const mark = randomBytes(16).toString("hex");
  const channel = await begin(client, line, remoteCommand(limits.timeoutMs, mark), limits.beginWithinMs);
  const outcome = ended(channel, line, answerBy);
  channel.end(`${source}${mark}`);
  return outcome;
}

/** A channel on which the command was accepted. */
async function begin(client: Client, line: Line, command: string, withinMs: number): Promise<ClientChannel> {
  const { promise, resolve, reject } = Promise.withResolvers<ClientChannel>();
  const fail = (why: string, cause?: unknown): void => reject(unreachable(line.machine, why, cause));
  const timer = setTimeout(() => fail(`it took no program within ${withinMs} ms`), withinMs);
  const forget = line.onEnd(() => fail(line.ended ?? LOST));
  try {
    if (line.ended !== undefined) throw new Error(line.ended);
    client.exec(command, (error, channel) => {
      if (error) fail(`it takes no program: ${error.message}`, error);
      else resolve(channel);
    });
  } catch (thrown) {
    fail(messageOf(thrown), thrown);
  }
  return promise.finally(() => {
    clearTimeout(timer);
    forget();
  });
}

function ended(channel: ClientChannel, line: Line, answerBy: number): Promise<Ran> {
  const stdout = new BoundedOutput();
  const stderr = new BoundedOutput();
  const said = () => ({ stdout: stdout.text(), stderr: stderr.text() });
  return new Promise((resolve, reject) => {
    let exit: { readonly code: number | null; readonly signal: string | null } | undefined;
    let draining: NodeJS.Timeout | undefined;
    const finish = (why: string): void => {
      clearTimeout(deadline);
      clearTimeout(draining);
      forget();
      channel.close();
      const signal = exit?.signal?.replace(/^SIG/, "") ?? null;
      const exitCode = exit?.code ?? null;
      if (signal === NOT_RUN) reject(notRun(line.machine));
      else if (signal === TIMED_OUT || exitCode !== null) resolve({ exitCode, ...said() });
      else {
        const what = signal === null ? why : `what watched over it was ended by signal ${signal}`;
        reject(outcomeUnknown(line.machine, what, said()));
      }
    };
    const late = "no word came of its end, at its deadline or after,";
    const deadline = setTimeout(() => finish(late), Math.max(0, answerBy - performance.now()));
    const heard = (): void => {
      if (exit === undefined) return;
      clearTimeout(draining);
      draining = setTimeout(() => finish("it ended"), DRAIN_MS);
    };
    channel.on("data", (data: Buffer) => {
      stdout.add(data);
      heard();
    });
    channel.stderr.on("data", (data: Buffer) => {
      stderr.add(data);
      heard();
    });
    channel.on("exit", (code: number | null, signal?: string) => {
      exit = { code, signal: signal ?? null };
      heard();
    });
    // Of a channel whose connection is gone: the connection says why.
    channel.on("error", () => undefined);
    channel.on("close", () => finish("its channel was closed"));
    const forget = line.onEnd(() => finish(line.ended ?? LOST));
  });
}

/** What a program that failed is told as: `GUEST_TIMEOUT` or `GUEST_ERROR`, with all it said. */
export function failureOf(vmId: string, ran: Ran, timeoutMs: number): DriverError | undefined {
  const { exitCode, stdout, stderr } = ran;
  if (exitCode === 0) return undefined;
  const details = { exitCode, stdout, stderr };
  if (exitCode === null) {
    const message = `the program in "${vmId}" took longer than ${timeoutMs} ms and was ended`;
    return new DriverError("GUEST_TIMEOUT", message, { details });
  }
  const [last] = stderr.trim().split("\n").slice(-1);
  const message = `the program in "${vmId}" ended with exit status ${exitCode}${last ? `: ${last}` : ""}`;
  return new DriverError("GUEST_ERROR", message, { details });
}
