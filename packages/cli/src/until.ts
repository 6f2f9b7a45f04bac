const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Resolves at the first SIGINT (Ctrl-C), SIGTERM or SIGHUP, or when the program that reads stdout closes the pipe. Only
 * commands that own no process use this function. Commands that own processes use {@link Interruption}
 * (interruption.ts).
 */
export function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of SIGNALS) process.once(signal, () => resolve());
    process.stdout.once("error", () => resolve());
  });
}
