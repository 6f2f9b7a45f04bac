/**
 * Generates the log of a busy fleet: 100 000 VMs from their creation to their end, the chassis of these VMs, and the
 * ledgers of the chassis with all reservations.
 *
 * Every event has the form that the services write: versions count up, digests chain, and reservations stay within the
 * offer. All events are over an hour old. A service remembers only the outcomes of recent commands, so it remembers
 * no outcome from this log.
 */
import {
  type ChassisEvent,
  digestOf,
  encodeEvent,
  eventSubject,
  FULL_DEMAND,
  type LedgerEvent,
  offeredOf,
  type VmEvent,
} from "@bioxen/contracts";

export interface LogMessage {
  readonly subject: string;
  readonly bytes: Uint8Array;
  readonly id: string;
}

/** Number of VMs on each chassis of this log. All VMs of a chassis are placed together. */
const VMS_PER_CHASSIS = 16;
const STARTS_AT_MS = Date.parse("2026-01-01T00:00:00.000Z");
const MS_PER_EVENT = 3;
const CAPACITY = { atpPerSecond: 6_400_000, dnaKilobases: 12_000, ribosomes: 26_300, rnaPolymerases: 5_000 };
const OVERHEAD_PERMILLE = 150;

class Writer {
  #seq = 0;
  readonly #before = new Map<string, { version: number; digest: string }>();

  get seq(): number {
    return this.#seq;
  }

  write(
    kind: "vm" | "ledger" | "chassis",
    id: string,
    event: VmEvent | LedgerEvent | ChassisEvent,
  ): LogMessage {
    this.#seq += 1;
    const subject = `${kind}/${id}`;
    const before = this.#before.get(subject);
    const version = (before?.version ?? 0) + 1;
    const eventId = `${this.#seq.toString(36).padStart(9, "0")}0123456789abcdef0123`;
    const bytes = encodeEvent({
      specversion: "1.0",
      id: eventId,
      source: "/bioxen/bench",
      type: event.type,
      subject,
      time: new Date(STARTS_AT_MS + this.#seq * MS_PER_EVENT).toISOString(),
      datacontenttype: "application/json",
      data: event.data,
      aggregateversion: version,
      correlationid: `start of ${id}`,
      causationid: eventId,
      ...(before === undefined ? {} : { previoushash: before.digest }),
    });
    this.#before.set(subject, { version, digest: digestOf(bytes) });
    return { subject: eventSubject(kind, id), bytes, id: eventId };
  }
}

/** Yields exactly `count` events. The number of VMs in them is about a tenth of `count`. */
export function* syntheticLog(count: number): Generator<LogMessage> {
  const writer = new Writer();
  for (let chassis = 0; ; chassis += 1) {
    for (const message of chassisEvents(writer, chassis)) {
      yield message;
      if (writer.seq >= count) return;
    }
  }
}

/**
 * Yields the events of one chassis and its VMs. Half of the VMs are destroyed in the end; the other half still runs.
 */
function* chassisEvents(writer: Writer, number: number): Generator<LogMessage> {
  const chassisId = `chassis-${number}`;
  const demand = FULL_DEMAND.syn3a;
  const vmIds = Array.from({ length: VMS_PER_CHASSIS }, (_, i) => `cell-${number}-${i}`);
  const offered = offeredOf({
    chassisType: "ecoli",
    capacity: CAPACITY,
    overheadPermille: OVERHEAD_PERMILLE,
  });
  yield writer.write("chassis", chassisId, {
    type: "bioxen.chassis.registered.v1",
    data: {
      chassisType: "ecoli",
      capacity: CAPACITY,
      overheadPermille: OVERHEAD_PERMILLE,
      maxVms: 64,
      labels: {},
      agentId: `agent-${number % 16}`,
    },
  });
  yield writer.write("ledger", chassisId, {
    type: "bioxen.ledger.opened.v1",
    data: { chassisType: "ecoli", capacity: CAPACITY, offered, maxVms: 64 },
  });
  const vm = (vmId: string, event: VmEvent) => writer.write("vm", vmId, event);
  for (const vmId of vmIds) {
    yield vm(vmId, { type: "bioxen.vm.created.v1", data: newVm(demand, number) });
    yield vm(vmId, { type: "bioxen.vm.start-requested.v1", data: { automatic: false } });
  }
  const reservations = vmIds.map((vmId) => ({ vmId, incarnation: 1, amounts: demand }));
  yield writer.write("ledger", chassisId, {
    type: "bioxen.ledger.reserved.v1",
    data: { planId: `plan-${number}`, reservations, expiresAtMs: STARTS_AT_MS },
  });
  const fence = writer.seq;
  const entries = vmIds.map((vmId) => ({ vmId, fence }));
  for (const vmId of vmIds) {
    yield vm(vmId, { type: "bioxen.vm.placed.v1", data: { chassisId, fence, allocation: demand } });
    yield vm(vmId, { type: "bioxen.vm.started.v1", data: { fence } });
  }
  yield writer.write("ledger", chassisId, { type: "bioxen.ledger.committed.v1", data: { entries } });
  for (const [i, vmId] of vmIds.entries()) {
    const pauses = i % 2 === 0 ? 2 : 1;
    for (let round = 0; round < pauses; round += 1) {
      yield vm(vmId, { type: "bioxen.vm.paused.v1", data: {} });
      yield vm(vmId, { type: "bioxen.vm.resumed.v1", data: {} });
    }
    if (i % 2 === 0) {
      const resized = { ...demand, ribosomes: 400 };
      yield writer.write("ledger", chassisId, {
        type: "bioxen.ledger.resized.v1",
        data: { vmId, fence, amounts: resized },
      });
      yield vm(vmId, { type: "bioxen.vm.resized.v1", data: { request: resized, allocation: resized } });
    } else {
      yield vm(vmId, { type: "bioxen.vm.stop-requested.v1", data: { destroy: true } });
    }
  }
  const ended = entries.filter((_, i) => i % 2 === 1);
  for (const { vmId } of ended) yield* ending(writer, vmId);
  yield writer.write("ledger", chassisId, {
    type: "bioxen.ledger.released.v1",
    data: { entries: ended, reason: "its VM does not use it any more" },
  });
}

function* ending(writer: Writer, vmId: string): Generator<LogMessage> {
  yield writer.write("vm", vmId, { type: "bioxen.vm.stopped.v1", data: { reason: "by command" } });
  yield writer.write("vm", vmId, { type: "bioxen.vm.destroyed.v1", data: { reason: "by command" } });
}

function newVm(request: Readonly<Record<string, number>>, seed: number) {
  return {
    incarnation: 1,
    biologicalType: "syn3a",
    vmType: "basic",
    request,
    priority: 1,
    seed,
    program: null,
    environment: {},
    placement: {},
    restartPolicy: { mode: "never", maxAttempts: 3, backoffMs: 1_000 },
    labels: { team: "bench" },
    config: {},
    parent: null,
  } as const;
}
