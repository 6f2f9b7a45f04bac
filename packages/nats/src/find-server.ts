/**
 * Finds the NATS server for a program that was given no address: `BIOXEN_NATS_URL`, or else the local stack. The stack
 * writes a pointer file, and every other process of the user reads it here.
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { stillRuns } from "./process-identity.ts";

/** The running local stack, as its pointer file describes it. */
export interface StackRecord {
  readonly url: string;
  readonly pid: number;
  /** Distinguishes the process from a later one with the same id; see `startOf`. */
  readonly start?: string | undefined;
  readonly serverPid: number | null;
  readonly serverVersion: string;
  readonly dataDir: string;
  readonly durability: "always" | "relaxed";
  readonly startedAtMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Returns the URL of the NATS server; undefined when the environment has no `BIOXEN_NATS_URL` and no local stack runs.
 */
export async function findServer(env: Environment = process.env): Promise<string | undefined> {
  return env["BIOXEN_NATS_URL"] || (await findLocalStack(bioxenHome(env)))?.url;
}

/** Returns the folder of the pointer file: `BIOXEN_HOME`, or else `bioxen` in the XDG data directory. */
export function bioxenHome(env: Environment = process.env): string {
  if (env["BIOXEN_HOME"]) return env["BIOXEN_HOME"];
  return join(env["XDG_DATA_HOME"] || join(homedir(), ".local", "share"), "bioxen");
}

export function stackPointer(home: string): string {
  return join(home, "stack.json");
}

/** Returns the running local stack; undefined when there is none. A pointer to an ended process does not count. */
export async function findLocalStack(home: string = bioxenHome()): Promise<StackRecord | undefined> {
  const record = await readStackRecord(stackPointer(home));
  return record !== undefined && (await stillRuns(record)) ? record : undefined;
}

/** Returns the content of a pointer or lock file; undefined when the file is absent or not JSON. */
export async function readStackRecord(path: string): Promise<StackRecord | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as StackRecord;
  } catch {
    return undefined;
  }
}
