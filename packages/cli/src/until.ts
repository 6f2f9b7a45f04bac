/** Resolves at the first SIGINT (Ctrl-C) or SIGTERM, or when the program that reads stdout closes the pipe. */
export function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
    process.stdout.once("error", () => resolve());
  });
}
