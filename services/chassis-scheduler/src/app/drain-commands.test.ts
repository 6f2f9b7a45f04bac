/**
 * Drain commands at an instance that has read the drain, and not yet the VMs it lists.
 */
import type { AggregateKind, DrainEvent, LedgerEvent, VmEvent } from "@bioxen/contracts";
import {
  type EventBody,
  EventFeed,
  type Following,
  type FollowOptions,
  type ServicePorts,
  type StoredEvent,
} from "@bioxen/kernel";
import {
  appendNext,
  createdVm,
  FakeClock,
  idsInOrder,
  MemoryEventLog,
  registeredChassis,
  settle,
} from "@bioxen/testkit";
import { expect, it } from "vitest";
import { Cluster } from "./cluster.ts";
import { DrainCommands } from "./drain-commands.ts";

const AMOUNTS = { ribosomes: 10 };
const event = (type: string, data: object) =>
  ({ type: `bioxen.${type}.v1`, data }) as VmEvent | LedgerEvent | DrainEvent;

/** A log that delivers events to its follower only when the test releases them. */
class HeldBackLog extends MemoryEventLog {
  #follower: FollowOptions | undefined;
  readonly #events: StoredEvent[] = [];

  override async follow(options: FollowOptions): Promise<Following> {
    this.#follower = options;
    const following = await super.follow({ ...options, onEvent: (event) => this.#events.push(event) });
    await settle();
    return following;
  }

  release(untilSeq: number): void {
    for (const event of this.#events) if (event.seq <= untilSeq) this.#follower?.onEvent(event);
  }
}

/**
 * The log of chassis `c`, which is being drained while VM `v` runs on it. `readUntil` is the newest event before the VM
 * came.
 */
async function drainedChassis() {
  const stored = new HeldBackLog();
  const clock = new FakeClock();
  const happens = async (kind: AggregateKind, id: string, body: EventBody) =>
    (await appendNext(stored, kind, id, body)).seq;
  await happens("chassis", "c", registeredChassis());
  await happens(
    "ledger",
    "c",
    event("ledger.opened", { chassisType: "ecoli", capacity: AMOUNTS, offered: AMOUNTS, maxVms: 5 }),
  );
  await happens("vm", "v", createdVm());
  await happens("vm", "v", event("vm.start-requested", { automatic: false }));
  const readUntil = await stored.lastSeq();
  const reservations = [{ vmId: "v", incarnation: 1, amounts: AMOUNTS }];
  const fence = await happens(
    "ledger",
    "c",
    event("ledger.reserved", { planId: "p", reservations, expiresAtMs: 9e15 }),
  );
  await happens("vm", "v", event("vm.placed", { chassisId: "c", fence, allocation: AMOUNTS }));
  await happens("vm", "v", event("vm.started", { fence }));
  const drain = { vmIds: ["v"], wasCordoned: false, parallelism: 1, deadlineAtMs: 9e15 };
  await happens("drain", "c", event("drain.started", drain));
  return { stored, clock, readUntil };
}

it("a cancelled drain does not list a VM as left because this instance has not read it yet", async () => {
  const { stored, clock, readUntil } = await drainedChassis();
  const ports = { log: stored, clock, timers: clock, ids: idsInOrder("x") } as unknown as ServicePorts;
  const cluster = new Cluster(ports, () => clock.nowMs(), 1_000);
  const feed = new EventFeed(stored, [cluster.chassis, cluster.drains, cluster.vms, cluster.ledgers], clock);
  await feed.start();
  cluster.begin(feed);
  stored.release(readUntil);
  const commands = new DrainCommands(cluster, clock, new Map());
  let isAnswered = false;
  const causation = { causeId: "x", correlationId: "x", deduplicate: false };
  const answer = commands.cancel({ chassisId: "c" }, causation, 1_000_000).then((reply) => {
    isAnswered = true;
    return reply;
  });
  await settle();
  expect(isAnswered).toBe(false);
  stored.release(Number.POSITIVE_INFINITY);
  expect(await answer).toMatchObject({ ok: true, result: { changed: true, drain: { status: "cancelled" } } });
  const [, cancelled] = await stored.read("bioxen.evt.drain.c", 0);
  expect(cancelled?.envelope.data).toMatchObject({ left: [] });
});
