/**
 * The `bioxen` command in this process: a tenth of the time of a process of its own, for tests that run it often.
 */
import { vi } from "vitest";
import { runProgram } from "../../packages/cli/src/program.ts";

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Ctrl-C is pressed after its first output: for what follows something. */
  readonly untilFirstOutput?: boolean;
}

/** Commands from here on are of this world's stack, without colours. */
export function atHome({ home }: { readonly home: string }): void {
  vi.stubEnv("BIOXEN_HOME", home);
  vi.stubEnv("NO_COLOR", "1");
}

/** Not for two at once: they would share stdout. */
export async function bioxenHere(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const listenersBefore = new Set(process.listeners("SIGINT"));
  const pressCtrlC = () => {
    for (const one of process.listeners("SIGINT")) if (!listenersBefore.has(one)) one("SIGINT");
  };
  const capture = (into: string[]) => (text: unknown) => {
    into.push(String(text));
    if (options.untilFirstOutput === true && into === stdout) setImmediate(pressCtrlC);
    return true;
  };
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
    process.exitCode = undefined;
    for (const one of process.stdout.listeners("error")) {
      if (!errorListeners.has(one)) process.stdout.off("error", one as () => void);
    }
  }
}
