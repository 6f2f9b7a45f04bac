/** A cell that cannot be computed, and two agents on one state folder. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cell } from "@bioxen/cell-models";
import { driverErrorCode } from "@bioxen/vm-driver";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Daemon } from "../src/daemon.ts";
import { parseReply } from "../src/protocol.ts";
import { replyTo } from "../src/requests.ts";
import { Machine, SPEC } from "./machine.ts";

let dir: string;
const daemons: Daemon[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-daemon-"));
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const daemon of daemons.splice(0)) await daemon.stop();
  await rm(dir, { recursive: true, force: true });
});

function daemonWith(name: string): Daemon {
  const daemon = new Daemon({
    stateDir: join(dir, "state"),
    socket: join(dir, name, "cell.sock"),
    pollMs: 60_000,
    saveMs: 60_000,
    path: "/nonexistent",
    log: () => undefined,
  });
  daemons.push(daemon);
  return daemon;
}

it("a failed cell is in every report with its reason, and a boot for a newer reservation continues it", async () => {
  const daemon = daemonWith("one");
  await daemon.start();
  const ask = (request: object) => replyTo(JSON.stringify(request), daemon);
  const booted = await ask({ op: "boot", spec: { ...SPEC, program: "print('born')" }, timeScale: 1_000 });
  expect(booted).toBe('{"ok":true}');
  expect(daemon.report()).toMatchObject({ state: "running", incarnation: 1, fence: 10, lastLine: 1 });
  vi.spyOn(Cell.prototype, "advance").mockImplementation(() => {
    throw new Error("no step is small enough");
  });
  await vi.waitFor(() => expect(daemon.report().state).toBe("failed"), { timeout: 60_000 });
  const failed = { state: "failed", reason: "no step is small enough", incarnation: 1, fence: 10 };
  const reply = parseReply("logs", await ask({ op: "logs", after: 0 }));
  expect(reply.agent).toMatchObject(failed);
  expect(reply.agent?.startedAtMs).toBe(daemon.report().startedAtMs);
  expect(reply.lines).toEqual([{ seq: 1, line: "born" }]);
  vi.restoreAllMocks();
  await ask({ op: "boot", spec: { ...SPEC, fence: 11 }, timeScale: 1_000 });
  expect(daemon.report()).toMatchObject({ state: "running", fence: 11 });
});

it("a second agent on the same state folder refuses to start, and may once the first has ended", async () => {
  await daemonWith("one").start();
  const second = daemonWith("two");
  await expect(second.start()).rejects.toThrow(/another agent uses the state folder .*state: stop it/);
  await daemons.shift()?.stop();
  await second.start();
});

it("the lock of an agent that was killed is free at once, and a second process ends with code 78", async () => {
  await using machine = await Machine.create();
  await machine.boot();
  const other = await machine.second();
  expect(other).toMatchObject({
    code: 78,
    stderr: expect.stringContaining("another agent uses the state folder"),
  });
  expect(driverErrorCode(await machine.call({ op: "sample" }).catch((thrown: unknown) => thrown))).toBe(
    "GUEST_NOT_FOUND",
  );
  await machine.end("SIGKILL");
  await machine.boot();
});
