/**
 * The pages of the orphans in a pool, and the counts for its heartbeat.
 */
import { agentOrphans, callByShape, type Handled } from "@bioxen/contracts";
import type { Reply } from "@bioxen/kernel";
import type { LeftBehind, Orphan } from "@bioxen/vm-driver";
import { expect, it } from "vitest";
import type { Drivers } from "./drivers.ts";
import { PoolOrphans } from "./pool-orphans.ts";

/** Bytes of a page: room for about ten orphans. */
const PAGE_BYTES = 4_096;

function orphan(index: number): Orphan {
  return {
    uuid: `${String(index).padStart(8, "0")}-0000-0000-0000-000000000000`,
    name: `BioXen x${index} (xcpng-1, 5f0c1d2e3a4b5c6d)`,
    vmId: `x${index}`,
    clusterId: null,
    agentId: "a",
    incarnation: 1,
    fence: 7,
    state: "halted",
    resources: { vcpus: 1, memoryMiB: 512 },
    cause: "log",
  };
}

/** What a pool keeps; without `nextTryAtMs` it was given up. */
const left = (uuid: string, nextTryAtMs?: number): LeftBehind => ({
  vmId: "x1",
  kind: "disk",
  uuid,
  tries: 1,
  reason: "VDI_IN_USE",
  ...(nextTryAtMs === undefined ? {} : { nextTryAtMs }),
});

/** `listed` is what the driver lists, and `recorded` what the log has. */
function rig(count: number, listed: readonly LeftBehind[] = [], recorded: readonly LeftBehind[] = []) {
  let pool = Array.from({ length: count }, (_, index) => orphan(index));
  const drivers = { orphans: () => pool.toReversed(), leftBehind: () => listed } as unknown as Drivers;
  const leftBehind = recorded.map((one) => ({ ...one, nextTryAtMs: one.nextTryAtMs ?? null }));
  const view = { chassis: { entries: () => [] }, registered: () => ({ leftBehind }) };
  const orphans = new PoolOrphans({ clusterId: "c", drivers, view: view as never, poolIds: ["pool"] });
  let requests = 0;
  const caller = {
    call: async (_subject: string, request: unknown): Promise<Reply> => {
      requests += 1;
      const listed: Handled<object> = orphans.listed(request as never, PAGE_BYTES);
      if (!listed.ok) return { ok: false, error: { ...listed.rejection, retryable: false } };
      expect(JSON.stringify(listed.result).length).toBeLessThanOrEqual(PAGE_BYTES);
      return { ok: true, ...listed.result };
    },
  };
  const { pages } = agentOrphans("a");
  const shape = { subject: "bioxen.qry.chassis.orphans", required: ["total"], pages };
  return {
    all: async (request: object = { chassisId: "pool" }) =>
      (await callByShape(caller, shape, request, { timeoutMs: 1 })) as unknown as {
        total: number;
        orphans: Orphan[];
        cursor: string | null;
      },
    counts: (chassisId = "pool") => orphans.counts(chassisId),
    requests: () => requests,
    remove: (index: number) => {
      pool = pool.filter(({ vmId }) => vmId !== `x${index}`);
    },
  };
}

it("a pool with more orphans than fit in a reply is listed completely, in order of uuid", async () => {
  const { all, requests } = rig(450);
  const { total, orphans, cursor } = await all();
  expect(orphans.map(({ vmId }) => vmId)).toEqual(Array.from({ length: 450 }, (_, index) => `x${index}`));
  expect([total, cursor]).toEqual([450, null]);
  expect(requests()).toBeGreaterThan(20);
});

it("a page has at most `limit` orphans, and the next goes on although its last one is gone", async () => {
  const { all, remove } = rig(5);
  const first = await all({ chassisId: "pool", limit: 2 });
  expect(first.orphans.map(({ vmId }) => vmId)).toEqual(["x0", "x1"]);
  remove(1);
  const next = await all({ chassisId: "pool", limit: 9, cursor: first.cursor });
  expect(next.orphans.map(({ vmId }) => vmId)).toEqual(["x2", "x3", "x4"]);
  expect([next.total, next.cursor]).toEqual([4, null]);
});

it("a chassis that is no pool has none, and a cursor of another listing is refused", async () => {
  const { all } = rig(3);
  expect(await all({ chassisId: "cells" })).toMatchObject({ total: 0, orphans: [], cursor: null });
  expect(await all({ chassisId: "pool", cursor: "7:x:1" })).toMatchObject({
    ok: false,
    error: { code: "BAD_REQUEST" },
  });
});

it("what was given up counts once, by the driver or by the log, also while a restarted agent tries again", () => {
  expect(rig(2).counts()).toEqual({ orphans: 2, leftBehind: 0 });
  const leftBehind = (listed: LeftBehind[], recorded: LeftBehind[]) => rig(0, listed, recorded).counts();
  expect(leftBehind([left("u1", 7)], [left("u1", 7)]), "it is still tried").toMatchObject({ leftBehind: 0 });
  expect(leftBehind([left("u1")], [left("u1", 7)]), "not reported yet").toMatchObject({ leftBehind: 1 });
  expect(leftBehind([left("u1"), left("u2")], [left("u1")])).toMatchObject({ leftBehind: 2 });
  expect(leftBehind([], [left("u1")]), "the agent has restarted").toMatchObject({ leftBehind: 1 });
  expect(leftBehind([left("u1", 7)], [left("u1")]), "and tries again").toMatchObject({ leftBehind: 1 });
  expect(rig(1, [left("u1")]).counts("cells"), "no pool").toBeUndefined();
});
