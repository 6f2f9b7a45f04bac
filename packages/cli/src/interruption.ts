/**
 * The request to end a command that owns processes: `up`, `demo`, `fake-xapi`.
 *
 * The cause of a request is a signal, the end of the launcher, or a closed stdout. A request can come at any moment and
 * several times: Ctrl-C on a terminal reaches every process of `npx … pnpm … bioxen up`, and each process passes the
 * signal on. After the first request the command ends its processes. Later signals do not interrupt that work.
 */
import { isStartedByNohup, watchLaunchers } from "@bioxen/local-stack";
import { CommandEnd, EXIT_REFUSED } from "./outcome.ts";
import { closedStdout } from "./stdout-closed.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The reason of the abort signal of an {@link Interruption}. */
export class Interrupted extends Error {
  constructor(cause: string) {
    super(`interrupted: ${cause}`);
    this.name = "Interrupted";
  }
}

/** Returns the error that ends a command with exit code 1 when it was interrupted before its stack was up. */
export function interruptedStart({ message: why }: Interrupted): CommandEnd {
  const message = `${why}: the stack was not up yet, and its processes have ended`;
  return new CommandEnd(EXIT_REFUSED, message, { code: "UNAVAILABLE", message, retryable: true });
}

export interface InterruptionOptions {
  /** True when the command belongs to its launcher and must not outlive it. */
  readonly withLauncher: boolean;
}

export class Interruption {
  readonly #abort = new AbortController();
  readonly #ignoresHangup = isStartedByNohup(process.pid);
  readonly #onSignal = (signal: NodeJS.Signals) => {
    if (signal !== "SIGHUP") return this.request(signal);
    void this.#ignoresHangup.then((ignores) => ignores || this.request(signal));
  };
  readonly #onStderrError = () => undefined;
  readonly #endWatch: () => void;
  /** Resolves at the first request. */
  readonly requested: Promise<void>;

  private constructor({ withLauncher }: InterruptionOptions) {
    this.requested = new Promise((resolve) => {
      this.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    // Without a listener, a diagnostic that is written to a closed terminal would end the process.
    process.stderr.on("error", this.#onStderrError);
    this.#endWatch = withLauncher
      ? watchLaunchers(() => this.request("the program that launched this command has ended"))
      : () => undefined;
  }

  /** Returns an interruption that receives all requests to end this process, until {@link end}. */
  static listen(options: InterruptionOptions): Interruption {
    const interruption = new Interruption(options);
    closedStdout.interrupts = interruption;
    return interruption;
  }

  /** Aborted with an {@link Interrupted} at the first request. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Waits for `work`, but only until the first request; then rejects with {@link Interrupted}. */
  async during<T>(work: Promise<T>): Promise<T> {
    const interrupted = this.requested.then((): never => {
      throw this.signal.reason;
    });
    return Promise.race([work, interrupted]);
  }

  request(cause: string): void {
    if (!this.signal.aborted) this.#abort.abort(new Interrupted(cause));
  }

  /** Stops listening for requests: from now on a signal ends the process at once. */
  end(): void {
    this.#endWatch();
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    process.stderr.off("error", this.#onStderrError);
    if (closedStdout.interrupts === this) closedStdout.interrupts = undefined;
  }
}
