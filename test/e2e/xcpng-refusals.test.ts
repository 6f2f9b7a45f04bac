/**
 * Starts that the pool refuses, and starts that take long: what the log, the commands and the pool show of them.
 */
import { createFakeXapi, type FakeXapi } from "@bioxen/fake-xapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const PASSWORD = "only-the-agent-may-know";
/** Time limit for one test, ms: on a busy machine, the stack and its commands are slow. */
const TIMEOUT_MS = 300_000;
/** Duration of a full copy of a disk in the fake pool, ms. */
const COPY_MS = 20_000;
/** More refusals than there are tries of one start. */
const MAX_TRIES = 100;
let fake: FakeXapi;
let world: World;

beforeAll(async () => {
  fake = await createFakeXapi({ password: PASSWORD, copyMs: COPY_MS });
  process.env["BIOXEN_XCPNG_PASSWORD"] = PASSWORD;
  world = await World.open({
    chassis: "ecoli:1",
    xcpng: { url: fake.url, fingerprint: fake.fingerprint },
  });
});
afterAll(async () => {
  await world.close();
  delete process.env["BIOXEN_XCPNG_PASSWORD"];
  await fake.close();
});

async function start(vmId: string, fields: Json = {}): Promise<void> {
  await world.done("cmd.vm.create", { vmId, biologicalType: "ecoli", vmType: "xcpng", ...fields });
  await world.done("cmd.vm.start", { vmId });
}

const vmOf = async (vmId: string): Promise<Json> => (await world.done("qry.vm.get", { vmId })).vm;
const refusalsOf = async (vmId: string): Promise<Json[]> =>
  (await world.done("qry.vm.history", { vmId })).events
    .filter((event: Json) => event.type === "bioxen.vm.start-refused.v1")
    .map((event: Json) => event.data);

describe("a start that the pool refuses", { timeout: TIMEOUT_MS }, () => {
  it("for a reason that can pass, is tried again; the refusal is shown meanwhile", async () => {
    const code = "INTERNAL_ERROR";
    fake.faults.add({ kind: "refuse", method: "VM.start", code, params: ["device model"] }, MAX_TRIES);
    await start("r1");
    const refused = await eventually("the refusal is in the view", async () => {
      const vm = await vmOf("r1");
      return vm.refusedStart === undefined ? undefined : vm;
    });
    expect(refused).toMatchObject({
      state: "starting",
      refusedStart: { chassisId: "xcpng-1", code: "UNAVAILABLE", hostCode: code },
    });
    const shown = await world.bioxen("vm", "show", "r1");
    expect(shown.stdout).toMatch(/refused +INTERNAL_ERROR by xcpng-1, try \d/);
    const explained = await world.done("qry.placement.explain", { vmId: "r1" });
    expect(explained.summary).toContain("device model");
    fake.faults.clear();
    const vm = await world.reach("r1", "running");
    expect(vm.refusedStart).toBeUndefined();
    const refusals = await refusalsOf("r1");
    expect(refusals.map(({ tries }) => tries)).toEqual(refusals.map((_, i) => i + 1));
    expect(new Set(refusals.map(({ hostCode }) => hostCode))).toEqual(new Set([code]));
    const history = await world.bioxen("vm", "history", "r1");
    expect(history.stdout).toContain("try 1 to start it on xcpng-1 was refused");
    await world.done("cmd.vm.destroy", { vmId: "r1" });
  });

  it("for good, puts the VM in error at once, with the code and the remedy", async () => {
    const code = "VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE";
    const template = fake.pool.addTemplate("four cores", { disks: 1 });
    fake.pool.db.update("VM", template, { platform: { "cores-per-socket": "4" } });
    const starts = fake.statistics.byMethod.get("Async.VM.start") ?? 0;
    await start("r2", { config: { template: "four cores" } });
    const vm = await world.reach("r2", "error");
    expect(vm).toMatchObject({ failure: "BAD_REQUEST" });
    expect(vm.reason).toContain(code);
    expect(vm.reason).toContain("platform:cores-per-socket");
    expect(fake.statistics.byMethod.get("Async.VM.start")).toBe(starts + 1);
    await world.done("cmd.vm.resize", { vmId: "r2", resources: { vcpus: 4 } });
    await world.done("cmd.vm.start", { vmId: "r2" });
    await world.reach("r2", "running");
    await world.done("cmd.vm.destroy", { vmId: "r2" });
  });

  it("for lack of room, leaves the VM pending with the reason, and starts it when room comes", async () => {
    await start("r3");
    await world.reach("r3", "running");
    fake.faults.switches.storageFull = true;
    await start("r4");
    const pending = await eventually("it waits for room", async () => {
      const vm = await vmOf("r4");
      const says = vm.refusals.some(({ message }: Json) =>
        /refused to start it for lack of room/.test(message),
      );
      return vm.state === "pending" && says ? vm : undefined;
    });
    expect(pending.refusedStart).toMatchObject({ code: "CAPACITY_EXCEEDED", hostCode: "SR_FULL" });
    const { candidates } = await world.done("qry.placement.explain", { vmId: "r4" });
    const pool = candidates.find(({ chassisId }: Json) => chassisId === "xcpng-1");
    expect(pool).toMatchObject({ score: null, refusal: { code: "CAPACITY_EXCEEDED" } });
    expect(pool.refusal.message).toContain("the storage is full");
    fake.faults.switches.storageFull = false;
    await world.done("cmd.vm.destroy", { vmId: "r3" });
    await world.reach("r4", "running");
    await world.done("cmd.vm.destroy", { vmId: "r4" });
  });
});

describe("a start that copies a disk", { timeout: TIMEOUT_MS }, () => {
  it("shows its progress, and a stop ends it before the copy is done", async () => {
    const storage = String(fake.pool.db.get("SR", fake.pool.storage)["uuid"]);
    await start("c1", { config: { storage } });
    const vm = await eventually("its progress is shown", async () => {
      const { startPermille, ...rest } = await vmOf("c1");
      return startPermille === undefined ? undefined : { startPermille, ...rest };
    });
    expect(vm.state).toBe("starting");
    expect(vm.startPermille).toBeGreaterThan(0);
    expect(vm.startPermille).toBeLessThan(1_000);
    await world.done("cmd.vm.stop", { vmId: "c1" });
    await world.reach("c1", "stopped");
    const copies = fake.pool.db.all("task").filter(([, task]) => task["name_label"] === "Async.VM.copy");
    expect(copies.filter(([, task]) => task["status"] === "pending")).toEqual([]);
    await world.done("cmd.vm.destroy", { vmId: "c1" });
  });
});
