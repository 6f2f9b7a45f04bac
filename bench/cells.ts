/**
 * The rate of the cells themselves: cells of all types advance in turn in one thread, at rest in a steady medium, after
 * one change of the medium, and under a change every 30 minutes. Where a C compiler and CVODE (SUNDIALS 6) are
 * installed, CVODE integrates the same cells at the same tolerance in the same run, and the ratio is printed.
 *
 * All rates are cell-minutes per second of processor time. Both solvers give the
 * state at every minute. A cell stops there, because its limits and its medium may change at any minute; CVODE steps as
 * far as its tolerance allows and interpolates, so that it is far ahead in a steady medium.
 */
import { Cell, type CellEnvironment, cellTypeOf, limitsOf } from "@bioxen/cell-models";
import { buildCvode, CELL_TOLERANCE, type CvodeRun, runCvode } from "./cvode.ts";
import { randomFrom } from "./scheduler-fleet.ts";

/** The interval between two rows of a recorded course, minutes. The cells take turns at this interval. */
const SLICE_MINUTES = 10;
/** Relative tolerance of the run of CVODE with which the end states of the cells are compared. */
const EXACT = 1e-10;
/** Largest allowed relative error of the end state of a cell. The energy after a change of the medium has the largest one. */
const LARGEST_ERROR = 1e-4;
/** Amounts below this number of molecules are not compared. */
const SMALLEST_COMPARED = 1;

interface Scenario {
  readonly name: string;
  readonly cells: number;
  readonly minutes: number;
  /** Interval between two changes of the medium, minutes; none: the medium stays. The first change is at minute 0. */
  readonly changeEvery?: number;
}

const SCENARIOS: readonly Scenario[] = [
  { name: "steady", cells: 1_000, minutes: 600 },
  { name: "perturbed", cells: 1_000, minutes: 60, changeEvery: 60 },
  { name: "shifted", cells: 200, minutes: 600, changeEvery: 30 },
];

interface Subject {
  readonly cell: Cell;
  /** The medium in which the cell is settled, and the one of a shift. */
  readonly media: readonly [CellEnvironment, CellEnvironment];
}

/** Prints the rates. Returns whether the cells are as exact as they should be, as far as CVODE is installed. */
export async function cells(): Promise<boolean> {
  const cvode = await buildCvode();
  if (typeof cvode === "string") console.log(`cells      without CVODE: ${cvode}`);
  let isExact = true;
  for (const scenario of SCENARIOS) {
    const subjects = subjectsOf(scenario);
    const run = runOf(scenario, subjects);
    const seconds = live(subjects, scenario);
    const line = `cells      ${scenario.name.padEnd(10)} ${rateOf(scenario, seconds)} cell-minutes/s`;
    if (typeof cvode === "string") {
      console.log(line);
      continue;
    }
    const ends = await runCvode(cvode, { ...run, endsEachMinute: true });
    const free = await runCvode(cvode, run);
    const exact = await runCvode(cvode, { ...run, tolerance: EXACT });
    const error = largestError(statesOf(subjects), exact.states);
    isExact &&= error <= LARGEST_ERROR;
    console.log(
      `${line}   CVODE with an end at each minute ${rateOf(scenario, ends.seconds)}, ratio ${(ends.seconds / seconds).toFixed(2)}` +
        `; without ${rateOf(scenario, free.seconds)}, ratio ${(free.seconds / seconds).toFixed(2)}`,
    );
    console.log(
      `           largest error ${error.toExponential(1)}${error <= LARGEST_ERROR ? "" : ", TOO LARGE"}; of CVODE ` +
        `${largestError(ends.states, exact.states).toExponential(1)} and ${largestError(free.states, exact.states).toExponential(1)}`,
    );
  }
  return isExact;
}

function runOf({ minutes, changeEvery }: Scenario, subjects: readonly Subject[]): CvodeRun {
  return {
    type: TYPE,
    tolerance: CELL_TOLERANCE,
    endsEachMinute: false,
    sliceMinutes: SLICE_MINUTES,
    slices: minutes / SLICE_MINUTES,
    slicesBetweenChanges: (changeEvery ?? 0) / SLICE_MINUTES,
    cells: subjects.map(({ cell, media }) => ({
      state: cell.snapshot().state,
      media: changeEvery === undefined ? [media[0], media[0]] : [media[1], media[0]],
      limits: limitsOf(TYPE, cell.allocation),
    })),
  };
}

const rateOf = ({ cells, minutes }: Scenario, seconds: number) =>
  ((cells * minutes) / seconds).toFixed(0).padStart(8);

const TYPE = cellTypeOf("syn3a");

/** Cells of seeded allocations from 40 to 100 % of the full demand, in media of seeded nutrient quality. */
function subjectsOf({ cells, name }: Scenario): Subject[] {
  const random = randomFrom(name.length);
  const quality = () => ({ nutrientQuality: 0.08 + 0.42 * random() });
  return Array.from({ length: cells }, (_, seed) => {
    const share = () => 0.4 + 0.6 * random();
    const { ribosomes, atpPerSecond, rnaPolymerases, dnaKilobases } = TYPE.fullDemand;
    const media = [quality(), quality()] as const;
    const allocation = {
      ribosomes: Math.round(ribosomes * share()),
      atpPerSecond: Math.round(atpPerSecond * share()),
      rnaPolymerases: Math.round(rnaPolymerases * share()),
      dnaKilobases,
    };
    return { cell: Cell.boot({ biologicalType: "syn3a", allocation, environment: media[0], seed }), media };
  });
}

/** Lets all cells live through the scenario, in turn; returns the processor time in seconds. */
function live(subjects: readonly Subject[], { minutes, changeEvery }: Scenario): number {
  const startedAt = process.cpuUsage();
  for (let minute = 0; minute < minutes; minute += SLICE_MINUTES) {
    const changes = changeEvery !== undefined && minute % changeEvery === 0;
    for (const { cell, media } of subjects) {
      if (changes) cell.setEnvironment(media[(minute / changeEvery) % 2 === 0 ? 1 : 0]);
      cell.advance(SLICE_MINUTES);
    }
  }
  const { user, system } = process.cpuUsage(startedAt);
  return (user + system) / 1e6;
}

const statesOf = (subjects: readonly Subject[]) => subjects.map(({ cell }) => cell.snapshot().state);

/** The first variable, ∫λ dt, is left out: a cell takes ln 2 from it at each division. */
function largestError(states: readonly (readonly number[])[], exact: readonly (readonly number[])[]): number {
  let largest = 0;
  for (const [cell, expected] of exact.entries()) {
    for (const [variable, value] of expected.entries()) {
      const found = states[cell]?.[variable] as number;
      if (variable > 0 && value >= SMALLEST_COMPARED)
        largest = Math.max(largest, Math.abs(found - value) / value);
    }
  }
  return largest;
}
