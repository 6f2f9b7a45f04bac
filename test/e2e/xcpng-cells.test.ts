/**
 * One life of a cell, the same on both infrastructures: by itself (`basic`), and in a machine of a pool that runs the
 * guest agent (`xcpng`). The pool is the fake, each guest agent is a real process, everything else is the real stack.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withAgents } from "../../packages/driver-xcpng/test/guest-agent.ts";
import { eventually, type Json, World } from "./world.ts";
import { sshSettingsOf } from "./xcpng-programs.ts";

const PASSWORD = "only-the-agent-may-know";
/** Time limit of one life, ms: on a busy machine, every command is slow. */
const TIMEOUT_MS = 300_000;
/** Largest deviation of a doubling time from the contract's, as a share. */
const TOLERANCE = 0.005;
const PROGRAM = "state.marker = state.marker or 'born'";

let fake: FakeXapi;
let world: World;
let folder: string;
let settings: Readonly<Record<string, string | undefined>>;

beforeAll(async () => {
  fake = await createFakeXapi({ password: PASSWORD, ...(await withAgents()) });
  settings = { BIOXEN_XCPNG_PASSWORD: PASSWORD, ...sshSettingsOf(fake) };
  Object.assign(process.env, settings);
  world = await World.open({
    chassis: "ecoli:1",
    xcpng: { url: fake.url, fingerprint: fake.fingerprint },
  });
  folder = mkdtempSync(join(tmpdir(), "xcpng-cells-"));
}, TIMEOUT_MS);
afterAll(async () => {
  await world.close();
  for (const name of Object.keys(settings)) delete process.env[name];
  await fake.close();
  rmSync(folder, { recursive: true });
});

/** Waits for a sample of the VM with this doubling time, minutes. */
function doubling(vmId: string, minutes: number): Promise<Json> {
  return eventually(`${vmId} doubles in ${minutes} min`, async () => {
    const { sample } = await world.done("qry.monitor.vm", { vmId });
    const measured = sample?.doublingTimeMinutes ?? 0;
    return Math.abs(measured - minutes) <= minutes * TOLERANCE ? sample : undefined;
  });
}

/** Runs `bioxen` until it succeeds. A command that meets a machine in the middle of a change is retryable. */
async function commanded(...args: string[]): Promise<Json> {
  return eventually(`bioxen ${args.join(" ")}`, async () => {
    const done = await world.bioxen(...args);
    return done.code === 0 ? done : undefined;
  });
}

const markerOf = async (vmId: string): Promise<unknown> =>
  JSON.parse((await commanded("vm", "exec", vmId, "-e", "return state.marker", "--json")).stdout).result;

describe.each([
  { vmType: "basic", shell: false },
  { vmType: "xcpng", shell: true },
])("a cell of type $vmType", ({ vmType, shell }) => {
  const vmId = `life-${vmType}`;

  it(
    "grows at its type's rate, runs a program, is resized, restored, paused, stopped and destroyed",
    async () => {
      const program = join(folder, "program.lua");
      writeFileSync(program, PROGRAM);
      const options = [
        "--type",
        "syn3a",
        "--vm-type",
        vmType,
        "--program",
        program,
        "--start",
        "--timeout",
        "120000",
      ];
      expect(await world.bioxen("vm", "create", vmId, ...options)).toMatchObject({ code: 0 });
      await world.reach(vmId, "running");
      await doubling(vmId, 105);
      expect(await markerOf(vmId)).toBe("born");

      const inShell = await world.bioxen("vm", "exec", vmId, "--shell", "-e", "hostname");
      if (shell) expect(inShell).toMatchObject({ code: 0, stdout: expect.stringContaining(vmId) });
      else expect(inShell).toMatchObject({ code: 1, stderr: expect.stringContaining("UNSUPPORTED") });

      await commanded("vm", "resize", vmId, "--ribosomes", "50%");
      const { sample } = { sample: await doubling(vmId, 150.4) };
      expect(sample.ribosomes.cap).toBe(252);
      const { vm } = await world.done("qry.vm.get", { vmId });
      expect(vm).toMatchObject({ request: { ribosomes: 252 }, allocation: { ribosomes: 252 } });

      await commanded("vm", "exec", vmId, "-e", "state.marker = 'kept'");
      await commanded("vm", "snapshot", vmId, "--id", "one");
      await commanded("vm", "exec", vmId, "-e", "state.marker = 'lost'");
      expect(await markerOf(vmId)).toBe("lost");
      await commanded("vm", "restore", vmId, "one");
      await eventually("the cell is that of the snapshot", async () =>
        (await markerOf(vmId)) === "kept" ? true : undefined,
      );
      await doubling(vmId, 150.4);

      await commanded("vm", "pause", vmId);
      await world.reach(vmId, "paused");
      await commanded("vm", "resume", vmId);
      await world.reach(vmId, "running");
      expect(await markerOf(vmId)).toBe("kept");
      await commanded("vm", "stop", vmId);
      await world.reach(vmId, "stopped");
      await commanded("vm", "destroy", vmId);
      await world.reach(vmId, "destroyed");
      expect(fake.agents?.processes.size).toBe(0);
    },
    TIMEOUT_MS,
  );
});

describe("a cell in a machine", () => {
  it(
    "has amounts that no ledger counts, and views say that it is a cell",
    async () => {
      const resources = { ribosomes: "50%", atpPerSecond: "100%" };
      await world.done("cmd.vm.create", { vmId: "m1", biologicalType: "syn3a", vmType: "xcpng", resources });
      expect(await world.bioxen("vm", "start", "m1", "--timeout", "120000")).toMatchObject({ code: 0 });
      const { machine } = await doubling("m1", 150.4);
      expect(machine.agent).toMatchObject({ state: "running", model: "weisse" });
      const { vm } = await world.done("qry.vm.get", { vmId: "m1" });
      expect(vm.allocation).toEqual({ vcpus: 2, memoryMiB: 2_048, ribosomes: 252, atpPerSecond: 13_247 });
      const { ledger } = await world.done("qry.ledger.get", { chassisId: "xcpng-1" });
      const [entry] = ledger.entries.filter((one: Json) => one.vmId === "m1");
      expect(entry.amounts).toEqual({ vcpus: 2, memoryMiB: 2_048 });
      expect((await world.bioxen("vm", "show", "m1")).stdout).toMatch(
        /guest +cell in a machine \(guest agent/,
      );
      expect((await world.bioxen("vm", "ls", "-o", "wide")).stdout).toMatch(/GUEST.*\n.*m1.* cell /s);
      const { active } = await world.done("qry.alert.list", {});
      expect(active.filter(({ target }: Json) => target === "m1")).toEqual([]);
      expect(await world.bioxen("events", "verify")).toMatchObject({ code: 0 });
    },
    TIMEOUT_MS,
  );
});
