/**
 * Drains at an instance that has heard of the drain, and not yet of the VMs it names.
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

/** Its follower is given events when the test says so. */
class LogByHand extends MemoryEventLog {
  #late: FollowOptions | undefined;
  readonly #events: StoredEvent[] = [];

  override async follow(options: FollowOptions): Promise<Following> {
    this.#late = options;
    const following = await super.follow({ ...options, onEvent: (event) => this.#events.push(event) });
    await settle();
    return following;
  }

  bring(untilSeq: number): void {
    for (const event of this.#events) if (event.seq <= untilSeq) this.#late?.onEvent(event);
  }
}

/** A chassis `c` where VM `v` runs and that is being drained; what is known of it comes by hand. */
async function instance() {
  const stored = new LogByHand();
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
  const heard = await stored.lastSeq();
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
  return { stored, clock, heard };
}

it("who has just come is not said to have left when a drain is cancelled", async () => {
  const { stored, clock, heard } = await instance();
  const ports = { log: stored, clock, timers: clock, ids: idsInOrder("x") } as unknown as ServicePorts;
  const cluster = new Cluster(ports, () => clock.nowMs(), 1_000);
  const feed = new EventFeed(stored, [cluster.chassis, cluster.drains, cluster.vms, cluster.ledgers], clock);
  await feed.start();
  cluster.begin(feed);
  stored.bring(heard);
  const commands = new DrainCommands(cluster, clock, new Map());
  let isAnswered = false;
  const causation = { causeId: "x", correlationId: "x", deduplicate: false };
  const answer = commands.cancel({ chassisId: "c" }, causation).then((reply) => {
    isAnswered = true;
    return reply;
  });
  await settle();
  expect(isAnswered).toBe(false);
  stored.bring(Number.POSITIVE_INFINITY);
  expect(await answer).toMatchObject({ ok: true, result: { changed: true, drain: { status: "cancelled" } } });
  const [, cancelled] = await stored.read("bioxen.evt.drain.c", 0);
  expect(cancelled?.envelope.data).toMatchObject({ left: [] });
});
