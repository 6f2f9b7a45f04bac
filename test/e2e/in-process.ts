/**
 * Runs the `bioxen` command inside the test process. It takes a tenth of the time of a child process.
 */
import { vi } from "vitest";
import { runProgram } from "../../packages/cli/src/run-program.ts";

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Sends Ctrl-C after the first output: for commands that follow something and do not end by themselves. */
  readonly untilFirstOutput?: boolean;
  /** Width of the terminal that stdout and stderr seem to be, in columns. Default: they are no terminal. */
  readonly columns?: number;
}

/** Directs all later commands in this process to the stack of this world, without colours. */
export function useStackOf({ home }: { readonly home: string }): void {
  vi.stubEnv("BIOXEN_HOME", home);
  vi.stubEnv("NO_COLOR", "1");
}

/** Runs one command. Two commands must not run at the same time, because they share stdout and stderr. */
export async function bioxenHere(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const listenersBefore = new Set(process.listeners("SIGINT"));
  const pressCtrlC = () => {
    for (const listener of process.listeners("SIGINT"))
      if (!listenersBefore.has(listener)) listener("SIGINT");
  };
  const capture = (into: string[]) => (text: unknown) => {
    into.push(String(text));
    if (options.untilFirstOutput === true && into === stdout) setImmediate(pressCtrlC);
    return true;
  };
  const restore = [process.stdout, process.stderr].map((stream) => asTerminal(stream, options.columns));
  const out = vi.spyOn(process.stdout, "write").mockImplementation(capture(stdout));
  const err = vi.spyOn(process.stderr, "write").mockImplementation(capture(stderr));
  const errorListeners = new Set(process.stdout.listeners("error"));
  process.exitCode = undefined;
  try {
    await runProgram(["node", "bioxen", ...args]);
    return { code: Number(process.exitCode ?? 0), stdout: stdout.join(""), stderr: stderr.join("") };
  } finally {
    out.mockRestore();
    err.mockRestore();
    for (const one of restore) one();
    process.exitCode = undefined;
    for (const one of process.stdout.listeners("error")) {
      if (!errorListeners.has(one)) process.stdout.off("error", one as () => void);
    }
  }
}

/** Makes the stream a terminal of this width; no terminal without a width. Returns the function that undoes it. */
function asTerminal(stream: NodeJS.WriteStream, columns: number | undefined): () => void {
  const before = Object.getOwnPropertyDescriptors(stream);
  const now = { isTTY: columns !== undefined, columns };
  for (const [name, value] of Object.entries(now)) {
    Object.defineProperty(stream, name, { value, configurable: true, writable: true });
  }
  return () => {
    for (const name of Object.keys(now)) {
      Reflect.deleteProperty(stream, name);
      const own = before[name];
      if (own !== undefined) Object.defineProperty(stream, name, own);
    }
  };
}
