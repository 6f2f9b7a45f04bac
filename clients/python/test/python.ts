/**
 * Runs Python programs with the client of this folder.
 *
 * The system's own Python comes first: the client must run with the one that Debian installs. On a machine without
 * Python the tests are skipped with a message; under CI they fail.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { eventually } from "@bioxen/testkit/eventually";
import { expect, it } from "vitest";

/** The folder of `bioxen.py`. */
export const CLIENT = fileURLToPath(new URL("..", import.meta.url));

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Path of Python; undefined when it is not installed. */
export const PYTHON: string | undefined = [
  "/usr/bin",
  "/usr/local/bin",
  ...(process.env["PATH"] ?? "").split(delimiter),
]
  .map((folder) => join(folder, "python3"))
  .find(isExecutable);

const why = "python3 is not installed: the tests of the Python client are skipped";

/** Adds a test that fails under CI when Python is not installed. Call it once in each file of tests. */
export function requirePythonUnderCi(): void {
  if (PYTHON === undefined) console.warn(why);
  it("python3 is installed under CI", () => {
    if (process.env["CI"]) expect(PYTHON, why).toBeDefined();
  });
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Returns the environment of a Python program: `own`, and no settings of a connection from elsewhere. */
function environmentOf(own: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith("BIOXEN_"));
  return {
    ...Object.fromEntries(others),
    PYTHONPATH: CLIENT,
    PYTHONDONTWRITEBYTECODE: "1",
    PYTHONUNBUFFERED: "1",
    // Warnings, such as of a socket that was not closed, are errors of the program.
    PYTHONWARNINGS: "error",
    BIOXEN_HOME: "/nonexistent",
    ...own,
  };
}

/** Runs Python to its end. Never throws. */
export function runPython(
  args: readonly string[],
  own: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { env: environmentOf(own), cwd: CLIENT, maxBuffer: 2 ** 26 };
    execFile(PYTHON ?? "python3", ["-X", "dev", ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

/** A Python program that runs beside the test: it prints one JSON document per line. */
export class PythonProgram {
  readonly lines: unknown[] = [];
  stderr = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;

  constructor(args: readonly string[], own: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(PYTHON ?? "python3", ["-X", "dev", ...args], {
      env: environmentOf(own),
      cwd: CLIENT,
      stdio: ["pipe", "pipe", "pipe"],
    });
    const { stdout, stderr } = this.#child;
    if (stdout !== null) {
      createInterface({ input: stdout }).on("line", (line) => this.lines.push(JSON.parse(line)));
    }
    stderr?.on("data", (chunk) => {
      this.stderr += chunk;
    });
    this.#ended = new Promise((resolve) => this.#child.once("close", (code) => resolve(code ?? -1)));
  }

  /** Resolves with the first `count` lines. Throws when the program ends before. */
  async first(count: number): Promise<readonly unknown[]> {
    let isOver = false;
    void this.#ended.then(() => {
      isOver = true;
    });
    return eventually(`${count} lines of the program`, () => {
      if (this.lines.length >= count) return this.lines.slice(0, count);
      if (isOver) throw new Error(`the program ended after ${this.lines.length} lines: ${this.stderr}`);
      return undefined;
    });
  }

  /** Sends a line to the program. */
  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Resolves with the exit code. */
  ended(): Promise<number> {
    return this.#ended;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
