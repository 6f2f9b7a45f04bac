/**
 * The rules of a ledger: no command, in whatever order, gives away the same capacity twice.
 */
import {
  type Chassis,
  freeAmounts,
  heldAmounts,
  type Ledger,
  type LedgerEvent,
  NEVER_LOST,
  type Preemption,
  type Vm,
} from "@bioxen/contracts";
import { fits } from "@bioxen/kernel";
import { deciderLaws, given, type Step, walk, walkCases } from "@bioxen/testkit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type LedgerCommand, ledgerDecider } from "./ledger.ts";
import type { EntryVerdict } from "./settlement.ts";

const CHASSIS: Chassis = {
  registered: true,
  chassisType: "ecoli",
  capacity: { dnaKilobases: 100, ribosomes: 100 },
  overheadPermille: 100,
  maxVms: 5,
  labels: {},
  agentId: "a",
  cordoned: false,
  ...NEVER_LOST,
  registeredAtMs: 0,
  version: 1,
};
/** The capacity of 100, less 10 % for the hypervisor. */
const OFFERED = { dnaKilobases: 90, ribosomes: 90 };
const EXPIRES_AT_MS = 1_000;

const OPENED: LedgerEvent = {
  type: "bioxen.ledger.opened.v1",
  data: { chassisType: "ecoli", capacity: CHASSIS.capacity, offered: OFFERED, maxVms: 5 },
};

type Amount = readonly [vmId: string, ribosomes: number];

const reservationsOf = (amounts: readonly Amount[]) =>
  amounts.map(([vmId, ribosomes]) => ({ vmId, incarnation: 1, amounts: { ribosomes } }));

/** In the given ledgers it follows the event OPENED, so that the fence of its reservations is 20. */
const reserved = (...amounts: Amount[]): LedgerEvent => ({
  type: "bioxen.ledger.reserved.v1",
  data: { planId: "p", reservations: reservationsOf(amounts), expiresAtMs: EXPIRES_AT_MS },
});
const released = (fence: number, ...vmIds: string[]): LedgerEvent => ({
  type: "bioxen.ledger.released.v1",
  data: { entries: vmIds.map((vmId) => ({ vmId, fence })), reason: "test" },
});

const reserve = (amounts: readonly Amount[], more: object = {}): LedgerCommand => ({
  type: "reserve",
  chassisId: "c",
  planId: "p",
  reservations: reservationsOf(amounts),
  expiresAtMs: EXPIRES_AT_MS,
  ...more,
});
const resize = (vmId: string, fence: number, ribosomes: number, more: object = {}): LedgerCommand => ({
  type: "resize",
  chassisId: "c",
  vmId,
  fence,
  amounts: { ribosomes },
  ...more,
});
const configure = (chassis: Chassis | null): LedgerCommand => ({ type: "follow-chassis", chassis });

describe("reserve", () => {
  it("reserves what fits, in the order of the plan, and nothing when no VM fits", () => {
    given(ledgerDecider, OPENED)
      .when(
        reserve([
          ["a", 50],
          ["b", 50],
          ["c", 40],
        ]),
      )
      .thenAppended(reserved(["a", 50], ["c", 40]))
      .when(reserve([["d", 1]]))
      .thenUnchanged();
  });

  it("reserves for no more VMs than the chassis has places", () => {
    const six: Amount[] = ["a", "b", "c", "d", "e", "f"].map((vmId) => [vmId, 1]);
    given(ledgerDecider, OPENED)
      .when(reserve(six))
      .thenAppended(reserved(...six.slice(0, 5)));
  });

  it("reserves nothing on a ledger that is not open", () => {
    given(ledgerDecider)
      .when(reserve([["a", 0]]))
      .thenUnchanged();
  });

  it("rejects a proposer whose lease was succeeded, in every ledger that knows the successor", () => {
    const stale = (newestToken: number) => ({ retryable: false, details: { chassisId: "c", newestToken } });
    const one = (vmId: string, more: object = {}) => reserve([[vmId, 1]], more);
    const leased = given(ledgerDecider, OPENED)
      .when(one("without-lease"))
      .thenAppended("bioxen.ledger.reserved.v1")
      .when(one("a", { proposerToken: 7 }))
      .thenAppended("bioxen.ledger.reserved.v1");
    leased.when(one("b", { proposerToken: 6 })).thenRejected("CONFLICT", stale(7));
    leased.when(one("b")).thenRejected("CONFLICT", stale(7));
    leased
      .when(one("b", { proposerToken: 7, newestProposerToken: 8 }))
      .thenRejected("CONFLICT", stale(8))
      .when(one("b", { proposerToken: 7 }))
      .thenAppended("bioxen.ledger.reserved.v1");
  });

  it("remembers the newest lease when the ledger is closed and opened again", () => {
    given(ledgerDecider, OPENED)
      .when(reserve([["a", 1]], { proposerToken: 9 }))
      .thenAppended("bioxen.ledger.reserved.v1")
      .and(released(20, "a"))
      .when(configure(null))
      .thenAppended("bioxen.ledger.closed.v1")
      .when(configure(CHASSIS))
      .thenAppended("bioxen.ledger.opened.v1")
      .when(reserve([["b", 1]], { proposerToken: 8 }))
      .thenRejected("CONFLICT", { details: { newestToken: 9 } });
  });
});

describe("resize", () => {
  const two = given(ledgerDecider, OPENED, reserved(["a", 40], ["b", 40]));

  it("grants the whole new vector or nothing, given what the other VMs hold", () => {
    two.when(resize("a", 20, 51)).thenRejected("CAPACITY_EXCEEDED", {
      retryable: true,
      details: { chassisId: "c", resource: "ribosomes", requested: 51, free: 50 },
    });
    two.when(resize("a", 20, 50)).thenAppended("bioxen.ledger.resized.v1");
    two.when(resize("a", 20, 40)).thenUnchanged();
  });

  it("rejects a fence that is not the entry's, with the reservation that it looked for", () => {
    two.when(resize("a", 21, 1)).thenRejected("CONFLICT", { message: "a has no reservation 21 on c" });
  });

  it("is rejected when a quota refuses the growth", () => {
    const overQuota = {
      code: "QUOTA_EXCEEDED",
      message: "quota",
      resource: "ribosomes",
      requested: 2,
      free: 1,
    };
    two.when(resize("a", 20, 41, { overQuota })).thenRejected("QUOTA_EXCEEDED", {
      message: "quota",
      retryable: true,
      details: { chassisId: "c", resource: "ribosomes", requested: 2, free: 1 },
    });
  });
});

describe("follow-chassis", () => {
  it("opens the account with the capacity less the overhead, and closes it once it is empty and the chassis removed", () => {
    given(ledgerDecider)
      .when(configure(CHASSIS))
      .thenAppended(OPENED)
      .when(configure(CHASSIS))
      .thenUnchanged()
      .and(reserved(["a", 1]))
      .when(configure(null))
      .thenUnchanged()
      .and(released(20, "a"))
      .when(configure(null))
      .thenAppended("bioxen.ledger.closed.v1")
      .when(configure(null))
      .thenUnchanged();
  });

  it("lowers the offer to what is held, and further as entries end", () => {
    const smaller = { ...CHASSIS, capacity: { ribosomes: 50, dnaKilobases: 100 }, maxVms: 1 };
    const shrunk = given(ledgerDecider, OPENED, reserved(["a", 40], ["b", 40]))
      .when(configure(smaller))
      .thenAppended("bioxen.ledger.capacity-changed.v1");
    expect(shrunk.state).toMatchObject({ offered: { ribosomes: 80 }, maxVms: 2 });
    const followed = shrunk
      .when(reserve([["c", 1]]))
      .thenUnchanged()
      .and(released(20, "a"))
      .when(configure(smaller))
      .thenAppended("bioxen.ledger.capacity-changed.v1");
    expect(followed.state).toMatchObject({ offered: { ribosomes: 45 }, maxVms: 1 });
    followed.when(configure(smaller)).thenUnchanged();
  });

  it("offers more than the capacity where the chassis is oversubscribed, and follows it back down", () => {
    const oversubscribed = { ...CHASSIS, oversubscribePermille: { ribosomes: 1_555 } };
    const more = given(ledgerDecider, OPENED)
      .when(configure(oversubscribed))
      .thenAppended("bioxen.ledger.capacity-changed.v1");
    expect(more.state).toMatchObject({
      offered: { ribosomes: 139, dnaKilobases: 90 },
      oversubscribePermille: { ribosomes: 1_555 },
    });
    const back = more
      .when(
        reserve([
          ["a", 100],
          ["b", 39],
          ["c", 1],
        ]),
      )
      .thenAppended(reserved(["a", 100], ["b", 39]))
      .when(configure(CHASSIS))
      .thenAppended("bioxen.ledger.capacity-changed.v1");
    expect(back.state).toMatchObject({ offered: { ribosomes: 139 } });
    expect(back.state.oversubscribePermille).toBeUndefined();
  });
});

describe("fence", () => {
  const fence = (lastSeq: number): LedgerCommand => ({ type: "fence", quota: "team", lastSeq, afterSeq: 10 });

  it("appends an event that changes nothing, unless the ledger has a newer event or is closed", () => {
    const open = given(ledgerDecider, OPENED);
    const fenced = open.when(fence(10)).thenAppended("bioxen.ledger.fenced.v1");
    expect(fenced.state).toEqual(open.state);
    open.when(fence(11)).thenUnchanged();
    given(ledgerDecider).when(fence(0)).thenUnchanged();
  });
});

const vmIdOf = fc.nat(5).map((n) => `vm-${n}`);
const fenceOf = (ledger: Ledger, vmId: string) => ledger.entries[vmId]?.fence ?? 1;
const always = (command: LedgerCommand) => (): LedgerCommand => command;

const configures = fc
  .record({ ribosomes: fc.nat(200), maxVms: fc.nat(7) })
  .map(({ ribosomes, maxVms }) =>
    always(configure({ ...CHASSIS, capacity: { ribosomes, dnaKilobases: 100 }, maxVms })),
  );
const reserves = fc
  .record({
    amounts: fc.array(fc.tuple(vmIdOf, fc.nat(60)), { minLength: 1, maxLength: 3 }),
    proposerToken: fc.option(fc.nat(3), { nil: undefined }),
  })
  .map(({ amounts, proposerToken }) => always(reserve(amounts, { proposerToken })));
const resizes = fc.record({ vmId: vmIdOf, ribosomes: fc.nat(60) }).map(
  ({ vmId, ribosomes }) =>
    (ledger: Ledger) =>
      resize(vmId, fenceOf(ledger, vmId), ribosomes),
);
const preemptions = fc
  .array(fc.nat(20), { minLength: 6, maxLength: 6 })
  .map((kept) => (ledger: Ledger) => followPreemptions(ledger, kept));
const settles = fc
  .record({
    verdicts: fc.array(fc.constantFrom<EntryVerdict>("keep", "hold", "commit", "release"), {
      minLength: 6,
      maxLength: 6,
    }),
    nowMs: fc.constantFrom(0, 1e9),
  })
  .map(({ verdicts, nowMs }) =>
    always({ type: "settle", verdictOf: ({ vmId }) => verdicts[indexOf(vmId)] ?? "hold", nowMs }),
  );
const fences = fc
  .constantFrom(1, 2)
  .map((lastSeq) => always({ type: "fence", quota: "team", lastSeq, afterSeq: 1 }));

/** Random commands on up to 6 VMs. Their amounts are of the size of the chassis, so that many do not fit. */
const step: fc.Arbitrary<Step<Ledger, LedgerCommand>> = fc.oneof(
  configures,
  fc.constant(always(configure(null))),
  { weight: 4, arbitrary: reserves },
  { weight: 2, arbitrary: resizes },
  preemptions,
  settles,
  fences,
);

const PREEMPTED = { active: true, seq: 1e9 } as Preemption;
const indexOf = (vmId: string) => Number(vmId.slice("vm-".length));

/** Every VM was preempted and has kept this many ribosomes, by the number in its id. */
function followPreemptions(ledger: Ledger, kept: readonly number[]): LedgerCommand {
  const vmOf = (vmId: string) => {
    const vm: Partial<Vm> = {
      exists: true,
      fence: fenceOf(ledger, vmId),
      allocation: { ribosomes: kept[indexOf(vmId)] ?? 0 },
      preemption: PREEMPTED,
    };
    return vm as Vm;
  };
  return { type: "follow-preemption", vmOf };
}

describe("any sequence of commands", () => {
  it("leaves what is held within the offer, and the VMs within the places", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        walk(ledgerDecider, [always(configure(CHASSIS)), ...steps], ({ state }) => {
          expect(fits(heldAmounts(state), state.offered)).toBe(true);
          expect(Object.values(freeAmounts(state)).every((free) => free >= 0)).toBe(true);
          expect(Object.keys(state.entries).length).toBeLessThanOrEqual(state.maxVms);
        });
      }),
    );
  });
});

deciderLaws("ledgers", ledgerDecider, {
  cases: walkCases(ledgerDecider, step, { first: [always(configure(CHASSIS))] }),
  repeats: [
    {
      type: "fence",
      reason:
        "The last sequence of the ledger is a field of the command, and a repeated command has the old one.",
    },
    {
      type: "settle",
      reason: "Each decision settles one kind of entries: releases, then commits, then expiries.",
    },
    { type: "follow-preemption", reason: "Each decision lowers one entry." },
  ],
});
