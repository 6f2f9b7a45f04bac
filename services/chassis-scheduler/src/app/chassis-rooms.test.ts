/**
 * The VMs on a chassis, as the terms of waiting VMs see them.
 */
import { EventFeed, type ServicePorts } from "@bioxen/kernel";
import {
  appendNext,
  createdVm,
  FakeClock,
  idsInOrder,
  MemoryEventLog,
  registeredChassis,
  settle,
  vmEvent,
} from "@bioxen/testkit";
import { expect, it } from "vitest";
import { Cluster } from "./cluster.ts";

const CAPACITY = { ribosomes: 10 };
const OPENED = { chassisType: "ecoli", capacity: CAPACITY, offered: CAPACITY, maxVms: 4 };

it("a placed VM is seen by the terms of its present owner, also directly after a transfer", async () => {
  const log = new MemoryEventLog();
  const clock = new FakeClock();
  await appendNext(log, "chassis", "c", registeredChassis());
  await appendNext(log, "ledger", "c", { type: "bioxen.ledger.opened.v1", data: OPENED });
  await appendNext(log, "vm", "web", createdVm());
  await appendNext(log, "vm", "web", vmEvent("transferred", { owner: "alice" }));
  const reservations = [{ vmId: "web", incarnation: 1, amounts: CAPACITY }];
  const data = { planId: "p", reservations, expiresAtMs: 1_000_000 };
  await appendNext(log, "ledger", "c", { type: "bioxen.ledger.reserved.v1", data });
  const ports = { log, clock, timers: clock, ids: idsInOrder("x") } as unknown as ServicePorts;
  const cluster = new Cluster(ports, () => clock.nowMs(), 1_000);
  const { chassis, drains, vms, ledgers } = cluster;
  const feed = new EventFeed(log, [chassis, drains, vms, ledgers], clock);
  await feed.start();
  cluster.begin(feed);
  const isSeenBy = (owner: string) =>
    cluster.rooms()[0]?.neighbours?.find({ vmIds: ["web"] }, { vmId: "x", owner }) !== undefined;
  expect([isSeenBy("alice"), isSeenBy("bob"), isSeenBy("admin")]).toEqual([true, false, true]);
  await appendNext(log, "vm", "web", vmEvent("transferred", { owner: "bob" }));
  await settle();
  expect([isSeenBy("alice"), isSeenBy("bob"), isSeenBy("admin")]).toEqual([false, true, true]);
});
