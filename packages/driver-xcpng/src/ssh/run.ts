/**
 * Runs one program over an open connection. There are four outcomes: the program exits with a status; the machine ends
 * it at its deadline; it is not started, so nothing is run; or its outcome is unknown, because no report arrives.
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

export interface ProgramExit {
  /**
   * Exit status in the form of a shell: 128 + n when signal n ended the program. null when the deadline ended the
   * program.
   */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The part of a connection that a program needs. */
export interface ProgramConnection {
  readonly machine: Machine;
  readonly ended: string | undefined;
  onEnd(listener: () => void): () => void;
}

export interface RunLimits {
  /** Deadline of the program, enforced in the machine, ms. */
  readonly timeoutMs: number;
  /** Time within which the machine must accept the program, ms. */
  readonly beginWithinMs: number;
  /** Time within which the machine must report an outcome, ms; without a report in that time the outcome is unknown. */
  readonly answerWithinMs: number;
}

/** Runs `source` and resolves with its exit. Rejects with the errors of `failures.ts`. */
export async function runOn(
  client: Client,
  connection: ProgramConnection,
  source: string,
  limits: RunLimits,
): Promise<ProgramExit> {
  const mark = randomBytes(16).toString("hex");
  const command = remoteCommand(limits.timeoutMs, mark);
  return callOn(client, connection, { command, input: `${source}${mark}` }, limits);
}

/** A command of the machine, and what it reads on its standard input. */
export interface RemoteCall {
  readonly command: string;
  readonly input: string;
  /** Maximum size of the standard output, bytes; default `MAX_OUTPUT_BYTES`. The excess is dropped. */
  readonly maxOutputBytes?: number | undefined;
}

/**
 * Runs a command without a supervisor: the command itself ends in time. Resolves and rejects as {@link runOn}.
 */
export async function callOn(
  client: Client,
  connection: ProgramConnection,
  { command, input, maxOutputBytes }: RemoteCall,
  { beginWithinMs, answerWithinMs }: Omit<RunLimits, "timeoutMs">,
): Promise<ProgramExit> {
  const answerBy = performance.now() + answerWithinMs;
  const { outcome } = await begin(client, connection, command, beginWithinMs, (channel) => {
    const ended = untilEnded(channel, connection, answerBy, maxOutputBytes);
    channel.end(input);
    return ended;
  });
  return outcome;
}

/** The outcome of an accepted command, in an object: a promise of it would wait for the outcome. */
interface Accepted {
  readonly outcome: Promise<ProgramExit>;
}

/**
 * Opens a channel and waits until the machine has accepted the command. `follow` is called in the same turn: one packet
 * of the network can bring the acceptance, the exit status and the end of a short program, and ssh2 emits them all
 * before a promise continues. A channel that opens after the wait has ended is closed.
 */
async function begin(
  client: Client,
  connection: ProgramConnection,
  command: string,
  withinMs: number,
  follow: (channel: ClientChannel) => Promise<ProgramExit>,
): Promise<Accepted> {
  const { promise, resolve, reject } = Promise.withResolvers<Accepted>();
  let isOver = false;
  const fail = (why: string, cause?: unknown): void => {
    isOver = true;
    reject(unreachable(connection.machine, why, cause));
  };
  const timer = setTimeout(() => fail(`it accepted no program within ${withinMs} ms`), withinMs);
  const forget = connection.onEnd(() => fail(connection.ended ?? LOST));
  try {
    if (connection.ended !== undefined) throw new Error(connection.ended);
    client.exec(command, (error, channel) => {
      if (isOver) channel?.close();
      else if (error) fail(`it rejects programs: ${error.message}`, error);
      else resolve({ outcome: follow(channel) });
    });
  } catch (thrown) {
    fail(messageOf(thrown), thrown);
  }
  return promise.finally(() => {
    clearTimeout(timer);
    forget();
  });
}

function untilEnded(
  channel: ClientChannel,
  connection: ProgramConnection,
  answerBy: number,
  maxOutputBytes: number | undefined,
): Promise<ProgramExit> {
  const stdout = new BoundedOutput(maxOutputBytes);
  const stderr = new BoundedOutput();
  const output = () => ({ stdout: stdout.text(), stderr: stderr.text() });
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
      if (signal === NOT_RUN) reject(notRun(connection.machine));
      else if (signal === TIMED_OUT || exitCode !== null) resolve({ exitCode, ...output() });
      else {
        const cause = signal === null ? why : `the supervisor was ended by signal ${signal}`;
        reject(outcomeUnknown(connection.machine, cause, output()));
      }
    };
    const late = "no report arrived at or after the deadline";
    const deadline = setTimeout(() => finish(late), Math.max(0, answerBy - performance.now()));
    const restartDrain = (): void => {
      if (exit === undefined) return;
      clearTimeout(draining);
      draining = setTimeout(() => finish("the program ended"), DRAIN_MS);
    };
    channel.on("data", (data: Buffer) => {
      stdout.add(data);
      restartDrain();
    });
    channel.stderr.on("data", (data: Buffer) => {
      stderr.add(data);
      restartDrain();
    });
    channel.on("exit", (code: number | null, signal?: string) => {
      exit = { code, signal: signal ?? null };
      restartDrain();
    });
    // A channel fails when its connection fails, and the connection reports the reason.
    channel.on("error", () => undefined);
    channel.on("close", () => finish("the channel was closed"));
    const forget = connection.onEnd(() => finish(connection.ended ?? LOST));
  });
}

/**
 * Returns the `GUEST_TIMEOUT` or `GUEST_ERROR` error for a failed program, with its output; undefined for exit status
 * 0.
 */
export function failureOf(vmId: string, exit: ProgramExit, timeoutMs: number): DriverError | undefined {
  const { exitCode, stdout, stderr } = exit;
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
