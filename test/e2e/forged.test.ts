/**
 * What any client can send or publish in the name of a service: no request of it is recorded, and a log that has a
 * forged lease token goes on.
 */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rawEvents } from "./raw-fold.ts";
import { eventually, type Json, World } from "./world.ts";

/** 2^53 - 1, the largest integer that JSON carries exactly. */
const FORGED = Number.MAX_SAFE_INTEGER;
const CHASSIS = "ecoli-1";

let world: World;
beforeAll(async () => {
  // Without keys: the test appends forged events.
  world = await World.open({ keys: false, chassis: "ecoli:2" });
});
afterAll(() => world.close());

const plan = (vmId: string, more: object = {}) => ({
  planId: "forged",
  reservations: [{ vmId, incarnation: 1, amounts: { ribosomes: 1 } }],
  ...more,
});
const reserve = (vmId: string, more: object = {}): Promise<Json> =>
  world.ask("cmd.ledger.reserve", { chassisId: CHASSIS, ...plan(vmId, more) });

async function ledgerEvents(): Promise<Json[]> {
  return (await rawEvents(world.nats)).filter(({ subject }) => subject === `ledger/${CHASSIS}`);
}

async function create(vmId: string): Promise<void> {
  await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a", resources: { ribosomes: "20%" } });
}

async function run(...vmIds: string[]): Promise<void> {
  for (const vmId of vmIds) {
    await create(vmId);
    await world.done("cmd.vm.start", { vmId });
  }
  for (const vmId of vmIds) await world.reach(vmId, "running");
  // A VM can run before its reservation is committed. The tests count the events of the ledger, and continue its chain.
  await eventually(`the reservations of ${vmIds.join(", ")} are committed`, async () => {
    const commits = (await rawEvents(world.nats)).filter(({ type }) => type === "bioxen.ledger.committed.v1");
    const committed = new Set(commits.flatMap(({ data }) => data.entries.map((entry: Json) => entry.vmId)));
    return vmIds.every((vmId) => committed.has(vmId)) ? true : undefined;
  });
}

/** Publishes an event that continues the chain of its aggregate. Every client of an open server can do so. */
async function publishForged(data: object): Promise<number> {
  const subject = `bioxen.evt.ledger.${CHASSIS}`;
  const stored = (
    await world.nats.request("$JS.API.STREAM.MSG.GET.BIOXEN_EVENTS", `{"last_by_subj":"${subject}"}`)
  ).json<Json>();
  const bytes = Buffer.from(stored.message.data, "base64");
  const last = JSON.parse(bytes.toString());
  const { traceparent: _, ...before } = last;
  const event = {
    ...before,
    id: `forged-${stored.message.seq}`,
    type: "bioxen.ledger.reserved.v1",
    data,
    time: new Date().toISOString(),
    aggregateversion: last.aggregateversion + 1,
    previoushash: createHash("sha256").update(bytes).digest("hex"),
  };
  const ack = await world.nats.request(subject, JSON.stringify(event));
  return ack.json<Json>().seq;
}

describe("an internal request of a foreign client", () => {
  it("reserves nothing under a token that was never issued, nor for a VM that waits for no place", async () => {
    await create("z1");
    await run("r1");
    const before = (await ledgerEvents()).length;
    const issued = (await ledgerEvents()).map(({ data }) => data.proposerToken ?? 0);
    const genuine = Math.max(...issued, 1);
    for (const proposerToken of [FORGED, 2 ** 52, Date.now() + 366 * 86_400_000, 0, -1, 1.5, 2 ** 53]) {
      expect((await reserve("z1", { proposerToken })).error).toMatchObject({ code: "BAD_REQUEST" });
    }
    for (const proposerToken of [Date.now() + 5_000, 1]) {
      expect((await reserve("z1", { proposerToken })).error).toMatchObject({ code: "CONFLICT" });
    }
    const refused = await reserve("z1", { proposerToken: genuine });
    if (refused.ok) expect(refused).toMatchObject({ seq: null, reserved: [], refused: [{ vmId: "z1" }] });
    else expect(refused.error).toMatchObject({ code: "CONFLICT" });
    expect((await ledgerEvents()).length).toBe(before);
    await run("r2");
  });
});

describe("a log with a forged lease token", () => {
  it("goes on, also after a restart, and the tools name the event", async () => {
    const seq = await publishForged(plan("z1", { expiresAtMs: Date.now(), proposerToken: FORGED }));
    await run("q1");
    await world.restart();
    await run("q2", "q3");
    const verified = await world.bioxen("events", "verify", "--json");
    expect(verified.code).toBe(1);
    expect(JSON.parse(verified.stdout).violations).toMatchObject([{ seq, rule: "unissued-token" }]);
    const { findings } = await world.bioxenJson("doctor");
    const named = findings.find(({ check }: Json) => check === `ledger ${CHASSIS}`);
    expect(named).toMatchObject({
      verdict: "warn",
      found: `event ${seq} has the lease token ${FORGED}, which was never issued: it was forged, and is ignored`,
    });
    const released = await eventually("the forged reservation is released", async () => {
      const { ledger } = await world.look("qry.ledger.get", { chassisId: CHASSIS });
      return ledger?.entries.every(({ vmId }: Json) => vmId !== "z1") ? ledger : undefined;
    });
    expect(released.ignoredToken).toEqual({ seq, token: FORGED });
  });
});
