/**
 * A second opinion on what the events mean: the whole cluster folded from the raw JSON of the stream, over the bare
 * JetStream API, with no line of the project's own folds, views or types.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import type { Json } from "./world.ts";

/** Message `i` is the event with sequence `i + 1`. */
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

/** What `bioxen state --at <number of events>` must say. */
export function rawState(events: readonly Json[]): Json {
  const vms = new Map<string, Json>();
  const ledgers = new Map<string, Json>();
  const chassis = new Map<string, Json>();
  for (const [i, event] of events.entries()) {
    const [kind, id] = event.subject.split("/");
    const at = { seq: i + 1, id: event.id, ms: new Date(event.time).getTime(), n: event.aggregateversion };
    const what = event.type.split(".")[2];
    if (kind === "vm") vmHappened(vms, id, what, event.data, at);
    if (kind === "ledger") ledgerHappened(ledgers, id, what, event.data, at);
    if (kind === "chassis") chassisHappened(chassis, id, what, event.data, at);
  }
  const inOrder = (all: Map<string, Json>) => [...all.keys()].sort().map((id) => all.get(id));
  return { vms: inOrder(vms), ledgers: inOrder(ledgers).map(ledgerSeen), chassis: inOrder(chassis) };
}

/** No VM of these stories is preempted or moved, nor has less guaranteed than it asks for. */
const HOMELESS = { chassisId: null, fence: null, allocation: null };

/** What each event leaves different, beside its version and its time. */
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
    reason: reasons
      .map((r: Json) => `${r.chassisId === null ? "cluster" : r.chassisId}: ${r.code}: ${r.message}`)
      .join("; "),
  }),
  placed: (d) => ({ state: "starting", reason: null, refusals: [], ...d }),
  started: ({ paused }) => ({ state: paused ? "paused" : "running", reason: null, pendingSinceMs: null }),
  "guest-restarted": ({ reason }) => ({ reason }),
  paused: () => ({ state: "paused", reason: null }),
  resumed: () => ({ state: "running", reason: null }),
  "stop-requested": () => ({ state: "stopping", reason: null, refusals: [] }),
  stopped: ({ reason }) => ({
    ...HOMELESS,
    state: "stopped",
    reason,
    pendingSinceMs: null,
    checkpoint: null,
  }),
  checkpointed: ({ fence: _fence, ...checkpoint }, ms) => ({ checkpoint: { ...checkpoint, atMs: ms } }),
  failed: ({ reason, code }) => ({
    ...HOMELESS,
    state: "error",
    reason,
    failure: code,
    pendingSinceMs: null,
    checkpoint: null,
  }),
  displaced: ({ reason }, ms) => ({ ...HOMELESS, state: "pending", reason, pendingSinceMs: ms }),
  resized: (d) => ({ ...d, guarantee: d.request }),
  // Where these stories have an agent, it repairs.
  observed: () => ({}),
  destroyed: ({ reason }) => ({
    ...HOMELESS,
    state: "destroyed",
    reason,
    checkpoint: null,
    snapshots: [],
  }),
};

function vmHappened(vms: Map<string, Json>, vmId: string, what: string, data: Json, at: Json): void {
  const seen = { version: at.n, updatedAtMs: at.ms };
  if (what === "created") {
    // The program is in the event, and in no view.
    const { program: _program, ...shown } = data;
    const fresh = { state: "created", reason: null, failure: null, refusals: [], pendingSinceMs: null };
    const whole = {
      guarantee: data.request,
      preemption: null,
      checkpoint: null,
      snapshots: [],
      migration: null,
    };
    vms.set(vmId, { vmId, ...shown, ...fresh, ...whole, ...HOMELESS, ...seen, createdAtMs: at.ms });
    return;
  }
  const change = VM_CHANGES[what];
  if (change === undefined) throw new Error(`nobody told this fold of vm ${what}`);
  vms.set(vmId, { ...vms.get(vmId), ...change(data, at.ms), ...seen });
}

function ledgerHappened(
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
    const isMeant = (e: Json) => d.entries.some((k: Json) => k.vmId === e.vmId && k.fence === e.fence);
    entriesOf(
      ledger.entries.map((e: Json) => (isMeant(e) ? { ...e, phase: "committed", expiresAtMs: null } : e)),
    );
  } else if (what === "released" || what === "expired") entriesOf(others(d.entries));
  else if (what === "resized") entriesOf(withFence(d.fence, d.vmId, { amounts: d.amounts }));
  else if (what === "closed") ledgers.delete(chassisId);
  else throw new Error(`nobody told this fold of ledger ${what}`);
}

/** With its sums, and its entries in order of their fences. */
function ledgerSeen(ledger: Json): Json {
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

function chassisHappened(
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
  else throw new Error(`nobody told this fold of chassis ${what}`);
}
