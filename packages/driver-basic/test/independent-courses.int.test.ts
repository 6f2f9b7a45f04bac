/**
 * Recorded courses against the published equations, solved by another method with a tolerance of 1e-8. The test begins
 * with the recorded minute 0, and compares every variable at every minute.
 */
import type { GuestChange, RecordedRows } from "@bioxen/vm-driver";
import { expect, it } from "vitest";
import { createBasicDriver } from "../src/index.ts";
import { cellSpec } from "./fleet.ts";
import { type Conditions, growthRateOf, ratesUnder, VARIABLES } from "./published-cell.ts";
import { integrated } from "./radau.ts";

const MINUTES = 110;
/**
 * Largest relative difference of any value at any minute. There is no absolute one: amounts that are 0 by the equations,
 * such as complexes before the first antibiotic, must be exactly 0.
 */
const AGREEMENT = 1e-5;

const FULL = { ribosomes: 503, rnaPolymerases: 187, atpPerSecond: 13_247, dnaKilobases: 543 };
/** A soft cap binds one free ribosome for each unused place, the cap at the full demand a hundred. */
const START: Conditions = {
  ns: 0.19655339702,
  s0: 10_000,
  cm: 0,
  ribosomes: 503,
  perPlace: 100,
  atp: 1,
  polymerases: 1,
};

interface Change {
  readonly atMinute: number;
  readonly environment?: Readonly<Record<string, number>>;
  readonly allocation?: typeof FULL;
}

function after(conditions: Conditions, { environment = {}, allocation }: Change): Conditions {
  const { nutrientQuality, substrate, chloramphenicolMicromolar } = environment;
  const medium = {
    ...conditions,
    ns: nutrientQuality ?? conditions.ns,
    s0: substrate ?? conditions.s0,
    cm: chloramphenicolMicromolar ?? conditions.cm,
  };
  if (allocation === undefined) return medium;
  return {
    ...medium,
    ribosomes: allocation.ribosomes,
    perPlace: allocation.ribosomes < FULL.ribosomes ? 1 : 100,
    atp: allocation.atpPerSecond / FULL.atpPerSecond,
    polymerases: allocation.rnaPolymerases / FULL.rnaPolymerases,
  };
}

async function recorded(changes: readonly Change[]): Promise<RecordedRows["rows"]> {
  const driver = createBasicDriver({ timeScaleMinutesPerSecond: 60, now: () => 0 });
  const rows: RecordedRows["rows"][number][] = [];
  driver.onGuestEvent((event) => {
    if (event.kind === "recorded") rows.push(...event.rows);
  });
  const guestChanges = changes.map(
    ({ atMinute, ...change }, at): GuestChange => ({ seq: at + 1, simMinute: atMinute, ...change }),
  );
  const fields = [...VARIABLES, "growthRatePerMinute"];
  const record = { key: "k", everyMinutes: 1, fields };
  await driver.start(cellSpec("cell-a", 1, { record, changes: guestChanges, allocation: FULL }));
  for (let minute = 0; minute < MINUTES; minute += 1) driver.tick(1_000 / 60 + 1e-6);
  driver.tick(0.001);
  await driver.snapshot("cell-a", 1);
  await driver.close();
  return rows;
}

/** Returns the values that differ by more than the agreement, as text. */
function disagreements(rows: RecordedRows["rows"], changes: readonly Change[]): string[] {
  const found: string[] = [];
  let conditions = START;
  let y = VARIABLES.map((_, i) => rows[0]?.[i + 1] ?? 0);
  let divided = 0;
  for (const [minute, row] of rows.entries()) {
    if (minute > 0) y = integrated(ratesUnder(conditions), y, 1);
    // A division halves nothing but the integral: all amounts are those of a cell of constant mass.
    while ((y[0] ?? 0) - divided >= Math.LN2) divided += Math.LN2;
    const expected = new Map<string, number>([
      ["minute", minute],
      ...VARIABLES.map((name, i) => [name, y[i] ?? Number.NaN] as const),
      ["growthRatePerMinute", growthRateOf(y)],
    ]);
    for (const [i, [name, value]] of [...expected].entries()) {
      // The integral of the growth rate is compared without its divisions, at which it begins at 0 again.
      const recordedValue = (row[i] ?? Number.NaN) + (name === "generations" ? divided : 0);
      if (!(Math.abs(recordedValue - value) <= AGREEMENT * Math.abs(value))) {
        found.push(`minute ${minute} ${name}: ${recordedValue}, by the equations ${value}`);
      }
    }
    for (const change of changes) if (change.atMinute === minute) conditions = after(conditions, change);
  }
  return found;
}

it.each<readonly [string, readonly Change[]]>([
  [
    "a shift of the medium, down and with an antibiotic",
    [
      { atMinute: 20, environment: { nutrientQuality: 0.1 } },
      { atMinute: 60, environment: { chloramphenicolMicromolar: 2, nutrientQuality: 0.4 } },
    ],
  ],
  [
    "a resize of all three limits, and back",
    [
      { atMinute: 15, allocation: { ...FULL, ribosomes: 252 } },
      { atMinute: 50, allocation: { ...FULL, rnaPolymerases: 60, atpPerSecond: 8_000 } },
      { atMinute: 85, allocation: FULL },
    ],
  ],
  [
    "a schedule that changes medium and amounts at the same minute",
    [
      { atMinute: 30, environment: { substrate: 500 }, allocation: { ...FULL, ribosomes: 400 } },
      { atMinute: 50, environment: { substrate: 20_000, nutrientQuality: 0.3 } },
      { atMinute: 51, allocation: { ...FULL, ribosomes: 100 } },
      { atMinute: 85, environment: { nutrientQuality: 0.19655339702 }, allocation: FULL },
    ],
  ],
])(
  "the course of %s agrees with the published equations",
  async (_which, changes) => {
    const rows = await recorded(changes);
    expect(rows).toHaveLength(MINUTES + 1);
    expect(disagreements(rows, changes)).toEqual([]);
  },
  300_000,
);
