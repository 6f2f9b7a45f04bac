/**
 * Every sequence of commands up to a length, on a ledger that is small enough to try all of them: two VMs, two
 * resources, two places.
 *
 * Random walks (`ledger.test.ts`) go deep and miss corners; this test is shallow and misses none. After every step the
 * ledger is compared with a second account, of plain numbers, that is made from the events alone.
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
import { type LedgerCommand, ledgerDecider } from "./ledger.ts";

const LENGTH = 5;
/** All sequences of 1 to LENGTH commands, out of 13 commands. */
const SEQUENCES = [1, 2, 3, 4, 5].reduce((sum, length) => sum + 13 ** length, 0);
/** The test takes about 2 s alone, and several times as long on a machine that runs other tests. */
const LIMIT_MS = 300_000;
/** The instant until which VMs may take their reservations. */
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

/** The fence of a resize is that of the present entry. */
type Command = (ledger: Ledger) => LedgerCommand;

const reserve =
  (...amounts: [vmId: string, ribosomes: number][]): Command =>
  () => ({
    type: "reserve",
    chassisId: "c",
    planId: "p",
    expiresAtMs: EXPIRES_AT_MS,
    reservations: amounts.map(([vmId, ribosomes]) => ({
      vmId,
      incarnation: 1,
      amounts: { dnaKilobases: 1, ribosomes },
    })),
  });
const settle =
  (vmId: string, verdict: "commit" | "release"): Command =>
  () => ({ type: "settle", verdictOf: (entry) => (entry.vmId === vmId ? verdict : "keep"), nowMs: 0 });
const resize =
  (vmId: string, ribosomes: number): Command =>
  (ledger) => ({
    type: "resize",
    chassisId: "c",
    vmId,
    fence: ledger.entries[vmId]?.fence ?? 1,
    amounts: { dnaKilobases: 1, ribosomes },
  });
const configure =
  (chassis: Chassis | null): Command =>
  () => ({ type: "follow-chassis", chassis });

const COMMANDS: readonly Command[] = [
  reserve(["a", 2]),
  reserve(["a", 1], ["b", 2]),
  reserve(["b", 3]),
  settle("a", "commit"),
  settle("b", "commit"),
  settle("a", "release"),
  settle("b", "release"),
  () => ({ type: "settle", verdictOf: () => "keep", nowMs: LONG_AFTER_MS }),
  resize("a", 3),
  resize("b", 1),
  configure(chassisWith(1, 1)),
  configure(chassisWith(3, 2)),
  configure(null),
];

/** The second account: what each VM holds according to the events. */
type Shadow = Readonly<Record<string, { readonly ribosomes: number; readonly isCommitted: boolean }>>;

function shadowAfter(before: Shadow, event: LedgerEvent): Shadow {
  const after: Record<string, Shadow[string]> = { ...before };
  switch (event.type) {
    case "bioxen.ledger.reserved.v1":
      for (const { vmId, amounts } of event.data.reservations) {
        if (before[vmId] !== undefined) throw new Error(`${vmId} already has an entry`);
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
        if (before[vmId] === undefined || isWrong) throw new Error(`${vmId} has no entry that can end so`);
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

/** The first difference between the ledger, its rules and the second account; undefined when everything agrees. */
function wrongWith(ledger: Ledger, shadow: Shadow): string | undefined {
  const held = heldAmounts(ledger);
  const vmIds = Object.keys(ledger.entries);
  for (const name of Object.keys(held)) {
    if ((held[name] ?? 0) > (ledger.offered[name] ?? 0)) return `more ${name} is held than offered`;
  }
  if (Object.values(freeAmounts(ledger)).some((free) => free < 0)) return "a free amount is negative";
  if (vmIds.length > ledger.maxVms) return "more VMs than places";
  if (!ledger.open && vmIds.length > 0) return "a closed ledger has entries";
  if (vmIds.length !== Object.keys(shadow).length)
    return "the ledger has another number of entries than the events give it";
  for (const [vmId, { ribosomes, isCommitted }] of Object.entries(shadow)) {
    const entry = ledger.entries[vmId];
    if (entry?.amounts["ribosomes"] !== ribosomes)
      return `${vmId} holds other amounts than the events give it`;
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
  const decision = ledgerDecider.decide(ledger, command(ledger));
  if (!decision.ok || decision.event === null) return { ledger, shadow, seq };
  const at = { eventId: `e${seq}`, correlationId: "c", seq: seq + 1, version: seq + 1, atMs: 0 };
  const after = ledgerFold.evolve(ledger, decision.event, at);
  return { ledger: after, shadow: shadowAfter(shadow, decision.event), seq: seq + 1 };
}

it(
  `holds after each of all ${SEQUENCES} sequences of at most ${LENGTH} commands`,
  () => {
    let tried = 0;
    let appended = 0;
    const path: number[] = [];
    const tryAll = (run: Run): void => {
      if (path.length === LENGTH) return;
      for (const [i, command] of COMMANDS.entries()) {
        path.push(i);
        tried += 1;
        const next = step(run, command);
        if (next.seq > run.seq) appended += 1;
        const wrong = wrongWith(next.ledger, next.shadow);
        if (wrong !== undefined) throw new Error(`${wrong} after commands ${path.join(", ")}`);
        tryAll(next);
        path.pop();
      }
    };
    const open = step({ ledger: ledgerFold.initial, shadow: {}, seq: 0 }, configure(chassisWith(3, 2)));
    tryAll(open);
    expect(tried).toBe(SEQUENCES);
    expect(appended, "commands that appended an event").toBeGreaterThan(SEQUENCES / 10);
  },
  LIMIT_MS,
);
