/**
 * The request to end this process, and the closing of the process' parts, such as its connections.
 *
 * A request can come in any phase. During the boot of a service, the request interrupts the present step, so that a
 * server that does not answer cannot delay the end. The parts that are open by then are closed, and no part is opened.
 */

/** Longest wait for the handlers and effects in flight when a process ends, ms; then the process exits anyway. */
export const DRAIN_DEADLINE_MS = 4_000;

const END_SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** Thrown by {@link ProcessEnd.during} when the process is asked to end. */
export class EndRequested extends Error {
  constructor(cause: string) {
    super(`the process was asked to end: ${cause}`);
    this.name = "EndRequested";
  }
}

export class ProcessEnd {
  /** Resolves with the cause when a signal, or the loss of the parent process, asks this process to end. */
  readonly requested: Promise<string>;
  readonly #closers: (() => unknown)[] = [];
  readonly #request: (cause: string) => void;
  #cause: string | undefined;
  #exitCode = 0;

  constructor() {
    let resolveRequest: (cause: string) => void = () => undefined;
    this.requested = new Promise((resolve) => {
      resolveRequest = resolve;
    });
    const request = (cause: string) => {
      this.#cause ??= cause;
      resolveRequest(cause);
    };
    this.#request = request;
    for (const signal of END_SIGNALS) process.on(signal, () => request(signal));
    process.on("disconnect", () => request("the parent process has ended"));
    // The channel to the parent may have closed before this listener for `disconnect` was added.
    if (process.send !== undefined && !process.connected) request("the parent process has ended");
  }

  /** Asks this process to end with exit code 1: its supervisor then restarts it. */
  fail(cause: string): void {
    if (this.#cause === undefined) this.#exitCode = 1;
    this.#request(cause);
  }

  get isRequested(): boolean {
    return this.#cause !== undefined;
  }

  /** Waits for one step of the boot and returns its result. Throws {@link EndRequested} once an end is requested. */
  async during<T>(step: Promise<T> | T): Promise<T> {
    const interrupted = this.requested.then((cause): never => {
      throw new EndRequested(cause);
    });
    const result = await Promise.race([step, interrupted]);
    if (this.#cause !== undefined) throw new EndRequested(this.#cause);
    return result;
  }

  /** Adds a part to close when the process ends. Parts are closed one by one, the newest first. */
  closes(closer: () => unknown): void {
    this.#closers.push(closer);
  }

  /**
   * Closes all parts, then exits with code 0, or with code 1 after {@link fail}. Exits with code 1 also after
   * {@link DRAIN_DEADLINE_MS}, and when a part fails to close.
   */
  async exit(): Promise<never> {
    setTimeout(() => process.exit(1), DRAIN_DEADLINE_MS).unref();
    for (const close of this.#closers.splice(0).reverse()) await close();
    process.exit(this.#exitCode);
  }
}
