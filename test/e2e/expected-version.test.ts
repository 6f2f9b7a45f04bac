/**
 * Commands with `expectedVersion`, and message ids with another payload, on a real server and real services.
 */
import { connect } from "@bioxen/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Json, World } from "./world.ts";

const OUTCOMES = "KV_bioxen-first-outcomes";

let world: World;
beforeAll(async () => {
  // Without keys: the test deletes the bucket of first outcomes.
  world = await World.open({ keys: false, chassis: "yeast:1" });
});
afterAll(() => world.close());

const conflict = (expected: number, actual: number) => ({
  ok: false,
  error: { code: "CONFLICT", retryable: false, details: { expected, actual } },
});

describe("a command that expects a version", () => {
  it("changes a VM at that version only", async () => {
    const create = { vmId: "v", biologicalType: "syn3a" };
    expect(await world.ask("cmd.vm.create", { ...create, expectedVersion: 4 })).toMatchObject(conflict(4, 0));
    const { vm } = await world.done("cmd.vm.create", { ...create, expectedVersion: 0 });
    expect(vm.version).toBe(1);
    const resize = (ribosomes: number, expectedVersion: number) =>
      world.ask("cmd.vm.resize", { vmId: "v", resources: { ribosomes }, expectedVersion });
    expect(await resize(400, 1)).toMatchObject({ ok: true, changed: true, vm: { version: 2 } });
    expect(await resize(300, 1)).toMatchObject(conflict(1, 2));
    for (const verb of ["start", "stop", "pause", "resume", "destroy", "migrate", "cancel-migration"]) {
      expect(await world.ask(`cmd.vm.${verb}`, { vmId: "v", expectedVersion: 1 })).toMatchObject(
        conflict(1, 2),
      );
    }
    for (const verb of ["snapshot", "restore", "delete-snapshot"]) {
      const request = { vmId: "v", snapshotId: "s", expectedVersion: 1 };
      expect((await world.ask(`cmd.vm.${verb}`, request)).error.code).toBe("CONFLICT");
    }
    expect((await world.done("cmd.vm.start", { vmId: "v", expectedVersion: 2 })).vm.version).toBe(3);
  });

  it("is refused alike through the command and the library, for every verb", async () => {
    // The VM has a later version by now, and gets further ones meanwhile.
    const wrong = ["--expected-version", "1"];
    for (const verb of ["start", "stop", "pause", "resume", "destroy", "migrate", "resize", "snapshot"]) {
      const more = verb === "resize" ? ["--ribosomes", "10"] : [];
      const { code, stderr } = await world.bioxen("vm", verb, "v", ...more, ...wrong);
      expect([verb, code, stderr]).toEqual([verb, 1, expect.stringContaining("CONFLICT")]);
    }
    expect((await world.bioxen("chassis", "cordon", "yeast-1", "--expected-version", "99")).code).toBe(1);
    expect((await world.bioxen("vm", "stop", "v", "w", ...wrong)).code).toBe(2);
    const bioxen = await connect({ servers: world.url });
    const handle = bioxen.vm("v");
    const options = { expectedVersion: 1 };
    for (const call of [
      () => handle.start(options),
      () => handle.stop(options),
      () => handle.pause(options),
      () => handle.resize({ ribosomes: 10 }, options),
      () => handle.destroy(options),
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: "CONFLICT",
        details: { expected: 1, actual: expect.any(Number) },
      });
    }
    await bioxen.close();
  });

  it("resizes a running VM at that version only, and leaves the ledger as it was otherwise", async () => {
    const running = await world.reach("v", "running");
    const resize = (ribosomes: number, expectedVersion: number) =>
      world.ask("cmd.vm.resize", { vmId: "v", resources: { ribosomes }, expectedVersion });
    expect(await resize(200, 1)).toMatchObject({ ok: false, error: { code: "CONFLICT" } });
    const { ledger } = await world.done("qry.ledger.get", { chassisId: "yeast-1" });
    expect(ledger.entries[0].amounts.ribosomes).toBe(400);
    expect(await resize(200, running.version)).toMatchObject({ ok: true, changed: true });
    const same = await Promise.all(
      [100, 101, 102].map(async (ribosomes) => {
        const { vm } = await world.done("qry.vm.get", { vmId: "v" });
        return resize(ribosomes, vm.version);
      }),
    );
    expect(same.filter((reply) => reply.ok).length).toBeGreaterThanOrEqual(1);
    const [after, entry] = await Promise.all([
      world.done("qry.vm.get", { vmId: "v" }),
      world.done("qry.ledger.get", { chassisId: "yeast-1" }),
    ]);
    expect(after.vm.allocation).toEqual(entry.ledger.entries[0].amounts);
  });

  it("changes a chassis, a quota and an alert rule at that version only", async () => {
    const chassis = { chassisId: "yeast-1" };
    const { version } = (await world.done("qry.chassis.get", chassis)).chassis;
    for (const verb of ["cordon", "uncordon", "drain", "cancel-drain", "remove"]) {
      const reply = await world.ask(`cmd.chassis.${verb}`, { ...chassis, expectedVersion: version + 5 });
      expect(reply).toMatchObject(conflict(version + 5, version));
    }
    await world.done("cmd.chassis.cordon", { ...chassis, expectedVersion: version });
    await world.done("cmd.chassis.uncordon", { ...chassis, expectedVersion: version + 1 });

    const quota = { label: "team=a", resources: { ribosomes: 4_000 } };
    const set = await world.done("cmd.quota.set", { ...quota, expectedVersion: 0 });
    expect(set.quota.version).toBe(1);
    expect(await world.ask("cmd.quota.set", { ...quota, expectedVersion: 0 })).toMatchObject(conflict(0, 1));
    expect((await world.done("qry.quota.get", { label: "team=a" })).quota.version).toBe(1);

    const rule = { ruleId: "slow", metric: "vm.health", below: 10, severity: "info" };
    const first = await world.done("cmd.alert.set-rule", { ...rule, expectedVersion: 0 });
    expect(first.rule.version).toBe(1);
    expect(await world.ask("cmd.alert.remove-rule", { ruleId: "slow", expectedVersion: 7 })).toMatchObject(
      conflict(7, 1),
    );
    await world.done("cmd.alert.remove-rule", { ruleId: "slow", expectedVersion: 1 });
  });
});

describe("a cell's genome", () => {
  it.each([0, 100, "20%"])("is no choice: %s kilobases are refused", async (dnaKilobases) => {
    const request = { biologicalType: "syn3a", resources: { dnaKilobases } };
    for (const subject of ["cmd.vm.create", "qry.placement.plan"]) {
      const { error } = await world.ask(subject, request);
      expect(error).toMatchObject({ code: "BAD_REQUEST" });
      expect(error.details.problems).toMatchObject([{ path: "resources.dnaKilobases" }]);
    }
    const resize = await world.ask("cmd.vm.resize", { vmId: "v", resources: { dnaKilobases } });
    expect(resize.error).toMatchObject({ code: "BAD_REQUEST" });
  });

  it("may be named with its own size", async () => {
    for (const dnaKilobases of [543, "100%"]) {
      await world.done("qry.placement.plan", { biologicalType: "syn3a", resources: { dnaKilobases } });
    }
  });
});

describe("a message id that was used before", () => {
  it("is a conflict with another payload, also when only the log is left", async () => {
    const pause = (payload: object) => world.ask("cmd.vm.pause", payload, "pause-once");
    const forget = async () =>
      (await world.nats.request(`$JS.API.STREAM.DELETE.${OUTCOMES}`, "", { timeout: 5_000 })).json<Json>();
    const first = await pause({ vmId: "v" });
    expect(first).toMatchObject({ ok: true, changed: true });
    expect(await forget()).toMatchObject({ success: true });
    const other = await pause({ vmId: "v", expectedVersion: 99 });
    expect(other).toMatchObject({ ok: false, error: { code: "CONFLICT", retryable: false } });
    expect(other.error.message).toContain("Nats-Msg-Id");
    expect(await forget()).toMatchObject({ success: true });
    expect(await pause({ vmId: "v" })).toMatchObject({ ok: true, changed: true, vm: { state: "paused" } });
  });
});
