/**
 * Five hundred VMs compete for the last eighteen places: no capacity is given twice, and no VM waits while there is room.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectRaw } from "./raw-connection.ts";
import { eventually, type Json, World } from "./world.ts";

/** The chassis offers 10 200 kb of genome space: enough for eighteen genomes of 543 kb, and not for one more. */
const PLACES = 18;
const FREE_KILOBASES = 426;
const CONTENDERS = 500;
/** Longest wait until each of them has run or has its reason, ms: one synced event for each, on a machine that can be busy. */
const SETTLED_WITHIN_MS = 90_000;

let world: World;
beforeAll(async () => {
  world = await World.shared({ chassis: "ecoli:1" });
});
afterAll(() => world.close());

async function countOf(state: string): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const page = await world.done("qry.vm.list", { state, ...(cursor ? { cursor } : {}) });
    count += page.vms.length;
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
  return count;
}

const racer = (i: number) => `racer-${String(i).padStart(3, "0")}`;

/**
 * Starts a VM, and repeats a start that the service refuses because this principal has too many requests under way. On a
 * stack with keys all clients of this file are one principal.
 */
async function startOf(client: NatsConnection, vmId: string): Promise<Json> {
  for (;;) {
    const payload = JSON.stringify({ vmId });
    const reply = (await client.request("bioxen.cmd.vm.start", payload, { timeout: 60_000 })).json<Json>();
    const waitMs = reply.error?.details?.retryAfterMs;
    if (waitMs === undefined) return reply;
    await sleep(waitMs);
  }
}

describe("a race for the last places", () => {
  it("gives out exactly eighteen places, and a freed place to exactly one waiting VM", async () => {
    const resources = { ribosomes: 100, rnaPolymerases: 20, atpPerSecond: 1_000 };
    for (let i = 0; i < CONTENDERS; i += 1) {
      await world.done("cmd.vm.create", { vmId: racer(i), biologicalType: "syn3a", resources });
    }
    const clients = await Promise.all([0, 1].map(() => connectRaw(world.home)));
    await Promise.all(
      Array.from({ length: CONTENDERS }, async (_, i) => {
        const client = clients[i % clients.length] ?? world.nats;
        expect(await startOf(client, racer(i))).toMatchObject({ ok: true });
      }),
    );
    const haveEighteen = async () => ((await countOf("running")) === PLACES ? true : undefined);
    await eventually("eighteen VMs run", haveEighteen, SETTLED_WITHIN_MS);
    const waiting = await eventually(
      "every waiting VM has the reason",
      async () => {
        const { vms } = await world.done("qry.vm.list", { state: "pending" });
        const hasReasons = vms.every((vm: Json) =>
          vm.refusals.some((r: Json) => r.code === "CAPACITY_EXCEEDED"),
        );
        return vms.length === CONTENDERS - PLACES && hasReasons ? (vms as Json[]) : undefined;
      },
      SETTLED_WITHIN_MS,
    );
    expect(waiting).toHaveLength(CONTENDERS - PLACES);
    expect(waiting.every((vm) => vm.reason.startsWith("ecoli-1: CAPACITY_EXCEEDED: not enough room"))).toBe(
      true,
    );
    expect(await countOf("running")).toBe(PLACES);
    const verified = await world.bioxenJson("events", "verify");
    expect(verified.violations).toEqual([]);

    const [lucky] = (await world.done("qry.vm.list", { state: "running" })).vms;
    await world.done("cmd.vm.stop", { vmId: lucky.vmId });
    await world.reach(lucky.vmId, "stopped");
    await eventually("the freed place is taken", haveEighteen);
    expect(await countOf("pending")).toBe(CONTENDERS - PLACES - 1);
    const { ledger } = await world.done("qry.ledger.get", { chassisId: "ecoli-1" });
    expect(ledger.entries).toHaveLength(PLACES);
    expect(ledger.free.dnaKilobases).toBe(FREE_KILOBASES);
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
    for (const client of clients) await client.close();
  });
});
