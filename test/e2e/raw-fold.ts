/**
 * An independent fold of all events: it reads the raw JSON of the stream through the JetStream API, and uses none of
 * the project's folds, views or types.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import type { Json } from "./world.ts";

/** All events of the log in order: element `i` is the event with sequence `i + 1`. */
export async function rawEvents(nats: NatsConnection): Promise<Json[]> {
  const api = async (call: string, payload: object): Promise<Json> =>
    (await nats.request(`$JS.API.STREAM.${call}.BIOXEN_EVENTS`, JSON.stringify(payload))).json();
  const { state } = await api("INFO", {});
  const events: Json[] = [];
  for (let seq = 1; seq <= state.last_seq; seq += 1) {
    const { message } = await api("MSG.GET", { seq });
    events.push(JSON.parse(Buffer.from(message.data, "base64").toString("utf8")));
  }
  return events;
}

/** The output that `bioxen state --at <number of events>` must have, without `ok` and `atSeq`. */
export function rawState(events: readonly Json[]): Json {
  const vms = new Map<string, Json>();
  const ledgers = new Map<string, Json>();
  const chassis = new Map<string, Json>();
  for (const [i, event] of events.entries()) {
    const [kind, id] = event.subject.split("/");
    const at = {
      seq: i + 1,
      id: event.id,
      ms: new Date(event.time).getTime(),
      n: event.aggregateversion,
      by: event.principal ?? "admin",
    };
    const what = event.type.split(".")[2];
    if (kind === "vm") applyVmEvent(vms, id, what, event.data, at);
    if (kind === "ledger") applyLedgerEvent(ledgers, id, what, event.data, at);
    if (kind === "chassis") applyChassisEvent(chassis, id, what, event.data, at);
  }
  const inOrder = (all: Map<string, Json>) => [...all.keys()].sort().map((id) => all.get(id));
  return { vms: inOrder(vms), ledgers: inOrder(ledgers).map(ledgerView), chassis: inOrder(chassis) };
}

/**
 * VM fields without a reservation. No VM of these tests is preempted or moved, and every guarantee equals the request.
 */
const WITHOUT_PLACE = { chassisId: null, fence: null, allocation: null };

/** The fields of a VM that each event changes, in addition to its version and its time. */
const VM_CHANGES: Record<string, (d: Json, ms: number) => Json> = {
  "start-requested": (_d, ms) => ({
    state: "pending",
    reason: null,
    failure: null,
    refusals: [],
    pendingSinceMs: ms,
  }),
  deferred: ({ reasons }) => ({
    refusals: reasons,
    reason: [...Map.groupBy(reasons as Json[], (r) => `${r.code}: ${r.message}`)]
      .map(([text, same]) => `${same.map((r) => r.chassisId ?? "cluster").join(", ")}: ${text}`)
      .join("; "),
  }),
  placed: (d) => ({ state: "starting", reason: null, refusals: [], ...d }),
  started: ({ paused }) => ({ state: paused ? "paused" : "running", reason: null, pendingSinceMs: null }),
  "guest-restarted": ({ reason }) => ({ reason }),
  paused: () => ({ state: "paused", reason: null }),
  resumed: () => ({ state: "running", reason: null }),
  "stop-requested": () => ({ state: "stopping", reason: null, refusals: [] }),
  stopped: ({ reason }) => ({
    ...WITHOUT_PLACE,
    state: "stopped",
    reason,
    pendingSinceMs: null,
    checkpoint: null,
  }),
  checkpointed: ({ fence: _fence, ...checkpoint }, ms) => ({ checkpoint: { ...checkpoint, atMs: ms } }),
  failed: ({ reason, code }) => ({
    ...WITHOUT_PLACE,
    state: "error",
    reason,
    failure: code,
    pendingSinceMs: null,
    checkpoint: null,
  }),
  displaced: ({ reason }, ms) => ({ ...WITHOUT_PLACE, state: "pending", reason, pendingSinceMs: ms }),
  // The view has no minutes of changes.
  resized: ({ simMinute: _simMinute, given: _given, ...d }) => ({ ...d, guarantee: d.request }),
  executed: () => ({}),
  "until-reached": ({ simMinute, then }) => ({
    state: then === "pause" ? "paused" : "stopping",
    reason: `its cell reached minute ${simMinute}, the last one of the VM`,
    until: { simMinutes: simMinute, then, reached: true },
  }),
  // The agent of these tests undoes a change from outside, so the VM keeps its state.
  observed: () => ({}),
  destroyed: ({ reason }) => ({
    ...WITHOUT_PLACE,
    state: "destroyed",
    reason,
    checkpoint: null,
    snapshots: [],
  }),
};

function applyVmEvent(vms: Map<string, Json>, vmId: string, what: string, data: Json, at: Json): void {
  const seen = { version: at.n, updatedAtMs: at.ms };
  if (what === "created") {
    // The event contains the program; no view does.
    const { program: _program, until, ...shown } = data;
    const fresh = { state: "created", reason: null, failure: null, refusals: [], pendingSinceMs: null };
    const whole = {
      guarantee: data.request,
      preemption: null,
      checkpoint: null,
      snapshots: [],
      migration: null,
    };
    const born = { owner: at.by, createdAtMs: at.ms };
    const last = until === undefined ? {} : { until: { ...until, reached: false } };
    vms.set(vmId, { vmId, ...shown, ...last, ...fresh, ...whole, ...WITHOUT_PLACE, ...seen, ...born });
    return;
  }
  const change = VM_CHANGES[what];
  if (change === undefined)
    throw new Error(`the raw fold does not know the event vm ${what}: add it to VM_CHANGES`);
  vms.set(vmId, { ...vms.get(vmId), ...change(data, at.ms), ...seen });
}

function applyLedgerEvent(
  ledgers: Map<string, Json>,
  chassisId: string,
  what: string,
  d: Json,
  at: Json,
): void {
  const { capacity, offered, maxVms } = d;
  const ledger = ledgers.get(chassisId);
  const others = (keys: Json[]) =>
    ledger.entries.filter((e: Json) => !keys.some((k) => k.vmId === e.vmId && k.fence === e.fence));
  const entriesOf = (entries: Json[]) => ledgers.set(chassisId, { ...ledger, entries });
  const withFence = (fence: number, vmId: string, change: object) =>
    ledger.entries.map((e: Json) => (e.vmId === vmId && e.fence === fence ? { ...e, ...change } : e));
  if (what === "opened") ledgers.set(chassisId, { chassisId, capacity, offered, maxVms, entries: [] });
  else if (what === "capacity-changed") ledgers.set(chassisId, { ...ledger, capacity, offered, maxVms });
  else if (what === "reserved") {
    const made = d.reservations.map((r: Json) => ({
      vmId: r.vmId,
      incarnation: r.incarnation,
      amounts: r.amounts,
      fence: at.seq,
      reservedBy: at.id,
      phase: "reserved",
      expiresAtMs: d.expiresAtMs,
    }));
    const kept = ledger.entries.filter((e: Json) => !made.some((m: Json) => m.vmId === e.vmId));
    entriesOf([...kept, ...made]);
  } else if (what === "committed") {
    const isCommitted = (e: Json) => d.entries.some((k: Json) => k.vmId === e.vmId && k.fence === e.fence);
    entriesOf(
      ledger.entries.map((e: Json) => (isCommitted(e) ? { ...e, phase: "committed", expiresAtMs: null } : e)),
    );
  } else if (what === "released" || what === "expired") entriesOf(others(d.entries));
  else if (what === "resized") entriesOf(withFence(d.fence, d.vmId, { amounts: d.amounts }));
  else if (what === "closed") ledgers.delete(chassisId);
  else throw new Error(`the raw fold does not know the event ledger ${what}: add it to applyLedgerEvent`);
}

/** The view of a ledger: with reserved and free amounts, and entries ordered by fence. */
function ledgerView(ledger: Json): Json {
  const reserved: Record<string, number> = {};
  for (const { amounts } of ledger.entries) {
    for (const [name, n] of Object.entries<number>(amounts)) reserved[name] = (reserved[name] ?? 0) + n;
  }
  const free = Object.entries<number>(ledger.offered).map(([name, n]) => [name, n - (reserved[name] ?? 0)]);
  const entries = ledger.entries.toSorted(
    (a: Json, b: Json) => a.fence - b.fence || (a.vmId < b.vmId ? -1 : 1),
  );
  return { ...ledger, entries, reserved, free: Object.fromEntries(free) };
}

function applyChassisEvent(
  chassis: Map<string, Json>,
  chassisId: string,
  what: string,
  d: Json,
  at: Json,
): void {
  const before = chassis.get(chassisId);
  const offered = () =>
    Object.fromEntries(
      Object.entries<number>(d.capacity).map(([name, n]) => [
        name,
        n - Math.ceil((n * d.overheadPermille) / 1000),
      ]),
    );
  const unheard = { state: "unknown", heartbeatAgeMs: null, version: at.n };
  if (what === "registered") {
    const fresh = { cordoned: false, lostAtMs: null, registeredAtMs: at.ms, ...unheard };
    chassis.set(chassisId, { chassisId, taints: [], ...d, offered: offered(), ...fresh });
  } else if (what === "reconfigured") {
    chassis.set(chassisId, { ...before, taints: [], ...d, offered: offered(), version: at.n });
  } else if (what === "cordoned" || what === "uncordoned") {
    chassis.set(chassisId, { ...before, cordoned: what === "cordoned", version: at.n });
  } else if (what === "lost") {
    chassis.set(chassisId, { ...before, state: "lost", lostAtMs: at.ms, version: at.n });
  } else if (what === "recovered") {
    chassis.set(chassisId, { ...before, state: "unknown", lostAtMs: null, version: at.n });
  } else if (what === "removed") chassis.delete(chassisId);
  else throw new Error(`the raw fold does not know the event chassis ${what}: add it to applyChassisEvent`);
}
