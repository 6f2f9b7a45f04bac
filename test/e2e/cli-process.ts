/**
 * Runs many `bioxen` commands in one child process, because most of the time of a command is the start of its process.
 *
 * Commands run one after the other. Tests of process start, signals, standard input or exit start a separate process
 * instead.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Longest time for one command, ms: a safety net, not a measurement. */
const LIMIT_MS = 300_000;

/** Returns the environment of a user with this `BIOXEN_HOME` and settings of its own. */
export function environmentIn(home: string): NodeJS.ProcessEnv {
  return { ...process.env, BIOXEN_HOME: home, BIOXEN_CONFIG: join(home, "config.yaml"), NO_COLOR: "1" };
}

export class CliProcess {
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** The process starts with the first command, with `env` as its environment. */
  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  /** Runs `bioxen` with `args` after all earlier commands. Rejects when the command ends the process. */
  run(args: readonly string[]): Promise<CommandResult> {
    const result = this.#last.then(() => this.#run(args));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #run(args: readonly string[]): Promise<CommandResult> {
    this.#child ??= fork(new URL("./cli-lines.ts", import.meta.url), {
      env: this.#env,
      execArgv: [],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    const finished = new AbortController();
    const signal = AbortSignal.any([finished.signal, AbortSignal.timeout(LIMIT_MS)]);
    const answered = once(this.#child, "message", { signal });
    const exited = once(this.#child, "exit", { signal }).then(([code]) => {
      this.#child = undefined;
      throw new Error(`bioxen ${args.join(" ")} ended its process with ${code}`);
    });
    this.#child.send({ args });
    try {
      const [result] = await Promise.race([answered, exited]);
      return result as CommandResult;
    } finally {
      finished.abort();
      await Promise.allSettled([answered, exited]);
    }
  }

  end(): void {
    this.#child?.kill();
    this.#child = undefined;
  }
}
