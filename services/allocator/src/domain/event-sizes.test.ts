/**
 * Events that grow with the VMs of a chassis or a label: each fits in a message of 64 KB, and together they do all the
 * work.
 */
import {
  contentLimitOf,
  encodeEvent,
  type Ledger,
  type LedgerEvent,
  ledgerFold,
  type Quota,
  type QuotaEvent,
  type QuotaState,
  quotaFold,
} from "@bioxen/contracts";
import { type Decision, type EventBody, type Fold, positionOf } from "@bioxen/kernel";
import { envelopeOf, storedOf } from "@bioxen/testkit";
import { expect, it } from "vitest";
import { ledgerDecider } from "./ledger.ts";
import { MAX_CHARGES_PER_EVENT, quotaDecider } from "./quota.ts";
import { MAX_SETTLED_ENTRIES } from "./settlement.ts";

const LIMIT = contentLimitOf(65_536);
/** The longest id, so that the events are as large as they can be. */
const LONGEST = 63;
const vmIdOf = (i: number) => `${String(i).padStart(6, "0")}${"v".repeat(LONGEST - 6)}`;
const CHASSIS = "c".repeat(LONGEST);
const AMOUNTS = {
  ribosomes: 1_000_000_000_000,
  rnaPolymerases: 1_000_000_000_000,
  atpPerSecond: 1_000_000_000_000,
  dnaKilobases: 1_000_000_000_000,
  vcpus: 1_000_000_000_000,
  memoryMiB: 1_000_000_000_000,
};

/** Decides until nothing is due, and returns the events with the last state. Every event must fit. */
function decideAll<State, Event extends EventBody>(
  kind: string,
  fold: Fold<State, Event>,
  from: State,
  decide: (state: State) => Decision<Event>,
): { events: Event[]; state: State } {
  const events: Event[] = [];
  let state = from;
  for (;;) {
    const decision = decide(state);
    if (!decision.ok) throw new Error("nothing is refused here");
    if (decision.event === null) return { events, state };
    const { event } = decision;
    const envelope = envelopeOf(kind, CHASSIS, event, { version: events.length + 100 });
    expect(encodeEvent(envelope).byteLength, event.type).toBeLessThanOrEqual(LIMIT);
    events.push(event);
    state = fold.evolve(state, event, positionOf(storedOf(1_000_000 + events.length, envelope)));
  }
}

function ledgerOf(vms: number): Ledger {
  const entries = Array.from({ length: vms }, (_, i) => ({
    vmId: vmIdOf(i),
    incarnation: 1_000_000,
    fence: 1_000_000_000_000,
    reservedBy: "r",
    amounts: AMOUNTS,
    amountsSeq: 1,
    phase: "reserved" as const,
    expiresAtMs: 1,
  }));
  return {
    open: true,
    chassisType: "ecoli",
    capacity: {},
    offered: {},
    maxVms: vms,
    entries: Object.fromEntries(entries.map((entry) => [entry.vmId, entry])),
    proposerToken: 0,
  };
}

it("a ledger settles any number of entries in events that fit", () => {
  const vms = 2 * MAX_SETTLED_ENTRIES + 7;
  for (const verdict of ["release", "commit", "keep"] as const) {
    const settle = { type: "settle", verdictOf: () => verdict, nowMs: 1e12 } as const;
    const { events, state } = decideAll<Ledger, LedgerEvent>("ledger", ledgerFold, ledgerOf(vms), (ledger) =>
      ledgerDecider.decide(ledger, settle),
    );
    const left = Object.values(state.entries);
    expect(events).toHaveLength(3);
    expect(left.filter(({ phase }) => phase === "reserved")).toEqual([]);
    expect(left).toHaveLength(verdict === "commit" ? vms : 0);
  }
});

it("a quota counts any number of VMs in events that fit, is enforced by the last, and settles them all", () => {
  const vms = 2 * MAX_CHARGES_PER_EVENT + 7;
  const quota: Quota = {
    exists: true,
    label: "team",
    resources: { ribosomes: 1 },
    version: 1,
    firstSeq: 1,
    setSeq: 1,
    counted: false,
    enforced: false,
    charges: {},
  };
  let ledger = ledgerOf(vms);
  const known = { ledger: () => ({ lastSeq: 1_000, ledger }) };
  const holders = () =>
    Object.values(ledger.entries).map(({ vmId, incarnation }) => ({ vmId, incarnation, chassisId: CHASSIS }));
  const counted = decideAll<QuotaState, QuotaEvent>("quota", quotaFold, quota, (state) =>
    quotaDecider.decide(state, { type: "enforce", world: { ...known, holders } }),
  );
  expect(counted.events.map(({ type }) => type)).toEqual(Array(3).fill("bioxen.quota.enforced.v1"));
  expect(counted.events.map(({ data }) => "partial" in data)).toEqual([true, true, false]);
  expect(counted.state).toMatchObject({ counted: true, enforced: true });
  expect(counted.state.exists && Object.keys(counted.state.charges)).toHaveLength(vms);
  ledger = ledgerOf(0);
  const settled = decideAll<QuotaState, QuotaEvent>("quota", quotaFold, counted.state, (state) =>
    quotaDecider.decide(state, { type: "settle", ledgers: known }),
  );
  expect(settled.events).toHaveLength(3);
  expect(settled.state).toMatchObject({ charges: {} });
});

it("a quota is not enforced between the events of a count", () => {
  const { evolve } = quotaFold;
  const at = { seq: 2, atMs: 0, id: "e", version: 1 } as never;
  const set = evolve(
    quotaFold.initial,
    { type: "bioxen.quota.set.v1", data: { label: "t", resources: {} } },
    at,
  );
  const data = { charges: [{ vmId: "a", incarnation: 1, chassisId: "c", amounts: {} }], partial: true };
  expect(evolve(set, { type: "bioxen.quota.enforced.v1", data }, at)).toMatchObject({
    counted: false,
    enforced: false,
    charges: { "a/c": { vmId: "a" } },
  });
});
