/**
 * A fake that is killed leaves no process and no folder, also when a machine is paused: its agent is stopped by SIGSTOP.
 */
import { type ChildProcess, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { eventually } from "@bioxen/testkit/eventually";
import { expect, it } from "vitest";

const PROGRAM = fileURLToPath(new URL("killed-fake.ts", import.meta.url));

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function begun(child: ChildProcess): Promise<{ pids: readonly number[]; folder: string }> {
  return new Promise((resolve, reject) => {
    child.once("message", (message) => resolve(message as { pids: readonly number[]; folder: string }));
    child.once("exit", (code) => reject(new Error(`the fake ended with code ${code}`)));
  });
}

it.each(["SIGKILL", "SIGTERM"] as const)("%s of a fake ends the agents of its guests", async (signal) => {
  const child = fork(PROGRAM, { execArgv: [] });
  const { pids, folder } = await begun(child);
  expect(pids).toHaveLength(2);
  expect(pids.every(runs)).toBe(true);
  expect(existsSync(folder)).toBe(true);
  child.kill(signal);
  await eventually("every agent has ended", () => !pids.some(runs) || undefined);
  await eventually("the folder is removed", () => !existsSync(folder) || undefined);
});
