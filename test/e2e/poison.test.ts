/**
 * Poison on the subjects of every kind of aggregate: messages in twelve wrong forms. VMs on the other chassis go on
 * meanwhile and over a restart; doctor, status and verify name each message; `events skip` clears it.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, World } from "./world.ts";

let world: World;
beforeAll(async () => {
  // Without keys: the test appends unreadable events.
  world = await World.open({ keys: false, chassis: "ecoli:2" });
});
afterAll(() => world.close());

type Envelope = Record<string, unknown>;
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** The twelve forms of poison, made from the newest event of the aggregate. */
const SHAPES: Readonly<Record<string, (last: Envelope) => Uint8Array>> = {
  empty: () => new Uint8Array(),
  "an empty object": () => text({}),
  "not JSON": () => new TextEncoder().encode("{not json"),
  "500 kB": () => text({ filler: "x".repeat(500_000) }),
  "a wrong version": (last) => text({ ...last, id: "p1", aggregateversion: last["aggregateversion"] }),
  "a gap": (last) => text({ ...last, id: "p2", aggregateversion: Number(last["aggregateversion"]) + 2 }),
  "a broken chain": (last) =>
    text({
      ...last,
      id: "p3",
      aggregateversion: Number(last["aggregateversion"]) + 1,
      previoushash: "0".repeat(64),
    }),
  "an unknown type": (last) => text({ ...last, id: "p4", type: "no.such.event" }),
  "a newer version": (last) =>
    text({ ...last, id: "p5", type: String(last["type"]).replace(/v\d+$/, "v99") }),
  "a wrong subject": (last) => text({ ...last, id: "p6", subject: "vm/another" }),
  "invalid UTF-8": () => new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]),
  "deep nesting": (last) =>
    new TextEncoder().encode(
      JSON.stringify({ ...last, id: "p7", data: "@" }).replace('"@"', "[".repeat(9_000) + "]".repeat(9_000)),
    ),
};

/** The subjects that are poisoned: one aggregate of each kind, those of chassis `ecoli-1` and of VM `hit`. */
const SUBJECTS = [
  "vm.hit",
  "ledger.ecoli-1",
  "chassis.ecoli-1",
  "drain.ecoli-1",
  "quota.team--3d-hit",
  "alert.hit-rule",
  "log.skips",
].map((name) => `bioxen.evt.${name}`);

/** Returns the newest event on a subject, read through the API of JetStream. */
async function lastOf(subject: string): Promise<Envelope> {
  const query = JSON.stringify({ last_by_subj: subject });
  const reply = await world.nats.request("$JS.API.STREAM.MSG.GET.BIOXEN_EVENTS", query, { timeout: 5_000 });
  const { message } = reply.json<{ message?: { data: string } }>();
  if (message === undefined) return { type: "bioxen.log.skipped.v1", subject: "log/skips" };
  return JSON.parse(Buffer.from(message.data, "base64").toString());
}

/** Runs a VM on the chassis that is not hit, from its creation to its end. */
async function wholeLife(vmId: string): Promise<void> {
  await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a", placement: { chassisId: "ecoli-2" } });
  await world.done("cmd.vm.start", { vmId });
  await world.reach(vmId, "running");
  await world.done("cmd.vm.destroy", { vmId });
  await world.reach(vmId, "destroyed");
}

describe("poison in the log", () => {
  const poisoned: { readonly seq: number; readonly subject: string }[] = [];

  it("on every kind of aggregate leaves VMs on the other chassis alone, also after a restart", async () => {
    await world.done("cmd.vm.create", {
      vmId: "hit",
      biologicalType: "syn3a",
      placement: { chassisId: "ecoli-1" },
    });
    await world.done("cmd.quota.set", { label: "team=hit", resources: { ribosomes: 5_000 } });
    await world.done("cmd.alert.set-rule", {
      ruleId: "hit-rule",
      metric: "vm.pendingMs",
      above: 1,
      severity: "info",
    });
    await world.done("cmd.chassis.drain", { chassisId: "ecoli-1" });
    // Until the drain has found that no VM is there, an uncordon is a CONFLICT.
    await eventually("ecoli-1 takes VMs again", async () => {
      const { ok } = await world.look("cmd.chassis.uncordon", { chassisId: "ecoli-1" });
      return ok || undefined;
    });
    for (const subject of SUBJECTS) {
      const last = await lastOf(subject);
      for (const shape of Object.values(SHAPES)) {
        const ack = (await world.nats.request(subject, shape(last), { timeout: 5_000 })).json<{
          seq: number;
        }>();
        poisoned.push({ seq: ack.seq, subject });
      }
    }
    await wholeLife("well-1");
    const { services } = await world.bioxenJson("status");
    expect(services.every(({ ready }: { ready: boolean }) => ready)).toBe(true);
    await world.restart();
    await wholeLife("well-2");
  });

  it("answers for each aggregate that is hit with the sequence, and refuses commands that need it", async () => {
    const first = (name: string) => poisoned.find(({ subject }) => subject === `bioxen.evt.${name}`)?.seq;
    for (const [subject, payload, seq] of [
      ["qry.vm.get", { vmId: "hit" }, first("vm.hit")],
      ["cmd.vm.start", { vmId: "hit" }, first("vm.hit")],
      ["cmd.chassis.cordon", { chassisId: "ecoli-1" }, first("chassis.ecoli-1")],
      ["cmd.quota.set", { label: "team=hit", resources: {} }, first("quota.team--3d-hit")],
      ["cmd.alert.remove-rule", { ruleId: "hit-rule" }, first("alert.hit-rule")],
    ] as const) {
      const { error } = await world.ask(subject, payload);
      expect(error, subject).toMatchObject({ code: "UNAVAILABLE", retryable: false, details: { seq } });
    }
    await world.done("cmd.vm.create", {
      vmId: "waits",
      biologicalType: "syn3a",
      placement: { chassisId: "ecoli-1" },
    });
    await world.done("cmd.vm.start", { vmId: "waits" });
    await eventually("the VM says why it waits", async () => {
      const { vm } = await world.look("qry.vm.get", { vmId: "waits" });
      return vm?.reason?.includes("cannot be read") ? vm : undefined;
    });
  });

  it("is named by doctor, status, the alert and verify, until it is skipped", async () => {
    const doctor = await world.bioxen("doctor", "--json");
    expect(doctor.code).toBe(1);
    const named = poisoned.filter(({ seq }) => doctor.stdout.includes(`event ${seq} on `));
    // One message of each aggregate is named, and all twelve among the skips, where none waits for another.
    expect(new Set(named.map(({ subject }) => subject))).toEqual(new Set(SUBJECTS));
    expect((await world.bioxenJson("status")).unreadable).toBe(named.length);
    expect((await world.bioxen("status")).stdout).toContain("messages cannot be read: see bioxen doctor");
    await eventually("the alert is raised", async () => {
      const { active } = await world.look("qry.alert.list", {});
      return active?.find(({ ruleId }: { ruleId: string }) => ruleId === "log-unreadable");
    });
    const verify = await world.bioxen("events", "verify", "--json");
    expect(verify.code).toBe(1);
    const { violations } = JSON.parse(verify.stdout);
    const found = new Set(violations.map(({ seq }: { seq: number }) => seq));
    expect(poisoned.filter(({ seq }) => !found.has(seq))).toEqual([]);
  });

  it("is cleared by skips: the aggregates go on, and verify has no violation", async () => {
    const left = new Set(poisoned.map(({ seq }) => seq));
    const skip = async (): Promise<boolean> => {
      const { unreadable } = await world.done("qry.log.problems", {});
      for (const { seq, newer } of unreadable.first) {
        if (newer) {
          const { error } = await world.ask("cmd.log.skip", { seq, reason: "poison" });
          expect(error).toMatchObject({ code: "CONFLICT", details: { newer: true } });
        }
        await world.done("cmd.log.skip", { seq, reason: "poison", by: "test", force: newer });
        left.delete(seq);
      }
      return unreadable.count === 0;
    };
    await eventually("nothing is unreadable", async () => (await skip()) || undefined, 60_000);
    expect([...left]).toEqual([]);
    await world.done("cmd.vm.start", { vmId: "hit" });
    await world.reach("hit", "running");
    await world.reach("waits", "running");
    await world.done("cmd.quota.set", { label: "team=hit", resources: {} });
    await world.done("cmd.alert.remove-rule", { ruleId: "hit-rule" });
    await world.done("cmd.chassis.cordon", { chassisId: "ecoli-1" });
    const verify = await world.bioxenJson("events", "verify");
    expect(verify).toMatchObject({ skipped: poisoned.length, violations: [] });
    const doctor = await world.bioxenJson("doctor");
    expect(doctor.findings).toContainEqual({
      check: "log",
      verdict: "ok",
      found: `every message can be read; ${poisoned.length} skipped`,
    });
    // An event among skipped messages is shown, and a skipped message says why it cannot be.
    const cause = poisoned.at(-1)?.seq ?? 0;
    const after = await world.bioxenJson("events", "show", String(cause + 1));
    expect(after).toMatchObject({ seq: cause + 1 });
    const own = await world.bioxen("events", "show", String(poisoned[0]?.seq));
    expect(own).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot be read") });
    await world.restart();
    await wholeLife("well-3");
    expect((await world.done("qry.vm.get", { vmId: "hit" })).vm.state).not.toBe("created");
    expect((await world.bioxenJson("status")).unreadable).toBe(0);
  });

  it("is skipped only when it is unreadable, exists, and its aggregate does not wait for another", async () => {
    for (const [args, words] of [
      [["skip", "1", "--reason", "x"], "event 1 can be read"],
      [["skip", "999999", "--reason", "x"], "there is no event 999999"],
      [["unskip", String(poisoned[0]?.seq), "--reason", "x"], "can no longer be taken back"],
    ] as const) {
      const result = await world.bioxen("events", ...args);
      expect(result.code).toBe(1);
      expect(result.stderr).toContain(words);
    }
    const again = await world.bioxen("events", "skip", String(poisoned[0]?.seq), "--reason", "x");
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining("was skipped already") });
  });
});
