/**
 * The life of a VM through the subjects and payloads of the contract, with a plain NATS client instead of project code.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await World.open({ chassis: "ecoli:1,yeast:1" });
});
afterAll(() => world.close());

describe("the life of a VM through the NATS subjects", () => {
  it("has a CloudEvent for each step from create to destroy, and samples in between", async () => {
    const events: Json[] = [];
    const samples: Json[] = [];
    const subscriptions = [
      world.nats.subscribe("bioxen.evt.vm.life-1", { callback: (_e, m) => void events.push(m.json()) }),
      world.nats.subscribe("bioxen.tel.vm.life-1", { callback: (_e, m) => void samples.push(m.json()) }),
    ];
    const created = await world.done("cmd.vm.create", { vmId: "life-1", biologicalType: "syn3a" });
    expect(created).toMatchObject({ changed: true, vm: { state: "created", allocation: null, version: 1 } });
    expect((await world.done("cmd.vm.start", { vmId: "life-1" })).vm.state).toBe("pending");
    const running = await world.reach("life-1", "running");
    expect(running.allocation).toEqual({
      ribosomes: 503,
      rnaPolymerases: 187,
      atpPerSecond: 13247,
      dnaKilobases: 543,
    });
    expect((await world.done("cmd.vm.start", { vmId: "life-1" })).changed).toBe(false);
    await eventually("two samples have arrived", async () => (samples.length >= 2 ? true : undefined));
    expect(samples[0]).toMatchObject({ vmId: "life-1", chassisId: running.chassisId });
    await world.done("cmd.vm.pause", { vmId: "life-1" });
    const still = await world.sample("life-1", (s) => s.state === "paused");
    const later = await world.sample("life-1", (s) => s.atMs > still.atMs);
    expect(later.simMinutes).toBe(still.simMinutes);
    await world.done("cmd.vm.resume", { vmId: "life-1" });
    await world.sample("life-1", (s) => s.simMinutes > still.simMinutes);
    await world.done("cmd.vm.stop", { vmId: "life-1" });
    expect((await world.reach("life-1", "stopped")).allocation).toBeNull();
    await world.done("cmd.vm.destroy", { vmId: "life-1" });
    await world.reach("life-1", "destroyed");
    for (const subscription of subscriptions) subscription.unsubscribe();
    expect(events.map((e) => e.type.replace(/bioxen\.vm\.|\.v1/g, ""))).toEqual([
      "created",
      "start-requested",
      "placed",
      "started",
      "paused",
      "resumed",
      "stop-requested",
      "stopped",
      "destroyed",
    ]);
    for (const [i, event] of events.entries()) {
      expect(event).toMatchObject({ specversion: "1.0", subject: "vm/life-1", aggregateversion: i + 1 });
      expect(Number.isNaN(Date.parse(event.time))).toBe(false);
    }
    await eventually("the ledgers are empty", async () => {
      const { ledgers } = await world.done("qry.ledger.list", {});
      return ledgers.every((l: Json) => l.entries.length === 0) ? true : undefined;
    });
    const again = await world.done("cmd.vm.create", { vmId: "life-1", biologicalType: "minimal_cell" });
    expect(again.vm).toMatchObject({ incarnation: 2, state: "created", biologicalType: "minimal_cell" });
  });

  it("has one outcome for five commands with the same message id", async () => {
    const payload = { biologicalType: "syn3a", labels: { once: "yes" } };
    const replies = await Promise.all(
      Array.from({ length: 5 }, () => world.ask("cmd.vm.create", payload, "create-once")),
    );
    expect(new Set(replies.map((reply) => reply.vm.vmId)).size).toBe(1);
    expect(replies.every((reply) => reply.ok && reply.changed)).toBe(true);
    expect((await world.done("qry.vm.list", { label: "once=yes" })).vms).toHaveLength(1);
  });

  it("has services that answer the NATS services protocol, with schemas", async () => {
    const answers = await world.nats.requestMany("$SRV.INFO", "", { strategy: "stall", maxWait: 5_000 });
    const services: Json[] = [];
    for await (const answer of answers) services.push(answer.json());
    const lifecycle = services.find(({ name }) => name === "lifecycle");
    const create = lifecycle.endpoints.find((e: Json) => e.subject.endsWith("cmd.vm.create"));
    expect(JSON.parse(create.metadata.request).properties).toHaveProperty("biologicalType");
    expect(services.map(({ name }) => name).sort()).toEqual([
      "allocator",
      "chassis-agent",
      "chassis-scheduler",
      "experiments",
      "lifecycle",
      "monitor",
    ]);
  });
});

describe("the growth rate follows the allocation", () => {
  it.each([
    ["full-syn3a", "syn3a", {}, 105],
    ["half-ribosomes", "syn3a", { ribosomes: "50%" }, 150.6],
    ["half-atp", "syn3a", { atpPerSecond: "50%" }, 185.0],
    ["half-rnap", "syn3a", { rnaPolymerases: "50%" }, 118.2],
    ["full-minimal", "minimal_cell", {}, 180],
    ["full-ecoli", "ecoli", {}, 40],
  ])(
    "%s has the doubling time of the contract, within 0.5 percent",
    async (vmId, biologicalType, resources, expected) => {
      await world.done("cmd.vm.create", { vmId, biologicalType, resources });
      await world.done("cmd.vm.start", { vmId });
      await world.reach(vmId, "running");
      const { doublingTimeMinutes } = await world.sample(vmId);
      expect(Math.abs(doublingTimeMinutes / expected - 1)).toBeLessThan(0.005);
      await world.done("cmd.vm.destroy", { vmId });
      await world.reach(vmId, "destroyed");
    },
  );
});

describe("an invalid command", () => {
  it("is rejected with the path of every problem, and writes no event", async () => {
    const before = await world.bioxenJson("events", "verify");
    const bad = await world.ask("cmd.vm.create", {
      vmId: "Not Ok",
      biologicalType: "yeast",
      resources: { ribosomes: -1, dnaKilobases: 1.5, atpPerSecond: 1e300, magic: 3 },
      priority: 9,
      config: { nested: { password: "x" } },
      surprise: true,
    });
    expect(bad.ok).toBe(false);
    expect(bad.error.code).toBe("BAD_REQUEST");
    const paths = bad.error.details.problems.map((p: Json) => p.path);
    expect(paths).toEqual(
      expect.arrayContaining([
        "vmId",
        "biologicalType",
        "resources.ribosomes",
        "resources.dnaKilobases",
        "resources.atpPerSecond",
        "priority",
        "config.nested.password",
        "surprise",
      ]),
    );
    expect((await world.send("bioxen.cmd.vm.create", "{not json")).error.code).toBe("BAD_REQUEST");
    expect((await world.send("bioxen.cmd.vm.start", "")).error.code).toBe("BAD_REQUEST");
    const huge = JSON.stringify({ vmId: "huge", biologicalType: "syn3a", program: "x".repeat(600_000) });
    expect((await world.send("bioxen.cmd.vm.create", huge)).error.code).toBe("TOO_LARGE");
    expect((await world.ask("cmd.vm.start", { vmId: "no-such-vm" })).error.code).toBe("VM_NOT_FOUND");
    expect((await world.ask("qry.ledger.get", { chassisId: "no-such-chassis" })).error.code).toBe(
      "CHASSIS_NOT_FOUND",
    );
    expect((await world.bioxenJson("events", "verify")).events).toBe(before.events);
  });

  it("is rejected with a specific code for a wrong state, too little capacity, or an infeasible request", async () => {
    await world.done("cmd.vm.create", { vmId: "bad-1", biologicalType: "syn3a" });
    const pause = await world.ask("cmd.vm.pause", { vmId: "bad-1" });
    expect(pause.error).toMatchObject({
      code: "INVALID_TRANSITION",
      details: {
        state: "created",
        command: "pause",
        allowed: expect.arrayContaining(["start", "resize", "destroy"]),
      },
    });
    const again = await world.ask("cmd.vm.create", { vmId: "bad-1", biologicalType: "syn3a" });
    expect(again.error.code).toBe("VM_ALREADY_EXISTS");
    await world.done("cmd.vm.resize", { vmId: "bad-1", resources: { ribosomes: 999_999 } });
    expect((await world.ask("cmd.vm.start", { vmId: "bad-1" })).error.code).toBe("INFEASIBLE");
    await world.done("cmd.vm.resize", { vmId: "bad-1", resources: { ribosomes: "100%" } });
    await world.done("cmd.vm.start", { vmId: "bad-1" });
    await world.reach("bad-1", "running");
    const grow = await world.ask("cmd.vm.resize", { vmId: "bad-1", resources: { ribosomes: 999_999 } });
    expect(grow.error).toMatchObject({ code: "CAPACITY_EXCEEDED", details: { resource: "ribosomes" } });
    const shrunk = await world.done("cmd.vm.resize", { vmId: "bad-1", resources: { ribosomes: "50%" } });
    expect(shrunk.vm).toMatchObject({ state: "running", allocation: { ribosomes: 252 } });
    await world.sample("bad-1", (s) => s.ribosomes.cap === 252);
    await world.done("cmd.vm.destroy", { vmId: "bad-1" });
  });
});

describe("the Lua sandbox on a real stack", () => {
  it("stops an endless loop and limits memory, while all cells keep growing", async () => {
    for (const vmId of ["lua-1", "lua-2"]) {
      await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a" });
      await world.done("cmd.vm.start", { vmId });
      await world.reach(vmId, "running");
    }
    const exec = (vmId: string, source: string) =>
      world.ask("cmd.vm.exec", { vmId, source, timeoutMs: 1_000 });
    const loop = exec("lua-1", "while true do pcall(function() while true do end end) end");
    const neighbour = exec("lua-2", "return 1 + 1");
    expect(await neighbour).toMatchObject({ ok: true, result: 2 });
    expect((await loop).error.code).toBe("GUEST_TIMEOUT");
    expect((await exec("lua-1", 'return string.rep("x", 1e9)')).error.code).toBe("GUEST_OUT_OF_MEMORY");
    const gone = await exec("lua-1", "return (os or io or require or load or debug) == nil");
    expect(gone.result).toBe(true);
    const failed = await exec("lua-1", 'error("on purpose")');
    expect(failed.error).toMatchObject({ code: "GUEST_ERROR" });
    expect(failed.error.message).toContain("on purpose");
    expect(failed.error.details.traceback).toContain("exec:1");
    expect(await exec("lua-1", 'print("hello") return cell.type')).toMatchObject({
      result: "syn3a",
      stdout: "hello\n",
    });
    const before = await world.sample("lua-1");
    await world.sample("lua-1", (s) => s.simMinutes > before.simMinutes);
    await exec("lua-1", "cell.set_environment{chloramphenicol_um = 3}");
    await world.sample("lua-1", (s) => s.doublingTimeMinutes > 110);
  });
});
