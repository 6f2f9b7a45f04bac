/**
 * What a caller learns from placement queries about the VMs and the listings of others.
 */
import { ENDPOINTS, type Handled, type ParsedRequestOf } from "@bioxen/contracts";
import { EventFeed, type ServicePorts } from "@bioxen/kernel";
import { DEFAULT_POLICY } from "@bioxen/placement";
import {
  appendNext,
  createdVm,
  FakeClock,
  idsInOrder,
  MemoryEventLog,
  registeredChassis,
  vmEvent,
} from "@bioxen/testkit";
import { expect, it } from "vitest";
import { Cluster } from "./cluster.ts";
import { PlacementQueries } from "./placement-queries.ts";

const MAX_BYTES = 100_000;
const CAPACITY = { ribosomes: 10 };
const OPENED = { chassisType: "ecoli", capacity: CAPACITY, offered: CAPACITY, maxVms: 4 };

/** Queries about three chassis and the VM `new-vm`, which has a place on `c1`. */
async function queries(): Promise<PlacementQueries> {
  const log = new MemoryEventLog();
  const clock = new FakeClock();
  for (const id of ["c1", "c2", "c3"]) {
    await appendNext(log, "chassis", id, registeredChassis());
    await appendNext(log, "ledger", id, { type: "bioxen.ledger.opened.v1", data: OPENED });
  }
  await appendNext(log, "vm", "new-vm", createdVm());
  await appendNext(log, "vm", "new-vm", vmEvent("start-requested", { automatic: false }));
  await appendNext(log, "vm", "new-vm", vmEvent("placed", { chassisId: "c1", fence: 9, allocation: {} }));
  const ports = { log, clock, timers: clock, ids: idsInOrder("x") } as unknown as ServicePorts;
  const cluster = new Cluster(ports, () => clock.nowMs(), 1_000);
  const { chassis, drains, vms, ledgers } = cluster;
  const feed = new EventFeed(log, [chassis, drains, vms, ledgers], clock);
  await feed.start();
  cluster.begin(feed);
  return new PlacementQueries(cluster, ports, DEFAULT_POLICY);
}

const planOf = (request: object) =>
  ENDPOINTS.placementPlan.request.parse(request) as ParsedRequestOf<"placementPlan">;
const resultOf = <T>(handled: Handled<T>): T => {
  if (!handled.ok) throw new Error(handled.rejection.message);
  return handled.result;
};

it("a plan for a new VM without an id says nothing of an existing VM with the name that stands for it", async () => {
  const plans = await queries();
  const unnamed = resultOf(await plans.plan(planOf({ biologicalType: "syn3a" }), "alice", MAX_BYTES));
  expect(unnamed.changes).toEqual([]);
  const named = planOf({ vmId: "new-vm", biologicalType: "syn3a" });
  const { changes } = resultOf(await plans.plan(named, "admin", MAX_BYTES));
  expect(changes).toEqual([{ vmId: "new-vm", from: "c1", to: null }]);
});

it("the cursor of a listing is of use to the caller that it was given to, and to no other one", async () => {
  const asked = await queries();
  const explained = { vmId: "new-vm", limit: 1 };
  const { cursor } = resultOf(await asked.explain(explained, "bob", MAX_BYTES));
  expect(cursor).not.toBeNull();
  const next = { ...explained, cursor: cursor ?? "" };
  expect(await asked.explain(next, "alice", MAX_BYTES)).toMatchObject({
    ok: false,
    rejection: { code: "BAD_REQUEST" },
  });
  expect(await asked.explain(next, "bob", MAX_BYTES)).toMatchObject({ ok: true });
  const planned = { ...planOf({ biologicalType: "syn3a" }), limit: 1 };
  const first = resultOf(await asked.plan(planned, "bob", MAX_BYTES));
  expect(first.cursor).not.toBeNull();
  const second = { ...planned, cursor: first.cursor ?? "" };
  expect(await asked.plan(second, "alice", MAX_BYTES)).toMatchObject({ ok: false });
  expect(await asked.plan(second, "bob", MAX_BYTES)).toMatchObject({ ok: true });
});
