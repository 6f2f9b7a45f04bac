/**
 * Cells that fail in their machines are failed guests, and cells that print nothing are not called.
 */
import { setTimeout as delay } from "node:timers/promises";
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { AGENT_KEY } from "@bioxen/guest-agent/protocol";
import { eventually as within } from "@bioxen/testkit/eventually";
import type { GuestEvent } from "@bioxen/vm-driver";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { XcpngDriver } from "../src/driver/driver-options.ts";
import { driverOf, machineSpec, sshOf } from "./fleet.ts";
import { ScriptedAgent } from "./guest-agent.ts";

/** Longest wait for a process of a test, ms: on a busy machine, each starts slowly. */
const AGENT_WAIT_MS = 180_000;
const TIMEOUT_MS = 600_000;
const POLL_MS = 200;
const TIMEOUT = { timeoutMs: 10_000 };
const AGENT = { version: "0.2.0", protocol: 1, model: "weisse" };
const FAILED = { ...AGENT, state: "failed", reason: "no step is small enough", incarnation: 1, fence: 10 };
const WORDS = "the cell in its machine failed: no step is small enough";

const eventually = <T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> =>
  within(what, look, AGENT_WAIT_MS);

let agent: ScriptedAgent;
let fake: FakeXapi | undefined;
let driver: XcpngDriver;
let events: GuestEvent[];

beforeEach(async () => {
  agent = await ScriptedAgent.create();
  events = [];
});
afterEach(async () => {
  await driver.close();
  await fake?.close();
  agent.remove();
});

async function begin(lacksXenstoreTools = false): Promise<FakeXapi> {
  const made = await createFakeXapi(agent.options({ lacksXenstoreTools }));
  fake = made;
  driver = driverOf(made, { ssh: sshOf(made), agentWaitMs: AGENT_WAIT_MS, cellPollMs: POLL_MS });
  driver.onGuestEvent((event) => events.push(event));
  await driver.whenReady();
  return made;
}

const spec = (fence: number, program = "state.n = (state.n or 0) + 1") =>
  machineSpec("x1", fence, { biologicalType: "syn3a", program, config: { shutdown: "hard" } });
const failures = () => events.filter(({ kind }) => kind === "failed");

/** Replaces the report of the machine's agent in xenstore. The agent itself stands still, and writes no other one. */
function reports({ agents }: FakeXapi, report: string): void {
  const [[vm, pid] = ["", 0]] = [...(agents?.processes ?? [])];
  process.kill(pid, "SIGSTOP");
  agents?.writeXenstore(vm, AGENT_KEY, report);
}

const xenstoreOf = ({ pool }: FakeXapi): Record<string, string> =>
  pool.db
    .all("VM")
    .find(([, vm]) => vm["power_state"] === "Running" && vm["is_control_domain"] !== true)?.[1][
    "xenstore_data"
  ] as Record<string, string>;

it("a cell that fails is a failed guest with the reason, once; the next start continues it", {
  timeout: TIMEOUT_MS,
}, async () => {
  const pool = await begin();
  await driver.start(spec(10));
  // Neither a report that is no report, nor one of an earlier reservation, says that this cell has failed.
  for (const other of ["{", JSON.stringify({ ...FAILED, fence: 9 })]) {
    reports(pool, other);
    await eventually(
      "it is read",
      () => driver.sample("x1")?.machine?.agent?.state === "failed" || undefined,
    );
    expect(driver.guest?.("x1")?.state).toBe("running");
  }
  reports(pool, JSON.stringify(FAILED));
  await eventually("the guest has failed", () => driver.guest?.("x1")?.state === "failed" || undefined);
  expect(driver.guest?.("x1")).toEqual({
    vmId: "x1",
    fence: 10,
    restores: 0,
    state: "failed",
    reason: WORDS,
  });
  expect(failures()).toEqual([{ kind: "failed", vmId: "x1", fence: 10, reason: WORDS }]);
  for (const call of [
    () => driver.exec("x1", 10, "return 1", TIMEOUT),
    () => driver.pause("x1", 10),
    () => driver.resize("x1", 10, { vcpus: 2, memoryMiB: 2_048 }),
  ]) {
    await expect(call()).rejects.toMatchObject({ code: "INVALID_STATE" });
  }
  reports(pool, JSON.stringify({ ...FAILED, state: "running" }));
  await delay(2 * POLL_MS);
  expect(driver.guest?.("x1")?.state, "it stays failed until it is stopped").toBe("failed");
  await driver.stop("x1", 10);
  expect(driver.list()).toEqual([]);
  await driver.start(spec(11));
  expect(driver.guest?.("x1")?.state).toBe("running");
  // The program runs again when the stored cell continues, and when the newer reservation takes it over.
  const { result } = await driver.exec("x1", 11, "return state.n", TIMEOUT);
  expect(result, "the stored cell lives on").toBeGreaterThan(1);
});

it("a cell fails also where the machine has no tools of xenstore", { timeout: TIMEOUT_MS }, async () => {
  await begin(true);
  await driver.start(spec(10));
  expect(driver.guest?.("x1")?.state).toBe("running");
  agent.answer({ ok: true, lines: [], next: 0, agent: FAILED });
  await eventually("the guest has failed", () => driver.guest?.("x1")?.state === "failed" || undefined);
  expect(failures()).toEqual([{ kind: "failed", vmId: "x1", fence: 10, reason: WORDS }]);
});

it("a program that fails at its start fails the start with its error", { timeout: TIMEOUT_MS }, async () => {
  await begin();
  await expect(driver.start(spec(10, "error('no medium')"))).rejects.toMatchObject({
    code: "GUEST_ERROR",
    message: expect.stringContaining("no medium"),
  });
  expect(driver.list()).toEqual([]);
});

it("a cell that prints nothing is not called, and a printed line arrives", {
  timeout: TIMEOUT_MS,
}, async () => {
  const pool = await begin();
  await driver.start(spec(10, "print('born')"));
  const lines = () => events.flatMap((event) => (event.kind === "log" ? [event.line] : []));
  await eventually("the first line is there", () => lines().includes("born") || undefined);
  await eventually("the agent has reported it", () => {
    const report = JSON.parse(xenstoreOf(pool)[AGENT_KEY] ?? "{}") as { lastLine?: number };
    return report.lastLine === 1 || undefined;
  });
  // A look may have begun before. From then on no call begins in the time of many looks.
  let [calls, sinceMs] = [agent.calls, Date.now()];
  await eventually("the agent is left alone", () => {
    const now = agent.calls;
    if (now.begun !== calls.begun || now.begun !== now.ended) [calls, sinceMs] = [now, Date.now()];
    return Date.now() - sinceMs > 20 * POLL_MS || undefined;
  });
  await driver.exec("x1", 10, "print('again')", TIMEOUT);
  await eventually("the second line is there", () => lines().includes("again") || undefined);
  expect(lines()).toEqual(["born", "again"]);
});

it("a report from before the delivery of the program does not take the cell away", {
  timeout: TIMEOUT_MS,
}, async () => {
  const pool = await begin();
  await driver.start(spec(10));
  reports(pool, JSON.stringify({ ...AGENT, state: "waiting", reason: "waiting for the request boot" }));
  await eventually("it is in the pool", () => xenstoreOf(pool)[AGENT_KEY]?.includes("waiting") || undefined);
  await delay(5 * POLL_MS);
  expect(driver.sample("x1")?.machine?.agent?.state).toBe("running");
  expect(driver.guestCapabilities?.("x1")?.language).toBe("lua");
});
