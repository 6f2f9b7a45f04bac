/**
 * A log of a large fleet, published to a server without the services that would have written it: thousands of running
 * VMs on one chassis, many more chassis, and one VM with a long history. Digests and sequences are those of a real log.
 */
import { type AggregateKind, encodeEvent, eventSubject } from "@bioxen/contracts";
import type { EventBody } from "@bioxen/kernel";
import { connectBus, openEventLog } from "@bioxen/nats";
import { createdVm, envelopeOf, registeredChassis, storedOf } from "@bioxen/testkit";

export interface LargeFleet {
  /** VMs that run on {@link BIG}, with 30 labels each. */
  readonly vms: number;
  /** Chassis beside {@link BIG}. */
  readonly chassis: number;
  /** Checkpoints of the first VM. */
  readonly checkpoints: number;
}

/** The chassis that has all VMs. */
export const BIG = "big";
const AMOUNTS = { ribosomes: 1 };
const RESERVATIONS_PER_EVENT = 100;
/** Messages that wait for their acknowledgement at a time. */
const IN_FLIGHT = 2_000;

export const vmIdOf = (i: number) => `vm-${String(i).padStart(5, "0")}`;
export const chassisIdOf = (i: number) => `chassis-${String(i).padStart(4, "0")}`;

function labelsOf(i: number): Record<string, string> {
  const labels: [string, string][] = [["team", "all"]];
  for (let k = 1; k < 30; k += 1) labels.push([`example.org/label-${k}`, `value ${k} of the VM ${i}`]);
  return Object.fromEntries(labels);
}

class Writer {
  readonly #publish: (subject: string, bytes: Uint8Array) => Promise<void>;
  readonly #last = new Map<string, { version: number; digest: string }>();
  #seq = 0;

  constructor(publish: (subject: string, bytes: Uint8Array) => Promise<void>) {
    this.#publish = publish;
  }

  /** Appends the next event of an aggregate and returns its sequence. */
  async append(kind: AggregateKind, id: string, body: EventBody): Promise<number> {
    const key = `${kind}/${id}`;
    const before = this.#last.get(key);
    const bare = envelopeOf(kind, id, body, { version: (before?.version ?? 0) + 1 });
    const envelope = before === undefined ? bare : { ...bare, previoushash: before.digest };
    this.#seq += 1;
    const { digest } = storedOf(this.#seq, envelope);
    this.#last.set(key, { version: bare.aggregateversion, digest });
    await this.#publish(eventSubject(kind, id), encodeEvent(envelope));
    return this.#seq;
  }
}

/** Writes the log to an empty server. Returns the number of events. */
export async function writeLargeLog(url: string, fleet: LargeFleet): Promise<number> {
  const bus = await connectBus({ servers: url, name: "large-log" });
  await openEventLog(bus);
  const waiting = new Set<Promise<unknown>>();
  const writer = new Writer(async (subject, bytes) => {
    // The reply is the acknowledgement of the stream.
    const stored = bus.connection.request(subject, bytes, { timeout: 30_000 });
    const done = stored.finally(() => waiting.delete(done));
    waiting.add(done);
    if (waiting.size >= IN_FLIGHT) await Promise.race(waiting);
  });
  const last = await writeFleet(writer, fleet);
  await Promise.all(waiting);
  await bus.close();
  return last;
}

async function writeFleet(writer: Writer, { vms, chassis, checkpoints }: LargeFleet): Promise<number> {
  const capacity = { ribosomes: 1_000_000 };
  const opened = { chassisType: "ecoli", capacity, offered: capacity, maxVms: 100_000 };
  const registered = { ...registeredChassis().data, capacity, maxVms: 100_000 };
  const ids = [BIG, ...Array.from({ length: chassis }, (_, i) => chassisIdOf(i))];
  for (const id of ids) {
    await writer.append("chassis", id, { type: "bioxen.chassis.registered.v1", data: registered });
    await writer.append("ledger", id, { type: "bioxen.ledger.opened.v1", data: opened });
  }
  for (let from = 0; from < vms; from += RESERVATIONS_PER_EVENT) {
    const some = Array.from({ length: Math.min(RESERVATIONS_PER_EVENT, vms - from) }, (_, i) => from + i);
    for (const i of some) {
      const { data } = createdVm({ request: AMOUNTS, labels: labelsOf(i) });
      await writer.append("vm", vmIdOf(i), { type: "bioxen.vm.created.v1", data });
      await writer.append("vm", vmIdOf(i), {
        type: "bioxen.vm.start-requested.v1",
        data: { automatic: false },
      });
    }
    const reservations = some.map((i) => ({ vmId: vmIdOf(i), incarnation: 1, amounts: AMOUNTS }));
    const data = { planId: `plan-${from}`, reservations, expiresAtMs: 1 };
    const fence = await writer.append("ledger", BIG, { type: "bioxen.ledger.reserved.v1", data });
    for (const i of some) {
      const placed = { chassisId: BIG, fence, allocation: AMOUNTS };
      await writer.append("vm", vmIdOf(i), { type: "bioxen.vm.placed.v1", data: placed });
      await writer.append("vm", vmIdOf(i), { type: "bioxen.vm.started.v1", data: { fence } });
    }
    const entries = some.map((i) => ({ vmId: vmIdOf(i), fence }));
    await writer.append("ledger", BIG, { type: "bioxen.ledger.committed.v1", data: { entries } });
  }
  const fence = 2 * ids.length + 2 * Math.min(RESERVATIONS_PER_EVENT, vms) + 1;
  let seq = 0;
  for (let i = 0; i < checkpoints; i += 1) {
    const data = { fence, checkpointId: `c-${i}`, simMinutes: i, bytes: 1_000, sha256: "0".repeat(64) };
    seq = await writer.append("vm", vmIdOf(0), { type: "bioxen.vm.checkpointed.v1", data });
  }
  return seq;
}
