/**
 * Machines whose start needs a cell, and whose driver was killed after the machine came up and before its cell lived: the
 * machine does not count as started, and the next driver completes the start.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import { DriverError } from "@bioxen/vm-driver";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { XcpngDriver } from "../src/driver/driver-options.ts";
import { driverOf, machineSpec, ownerOf, sshOf } from "./fleet.ts";
import { ScriptedAgent } from "./guest-agent.ts";
import type { Order } from "./killable-driver.ts";

const PROGRAM = fileURLToPath(new URL("killable-driver.ts", import.meta.url));
/** Longest wait for a process of a test, ms: on a busy machine, each starts slowly. */
const AGENT_WAIT_MS = 180_000;
const TIMEOUT_MS = 600_000;
/** Each run of the program counts itself. */
const ORDER: Order = {
  vmId: "x1",
  fence: 10,
  verb: "start",
  program: "state.runs = (state.runs or 0) + 1",
};
const SPEC = machineSpec("x1", 10, { config: { shutdown: "hard" }, program: ORDER.program });

let agent: ScriptedAgent;
let fake: FakeXapi;
let killed: ChildProcess | undefined;
const drivers: XcpngDriver[] = [];

beforeEach(async () => {
  agent = await ScriptedAgent.create();
  agent.hold();
  fake = await createFakeXapi(agent.options());
});
afterEach(async () => {
  killed?.kill("SIGKILL");
  for (const driver of drivers.splice(0)) await driver.close();
  await fake.close();
  agent.remove();
});

function machine() {
  const found = fake.pool.db.all("VM").find(([, vm]) => {
    return (vm["other_config"] as Record<string, string>)["bioxen:vm-id"] === "x1";
  });
  if (found === undefined) return undefined;
  const [ref, { power_state: state, domid, other_config }] = found;
  return { ref, state, domid, config: other_config as Record<string, string> };
}

/** Starts the machine by a process, and kills the process once the machine runs. Its guest agent does not answer yet. */
async function startIsCut(): Promise<void> {
  const { url, fingerprint, password, ssh } = fake;
  const env = {
    ...process.env,
    BIOXEN_XCPNG_URL: url,
    BIOXEN_XCPNG_FINGERPRINT: fingerprint,
    BIOXEN_XCPNG_PASSWORD: password,
    BIOXEN_XCPNG_SSH_USER: ssh?.username,
    BIOXEN_XCPNG_SSH_PASSWORD: ssh?.password,
    BIOXEN_XCPNG_SSH_PORT: String(ssh?.port),
  };
  killed = fork(PROGRAM, { env, execArgv: [] });
  killed.send(ORDER);
  await eventually("the machine runs", () => machine()?.state === "Running" || undefined, AGENT_WAIT_MS);
  const ended = once(killed, "exit");
  killed.kill("SIGKILL");
  await ended;
}

async function nextDriver(): Promise<XcpngDriver> {
  const driver = driverOf(fake, { ssh: sshOf(fake), owner: ownerOf("killable"), agentWaitMs: AGENT_WAIT_MS });
  drivers.push(driver);
  await driver.whenReady();
  return driver;
}

/** The driver may still know the report of the agent from before its cell lived: that is refused as retryable. */
const runsOf = (driver: XcpngDriver) =>
  eventually("the cell takes a program", async () => {
    try {
      return (await driver.exec("x1", 10, "return state.runs", { timeoutMs: 10_000 })).result;
    } catch (thrown) {
      if (thrown instanceof DriverError && thrown.retryable) return undefined;
      throw thrown;
    }
  });

describe("a machine whose driver died before its cell lived", () => {
  it("is unfinished, and the next driver delivers the program", { timeout: TIMEOUT_MS }, async () => {
    await startIsCut();
    const before = machine();
    expect(before?.config["bioxen:cell"]).toBe("due");
    const driver = await nextDriver();
    expect(driver.guest?.("x1")).toMatchObject({ fence: 10, state: "running", unfinished: true });
    let isStarted = false;
    const started = driver.start(SPEC).then(() => {
      isStarted = true;
    });
    await delay(1_000);
    expect(isStarted, "it does not count as started without its cell").toBe(false);
    agent.release();
    await started;
    expect(await runsOf(driver)).toBe(1);
    expect(driver.guest?.("x1")).not.toHaveProperty("unfinished");
    expect(machine(), "it is the same run of the machine").toMatchObject({ domid: before?.domid });
    expect(machine()?.config).not.toHaveProperty("bioxen:cell");
    await driver.start(SPEC);
    expect(await runsOf(driver)).toBe(1);
  });

  it("keeps its cell if that lived already: the program does not run again", {
    timeout: TIMEOUT_MS,
  }, async () => {
    agent.release();
    const first = await nextDriver();
    await first.start(SPEC);
    expect(await runsOf(first)).toBe(1);
    await first.close();
    // A driver that dies between the answer of the cell and its note in the pool leaves this.
    await fake.outside("VM.add_to_other_config", machine()?.ref, "bioxen:cell", "due");
    const next = await nextDriver();
    expect(next.guest?.("x1")).toMatchObject({ unfinished: true });
    await next.start(SPEC);
    expect(await runsOf(next)).toBe(1);
    expect(next.guest?.("x1")).not.toHaveProperty("unfinished");
  });

  it("is halted by a stop, and by a start for a newer reservation", { timeout: TIMEOUT_MS }, async () => {
    await startIsCut();
    const driver = await nextDriver();
    const before = machine()?.domid;
    agent.release();
    await driver.start({ ...SPEC, fence: 11 });
    expect(machine()?.domid).not.toBe(before);
    expect(driver.guest?.("x1")).toEqual({ vmId: "x1", fence: 11, restores: 0, state: "running" });
    await fake.outside("VM.add_to_other_config", machine()?.ref, "bioxen:cell", "due");
    await eventually("it is unfinished", () => driver.guest?.("x1")?.unfinished);
    await driver.stop("x1", 11);
    expect(machine()?.state).toBe("Halted");
    expect(driver.guest?.("x1")).toBeUndefined();
  });
});
