/**
 * Cells in the machines of a fake pool, run by the real guest agent as a process per machine.
 */
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { eventually } from "@bioxen/testkit/eventually";
import type { GuestEvent, GuestSample, VmDriver } from "@bioxen/vm-driver";
import { driverConformance } from "@bioxen/vm-driver/conformance";
import { afterAll, describe, expect, it } from "vitest";
import type { XcpngDriverOptions } from "../src/driver/driver-options.ts";
import { thrownBy } from "./connect.ts";
import { driverOf, machineSpec, sshOf } from "./fleet.ts";
import { withAgents } from "./guest-agent.ts";

/** Longest wait for the agents of a test, ms: each is a process that starts on a busy machine. */
const AGENT_WAIT_MS = 60_000;
/** Time limit of the whole life of a cell, ms: each request starts a process in its machine. */
const LIFE_MS = 300_000;
const MACHINE = { vcpus: 2, memoryMiB: 2_048 };
const FULL = { ribosomes: 503, rnaPolymerases: 187, atpPerSecond: 13_247 };
const TIMEOUT = { timeoutMs: 10_000 };
/** Simulated minutes per second. */
const TIME_SCALE = 60;

const fakes: FakeXapi[] = [];
afterAll(async () => {
  for (const fake of fakes) {
    await eventually("every connection is closed", () => fake.counts().connections === 0 || undefined);
    await fake.close();
    expect(fake.agents?.processes.size, "no agent is left").toBe(0);
  }
});

const cellSpec = (vmId: string, fence: number, more: Parameters<typeof machineSpec>[2] = {}) =>
  machineSpec(vmId, fence, { biologicalType: "syn3a", allocation: { ...MACHINE, ...FULL }, ...more });

async function driverWith(
  agent: Parameters<typeof withAgents>[0] = {},
  options: Partial<XcpngDriverOptions> = {},
) {
  const fake = await createFakeXapi(await withAgents(agent));
  fakes.push(fake);
  const driver = driverOf(fake, {
    ssh: sshOf(fake),
    agentWaitMs: AGENT_WAIT_MS,
    timeScaleMinutesPerSecond: TIME_SCALE,
    ...options,
  });
  await driver.whenReady();
  return { fake, driver };
}

driverConformance("xcpng, with the guest agent", async () => {
  const { driver } = await driverWith();
  const program = { source: "return cell.growth_rate() > 0", result: true };
  return { driver, spec: cellSpec, program };
});

/** Waits for a sample of the VM that `accepts` returns true for. */
function sampled(driver: VmDriver, vmId: string, what: string, accepts: (sample: GuestSample) => boolean) {
  return eventually(what, () => {
    const sample = driver.sample(vmId);
    return sample !== undefined && accepts(sample) ? sample : undefined;
  });
}

const isNear = (value: number | null | undefined, wanted: number): boolean =>
  Math.abs((value ?? 0) - wanted) <= wanted * 0.005;

describe.each([
  ["over xenstore", {}],
  ["without the tools of xenstore", { lacksXenstoreTools: true }],
])("a cell in a machine, %s", (_what, agent) => {
  it("grows, runs programs, is resized, and continues from a snapshot", { timeout: LIFE_MS }, async () => {
    const { fake, driver } = await driverWith(agent);
    try {
      const events: GuestEvent[] = [];
      driver.onGuestEvent((event) => events.push(event));
      await driver.start(cellSpec("x1", 10, { program: "print('born'); state.marker = state.marker or 7" }));
      const born = await sampled(driver, "x1", "it doubles in 105 min", (s) =>
        isNear(s.doublingTimeMinutes, 105),
      );
      expect(born.machine).toMatchObject({ vcpus: 2, agent: { state: "running", model: "weisse" } });
      expect(driver.guestCapabilities?.("x1")).toMatchObject({ cell: true, language: "lua", shell: true });
      expect((await driver.exec("x1", 10, "return state.marker", TIMEOUT)).result).toBe(7);
      expect((await driver.exec("x1", 10, "hostname", { ...TIMEOUT, shell: true })).stdout).toMatch(
        /BioXen x1/,
      );
      await eventually(
        "its program printed",
        () => events.some((event) => event.kind === "log" && event.line === "born") || undefined,
      );
      await driver.resize("x1", 10, { ...MACHINE, ...FULL, ribosomes: 252 });
      await sampled(driver, "x1", "it doubles in 150.4 min", (s) => isNear(s.doublingTimeMinutes, 150.4));
      await driver.exec("x1", 10, "state.marker = 8", TIMEOUT);
      const { snapshots } = driver;
      if (snapshots === undefined) throw new Error("the driver keeps no snapshots");
      const { bytes, simMinutes } = await snapshots.take("x1", 10, "one");
      await driver.exec("x1", 10, "state.marker = 9", TIMEOUT);
      await sampled(driver, "x1", "it lives on", (s) => s.simMinutes > simMinutes + 30);
      await driver.restart({
        ...cellSpec("x1", 10, { allocation: { ...MACHINE, ...FULL, ribosomes: 252 } }),
        checkpoint: bytes,
        restores: 1,
      });
      expect((await driver.exec("x1", 10, "return state.marker", TIMEOUT)).result).toBe(8);
      // The pool restores the report that the machine had written before its snapshot, until the agent writes a new one.
      await sampled(driver, "x1", "it is restored", (s) => s.simMinutes >= simMinutes);
      await driver.pause("x1", 10);
      const paused = driver.sample("x1")?.simMinutes;
      await driver.resume("x1", 10);
      await sampled(driver, "x1", "it lives on after the pause", (s) => s.simMinutes > (paused ?? 0));
      await driver.stop("x1", 10);
      expect(fake.agents?.processes.size).toBe(0);
      await driver.discard("x1", 1);
    } finally {
      await driver.close();
    }
  });
});

describe("a machine", () => {
  it("becomes a cell when its agent reports, although its VM asks for none", async () => {
    const { driver } = await driverWith();
    try {
      await driver.start(machineSpec("x1", 10, { biologicalType: "syn3a" }));
      await sampled(driver, "x1", "it is a cell", (s) => isNear(s.doublingTimeMinutes, 105));
    } finally {
      await driver.close();
    }
  });

  it("without SSH gets new resources of its cell at its next start, and its log says so", {
    timeout: LIFE_MS,
  }, async () => {
    const { driver } = await driverWith({}, { ssh: undefined });
    try {
      const lines: string[] = [];
      driver.onGuestEvent((event) => event.kind === "log" && lines.push(event.line));
      const half = { ...MACHINE, ...FULL, ribosomes: 252 };
      await driver.start(cellSpec("x1", 10));
      await sampled(driver, "x1", "it doubles in 105 min", (s) => isNear(s.doublingTimeMinutes, 105));
      await driver.resize("x1", 10, half);
      expect(lines).toEqual([
        expect.stringMatching(
          /^the cell has not got its new resources: SSH into its machine is not configured\. They act from the next start on/,
        ),
      ]);
      const { simMinutes = 0 } = driver.sample("x1") ?? {};
      const later = await sampled(driver, "x1", "it lives on", (s) => s.simMinutes > simMinutes + 10);
      expect(isNear(later.doublingTimeMinutes, 105), "it still has all its ribosomes").toBe(true);
      await driver.stop("x1", 10);
      await driver.start(cellSpec("x1", 11, { allocation: half }));
      await sampled(driver, "x1", "it doubles in 150.4 min", (s) => isNear(s.doublingTimeMinutes, 150.4));
      expect(lines).toHaveLength(1);
    } finally {
      await driver.close();
    }
  });

  it("without an agent rejects what needs one, with the remedy, and leaves nothing behind", async () => {
    const fake = await createFakeXapi({ guestSsh: {} });
    const driver = driverOf(fake, { ssh: sshOf(fake), agentWaitMs: 200 });
    try {
      await driver.whenReady();
      const before = fake.counts();
      for (const more of [
        { allocation: { ...MACHINE, ribosomes: 252 } },
        { program: "return 1" },
        { environment: { nutrientQuality: 0.5 } },
      ]) {
        const error = await thrownBy(driver.start(machineSpec("x1", 10, more)));
        expect(error).toMatchObject({ code: "UNSUPPORTED" });
        expect(error.message).toMatch(/needs a cell.*no guest agent.*install bioxen-cell/);
        expect(driver.list()).toEqual([]);
      }
      await eventually("nothing is left", () => fake.counts().vms === before.vms || undefined);
      expect(fake.counts().vdis).toBe(before.vdis);
      await driver.start(machineSpec("x1", 11));
      expect(await driver.exec("x1", 11, "echo shell", TIMEOUT)).toMatchObject({ stdout: "shell\n" });
      expect(driver.sample("x1")?.machine?.agent).toBeNull();
      expect(driver.sample("x1")).not.toHaveProperty("growthRatePerMinute");
    } finally {
      await driver.close();
      await fake.close();
    }
  });
});
