/**
 * Every sequence of commands up to a length, on a ledger so small that all of them can be tried: two VMs, two resources, two places.
 *
 * Random runs (`ledger.test.ts`) go deep and miss corners; this is shallow and misses none. After every step the books are compared
 * with a second bookkeeping, of plain numbers, that knows only what each event says.
 */
import {
  type Chassis,
  freeAmounts,
  heldAmounts,
  type Ledger,
  type LedgerEvent,
  ledgerFold,
  NEVER_LOST,
} from "@bioxen/contracts";
import { expect, it } from "vitest";
import {
  decideFollowChassis,
  decideReserve,
  decideResize,
  decideSettle,
  type LedgerDecision,
} from "./ledger.ts";

const LENGTH = 5;
/** Sequences of each length from 1 to LENGTH, of 13 commands. */
const SEQUENCES = [1, 2, 3, 4, 5].reduce((sum, length) => sum + 13 ** length, 0);
/** Some 2 s alone; a machine that is busy with other tests takes several times as long. */
const LIMIT_MS = 60_000;
/** Reservations promise to be confirmed by 1 000, and expire well after it. */
const EXPIRES_AT_MS = 1_000;
const LONG_AFTER_MS = 1e9;

const chassisWith = (ribosomes: number, maxVms: number): Chassis => ({
  registered: true,
  chassisType: "ecoli",
  capacity: { dnaKilobases: 2, ribosomes },
  overheadPermille: 0,
  maxVms,
  labels: {},
  agentId: "a",
  cordoned: false,
  ...NEVER_LOST,
  registeredAtMs: 0,
  version: 1,
});

type Command = (ledger: Ledger) => LedgerDecision;

const reserve =
  (...wanted: [vmId: string, ribosomes: number][]): Command =>
  (ledger) =>
    decideReserve("c", ledger, {
      planId: "p",
      expiresAtMs: EXPIRES_AT_MS,
      reservations: wanted.map(([vmId, ribosomes]) => ({
        vmId,
        incarnation: 1,
        amounts: { dnaKilobases: 1, ribosomes },
      })),
    });
const settle =
  (vmId: string, verdict: "commit" | "release"): Command =>
  (ledger) =>
    decideSettle(ledger, (entry) => (entry.vmId === vmId ? verdict : "keep"), 0);
const resize =
  (vmId: string, ribosomes: number): Command =>
  (ledger) =>
    decideResize("c", ledger, vmId, ledger.entries[vmId]?.fence ?? 1, { dnaKilobases: 1, ribosomes });

const COMMANDS: readonly Command[] = [
  reserve(["a", 2]),
  reserve(["a", 1], ["b", 2]),
  reserve(["b", 3]),
  settle("a", "commit"),
  settle("b", "commit"),
  settle("a", "release"),
  settle("b", "release"),
  (ledger) => decideSettle(ledger, () => "keep", LONG_AFTER_MS),
  resize("a", 3),
  resize("b", 1),
  (ledger) => decideFollowChassis(ledger, chassisWith(1, 1)),
  (ledger) => decideFollowChassis(ledger, chassisWith(3, 2)),
  (ledger) => decideFollowChassis(ledger, null),
];

/** What each VM holds by the events alone. */
type Shadow = Readonly<Record<string, { readonly ribosomes: number; readonly isCommitted: boolean }>>;

function shadowAfter(before: Shadow, event: LedgerEvent): Shadow {
  const after: Record<string, Shadow[string]> = { ...before };
  switch (event.type) {
    case "bioxen.ledger.reserved.v1":
      for (const { vmId, amounts } of event.data.reservations) {
        if (before[vmId] !== undefined) throw new Error(`${vmId} holds something already`);
        after[vmId] = { ribosomes: amounts["ribosomes"] ?? 0, isCommitted: false };
      }
      return after;
    case "bioxen.ledger.committed.v1":
      for (const { vmId } of event.data.entries) {
        after[vmId] = { ribosomes: before[vmId]?.ribosomes ?? Number.NaN, isCommitted: true };
      }
      return after;
    case "bioxen.ledger.expired.v1":
    case "bioxen.ledger.released.v1":
      for (const { vmId } of event.data.entries) {
        const isWrong = event.type === "bioxen.ledger.expired.v1" && before[vmId]?.isCommitted === true;
        if (before[vmId] === undefined || isWrong) throw new Error(`${vmId} cannot lose what it holds`);
        delete after[vmId];
      }
      return after;
    case "bioxen.ledger.resized.v1": {
      const { vmId, amounts } = event.data;
      after[vmId] = {
        ribosomes: amounts["ribosomes"] ?? 0,
        isCommitted: before[vmId]?.isCommitted ?? false,
      };
      return after;
    }
    default:
      return before;
  }
}

/** What is wrong with the books; undefined: nothing. */
function wrongWith(ledger: Ledger, shadow: Shadow): string | undefined {
  const held = heldAmounts(ledger);
  const vmIds = Object.keys(ledger.entries);
  for (const name of Object.keys(held)) {
    if ((held[name] ?? 0) > (ledger.offered[name] ?? 0)) return `${name} is held above the offer`;
  }
  if (Object.values(freeAmounts(ledger)).some((free) => free < 0)) return "less than nothing is free";
  if (vmIds.length > ledger.maxVms) return "more VMs than places";
  if (!ledger.open && vmIds.length > 0) return "it is closed and holds something";
  if (vmIds.length !== Object.keys(shadow).length) return "an entry more or less than the events say";
  for (const [vmId, { ribosomes, isCommitted }] of Object.entries(shadow)) {
    const entry = ledger.entries[vmId];
    if (entry?.amounts["ribosomes"] !== ribosomes) return `${vmId} holds something else`;
    if ((entry.phase === "committed") !== isCommitted) return `${vmId} is ${entry.phase}`;
  }
  return undefined;
}

interface Run {
  readonly ledger: Ledger;
  readonly shadow: Shadow;
  readonly seq: number;
}

function step({ ledger, shadow, seq }: Run, command: Command): Run {
  const decision = command(ledger);
  if (!decision.ok || decision.event === null) return { ledger, shadow, seq };
  const at = { eventId: `e${seq}`, correlationId: "c", seq: seq + 1, version: seq + 1, atMs: 0 };
  const after = ledgerFold.evolve(ledger, decision.event, at);
  return { ledger: after, shadow: shadowAfter(shadow, decision.event), seq: seq + 1 };
}

it(
  `holds after each of all ${SEQUENCES} sequences of at most ${LENGTH} commands`,
  () => {
    let tried = 0;
    let grew = 0;
    const path: number[] = [];
    const tryAll = (run: Run): void => {
      if (path.length === LENGTH) return;
      for (const [i, command] of COMMANDS.entries()) {
        path.push(i);
        tried += 1;
        const next = step(run, command);
        if (next.seq > run.seq) grew += 1;
        const wrong = wrongWith(next.ledger, next.shadow);
        if (wrong !== undefined) throw new Error(`${wrong} after commands ${path.join(", ")}`);
        tryAll(next);
        path.pop();
      }
    };
    const open = step({ ledger: ledgerFold.initial, shadow: {}, seq: 0 }, (ledger) =>
      decideFollowChassis(ledger, chassisWith(3, 2)),
    );
    tryAll(open);
    expect(tried).toBe(SEQUENCES);
    expect(grew, "commands that appended something").toBeGreaterThan(SEQUENCES / 10);
  },
  LIMIT_MS,
);
