/**
 * A past state is the fold of the log up to that sequence: compared with a second, independent fold of the raw stream.
 */
import { randomInt } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stateAt } from "../../packages/cli/src/past.ts";
import { Session } from "../../packages/cli/src/session.ts";
import { rawEvents, rawState } from "./raw-fold.ts";
import { eventually, type Json, World } from "./world.ts";

/** Longest time from Ctrl-C to the end of a command, ms: it closes its connection, on a machine that can be busy. */
const ENDS_WITHIN_MS = 2_000;
/** Number of sequences at which the folds are compared. */
const SAMPLED_SEQUENCES = 100;

let world: World;
let events: Json[];
let session: Session;
beforeAll(async () => {
  world = await World.open({ chassis: "ecoli:1,orthogonal:1" });
  await fillLog();
  events = await rawEvents(world.nats);
  session = await Session.open({ server: world.url });
});
afterAll(async () => {
  await session?.close();
  await world?.close();
});

const create = (vmId: string, more: object = {}) =>
  world.done("cmd.vm.create", {
    vmId,
    biologicalType: "syn3a",
    placement: { chassisId: "ecoli-1" },
    ...more,
  });
const command = (verb: string, vmId: string, more: object = {}) =>
  world.done(`cmd.vm.${verb}`, { vmId, ...more });
const run = async (vmId: string) => {
  await command("start", vmId);
  await world.reach(vmId, "running");
};
const waits = (vmId: string, code: string) =>
  eventually(`${vmId} waits because of ${code}`, async () => {
    const { vm } = await world.look("qry.vm.get", { vmId });
    return vm?.reason?.includes(code) ? true : undefined;
  });

/** Writes a log with every kind of VM, ledger and chassis event that commands can cause. */
async function fillLog(): Promise<void> {
  await create("big-1", { resources: { ribosomes: 12_000 }, labels: { tier: "gold" }, priority: 4 });
  await create("big-2", { resources: { ribosomes: 12_000 }, restartPolicy: { mode: "on-failure" } });
  await create("alone", {
    biologicalType: "minimal_cell",
    resources: { rnaPolymerases: "50%" },
    placement: { chassisId: "orthogonal-1" },
    environment: { nutrientQuality: 0.5 },
  });
  await run("big-1");
  await command("start", "big-2");
  await waits("big-2", "CAPACITY_EXCEEDED");
  await run("alone");
  await world.done("cmd.chassis.cordon", { chassisId: "ecoli-1" });
  await create("late", {
    seed: 7,
    config: { partitionNoise: false },
    program: "function on_minute(cell, minutes) print(minutes) end",
  });
  await command("start", "late");
  await waits("late", "is cordoned");
  await world.done("cmd.chassis.uncordon", { chassisId: "ecoli-1" });
  await world.reach("late", "running");
  await command("pause", "late");
  await command("resize", "late", { resources: { ribosomes: 150 } });
  const refused = await world.ask("cmd.vm.resize", { vmId: "late", resources: { ribosomes: 20_000 } });
  expect(refused.error.code).toBe("CAPACITY_EXCEEDED");
  await command("resume", "late");
  await command("stop", "big-1");
  await world.reach("big-2", "running");
  await command("destroy", "big-1");
  await world.reach("big-1", "destroyed");
  await create("big-1", { biologicalType: "minimal_cell", labels: {} });
  await command("resize", "big-1", { resources: { ribosomes: "50%" } });
  await Promise.all(
    Array.from({ length: 6 }, async (_, i) => {
      const vmId = `small-${i}`;
      await create(vmId, { priority: 1 + (i % 5), labels: { n: String(i) } });
      await run(vmId);
      await command("pause", vmId);
      await command("resume", vmId);
      await command("destroy", vmId);
      await world.reach(vmId, "destroyed");
    }),
  );
  const spare = { chassisId: "spare", chassisType: "yeast", agentId: "absent" };
  await world.done("cmd.chassis.register", spare);
  // A ledger that is opened after the second registration has its capacity from the start.
  await eventually("the ledger of spare is open", async () => {
    const { ledger } = await world.look("qry.ledger.get", { chassisId: "spare" });
    return ledger === undefined ? undefined : true;
  });
  await world.done("cmd.chassis.register", { ...spare, maxVms: 3, overheadPermille: 333 });
  await eventually("the ledger of spare has the new maximum", async () => {
    const { ledger } = await world.look("qry.ledger.get", { chassisId: "spare" });
    return ledger?.maxVms === 3 ? true : undefined;
  });
  await world.done("cmd.chassis.remove", { chassisId: "spare" });
  await eventually("the ledger of spare is closed", async () => {
    const { error } = await world.look("qry.ledger.get", { chassisId: "spare" });
    return error?.code === "CHASSIS_NOT_FOUND" ? true : undefined;
  });
}

/** Distinct random sequences of the log. The message of each assertion names its sequence. */
function randomSequences(count: number): number[] {
  const seqs = new Set<number>();
  while (seqs.size < Math.min(count, events.length)) seqs.add(1 + randomInt(events.length));
  return [...seqs];
}

describe("state at a sequence", () => {
  it("is tested on a log with every listed event type", () => {
    const types = new Set(events.map((event) => event.type.replace(/^bioxen\.|\.v\d$/g, "")));
    expect(events.length).toBeGreaterThan(SAMPLED_SEQUENCES);
    for (const type of [
      ..."created start-requested deferred placed started paused resumed resized stopped destroyed"
        .split(" ")
        .map((name) => `vm.${name}`),
      ..."opened capacity-changed reserved committed released resized closed"
        .split(" ")
        .map((name) => `ledger.${name}`),
      ..."registered reconfigured cordoned uncordoned removed".split(" ").map((name) => `chassis.${name}`),
    ]) {
      expect(types, type).toContain(type);
    }
  });

  it("equals the fold of the raw stream at 100 random sequences", async () => {
    const log = await session.eventLog();
    const seqs = randomSequences(SAMPLED_SEQUENCES);
    expect(seqs).toHaveLength(SAMPLED_SEQUENCES);
    for (const seq of seqs) {
      const { vms, ledgers, chassis } = await stateAt(log, seq, { stallMs: session.timeoutMs });
      expect({ vms, ledgers, chassis }, `at #${seq}`).toEqual(rawState(events.slice(0, seq)));
    }
  });

  it("is the output of `bioxen state`, as JSON and as text", async () => {
    const [seq = 1] = randomSequences(1);
    const output = await world.bioxenJson("state", "--at", String(seq));
    expect(output, `at #${seq}`).toEqual({ ok: true, atSeq: seq, ...rawState(events.slice(0, seq)) });
    const words = await world.bioxen("state", "--at", String(events.length));
    for (const one of ["alone", "orthogonal-1", "ecoli-1", "HELD OF OFFER"])
      expect(words.stdout).toContain(one);
    expect(words.stderr).toBe("");
  });

  it("is rejected for a sequence beyond the log, with the last sequence", async () => {
    const beyond = await world.bioxen("state", "--at", "1000000", "--json");
    expect(beyond.code).toBe(1);
    const { lastSeq } = JSON.parse(beyond.stdout).error.details;
    expect(lastSeq).toBeGreaterThanOrEqual(events.length);
    expect(beyond.stderr).toContain(`the log ends at #${lastSeq}`);
    expect((await world.bioxen("state", "--at", "0")).code).toBe(2);
    await expect(stateAt(await session.eventLog(), -3, { stallMs: session.timeoutMs })).rejects.toMatchObject(
      { exitCode: 2 },
    );
  });
});

describe("queries of the past", () => {
  it("return each VM with the ledger and the chassis of its place at the same sequence", async () => {
    let placed = 0;
    for (const seq of randomSequences(SAMPLED_SEQUENCES)) {
      const { vms, ledgers, chassis } = rawState(events.slice(0, seq));
      const vm = vms[randomInt(Math.max(1, vms.length))];
      if (vm !== undefined) {
        const at = (all: Json[]) => all.find((one) => one.chassisId === vm.chassisId) ?? null;
        const reply = await world.done("qry.vm.get", { vmId: vm.vmId, atSeq: seq });
        const place = { ledger: at(ledgers), chassis: at(chassis) };
        expect(reply, `${vm.vmId} at #${seq}`).toEqual({ ok: true, vm, ...place });
        if (vm.chassisId !== null) placed += 1;
      }
      for (const one of chassis) {
        const { chassisId } = one;
        expect((await world.done("qry.chassis.get", { chassisId, atSeq: seq })).chassis).toEqual(one);
      }
    }
    expect(placed).toBeGreaterThan(SAMPLED_SEQUENCES / 10);
    expect(Object.keys(await world.done("qry.vm.get", { vmId: "alone" }))).toEqual(["ok", "vm"]);
  });

  it("are rejected for an id that did not exist yet, and for a sequence beyond the log", async () => {
    const spare = { chassisId: "spare", atSeq: events.length };
    expect((await world.ask("qry.chassis.get", spare)).error.code).toBe("CHASSIS_NOT_FOUND");
    expect((await world.ask("qry.vm.get", { vmId: "alone", atSeq: 1 })).error.code).toBe("VM_NOT_FOUND");
    const beyond = { atSeq: events.length + 1_000_000 };
    for (const [subject, of] of [
      ["qry.vm.get", { vmId: "alone" }],
      ["qry.chassis.get", { chassisId: "ecoli-1" }],
      ["qry.ledger.get", { chassisId: "ecoli-1" }],
    ] as const) {
      const { error } = await world.ask(subject, { ...of, ...beyond });
      expect(error.code, subject).toBe("BAD_REQUEST");
      expect(error.message).toContain(`the log ends at ${error.details.lastSeq}`);
    }
  });

  it("return the history of a VM with the cause of each event, also across its ledger", async () => {
    const seqOf = new Map(events.map((event, i) => [event.id, i + 1]));
    const history = (await world.done("qry.vm.history", { vmId: "big-2" })).events;
    for (const event of history) {
      const seq = seqOf.get(event.causationid);
      const cause = seq === undefined ? undefined : events[seq - 1];
      const expected = cause === undefined ? null : { seq, type: cause.type, subject: cause.subject };
      expect(event.causedBy, event.type).toEqual(expected);
    }
    const placed = history.find((event: Json) => event.type === "bioxen.vm.placed.v1");
    expect(placed.causedBy).toMatchObject({ seq: placed.data.fence, subject: "ledger/ecoli-1" });
  });
});

describe("the log as text", () => {
  it("has the history of a VM with each event, its service and its cause, across aggregates", async () => {
    const [{ stdout }, past] = await Promise.all([
      world.bioxen("vm", "history", "big-2"),
      world.bioxen("vm", "show", "late", "--at", String(events.length)),
    ]);
    for (const one of ["late: syn3a", "ecoli-1  ecoli", "HELD OF OFFER"]) expect(past.stdout).toContain(one);
    const history: Json[] = (await world.done("qry.vm.history", { vmId: "big-2" })).events;
    const lineOf = (type: string) => {
      const { seq } = history.find((event) => event.type === `bioxen.vm.${type}.v1`);
      return stdout.split("\n").find((line) => line.startsWith(`#${seq} `));
    };
    const placed = history.find((event) => event.type === "bioxen.vm.placed.v1");
    expect(lineOf("created")).toMatch(/\+0 ms +created: syn3a .* lifecycle +admin +by command vm\.create/);
    expect(lineOf("start-requested")).toMatch(/start requested +lifecycle +admin +by command vm\.start/);
    expect(lineOf("deferred")).toMatch(/waits: ecoli-1: .*because it was requested to start at #\d+/);
    expect(lineOf("placed")).toContain(`because ledger ecoli-1 reserved it at #${placed.data.fence}`);
    expect(lineOf("started")).toContain(`because it was placed at #${placed.seq}`);
  });

  it("shows one event with its cause and its effects, and rejects an unknown sequence", async () => {
    const placed = events.findIndex((event) => event.type === "bioxen.vm.placed.v1");
    const { fence } = events[placed].data;
    const [words, json, beyond, none, from] = await Promise.all([
      world.bioxen("events", "show", String(fence)),
      world.bioxenJson("events", "show", String(placed + 1)),
      world.bioxen("events", "show", "1000000"),
      world.bioxen("events", "show", "0"),
      world.bioxen("events", "tail", "--from", "1000000"),
    ]);
    expect(words.stdout).toContain(`effect   #${placed + 1} ${events[placed].subject}: placed on`);
    expect(json).toMatchObject({ seq: placed + 1, ...events[placed], causedBy: { seq: fence } });
    const started = json.effects.find((one: Json) => one.type === "bioxen.vm.started.v1");
    expect(events[started.seq - 1].causationid).toBe(json.id);
    expect(beyond.code).toBe(1);
    expect(beyond.stderr).toMatch(/event #1000000 does not exist: the log ends at #\d+/);
    expect(none.code).toBe(2);
    expect(from.code).toBe(1);
  });

  it("is followed by commands that exit with 0 within 2 s after Ctrl-C", async () => {
    const followed = await Promise.all([
      world.bioxenUntilCtrlC("events", "tail", "--from", "1"),
      world.bioxenUntilCtrlC("vm", "watch", "late"),
      world.bioxenUntilCtrlC("vm", "logs", "late"),
    ]);
    for (const { code, stderr, endedInMs } of followed) {
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(endedInMs).toBeLessThan(ENDS_WITHIN_MS);
    }
    expect(followed[0].stdout).toMatch(
      /^#1 \S+ \S+ \S+ +chassis\/\S+ registered: .* \[chassis-scheduler, by agent:local\]/,
    );
  });
});
