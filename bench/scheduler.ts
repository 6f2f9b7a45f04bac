/**
 * Benchmark of the placement plan: its cost for 10 000 chassis, 100 000 running VMs and 1 000 pending VMs.
 *
 * The benchmark measures the pure plan, without bus and log, because only the cost of the plan grows with the fleet. It
 * prints three figures:
 * - placements per second while plans of 1 000 VMs fill an empty fleet;
 * - the time of one plan of 1 000 pending VMs, on a fleet with 100 000 running VMs. The time is measured twice: with
 *   requests that are hardly ever equal, and with requests in steps of ten percent of the full demand. The first is the
 *   worst case, because the planner groups equal requests;
 * - the growth of that time from 1 000 to 10 000 chassis.
 *
 * Each time is given as wall time and as processor time. On a busy machine the wall time is longer; the processor time
 * is the cost of the plan alone.
 */
import { subtract } from "@bioxen/kernel";
import { type ChassisRoom, type Placement, planPlacements, type WaitingVm } from "@bioxen/placement";
import { emptyFleetOf, fleetOf, waitingOf } from "./scheduler-fleet.ts";

const CHASSIS = 10_000;
const VMS_PER_CHASSIS = 10;
const PENDING = 1_000;
/** Number of measured plans. It is odd, so that the median is a measured value. */
const RUNS = 21;
const SIZES = [1_000, 2_000, 4_000, 7_000, 10_000];
/**
 * Number of warm-up plans, which run before the measured plans. The times of the warm-up plans are discarded, because
 * the engine compiles the code during the first plans.
 */
const WARM_UP = 5;
/** Upper limit of the median wall time of a plan of 1 000 VMs on a machine with two cores, ms. */
const MEDIAN_LIMIT_MS = 200;
/**
 * Upper limit of the exponent by which the planning time grows with the number of chassis. An exponent of 1 is linear
 * growth; the excess over 1 allows for measurement noise.
 */
const EXPONENT_LIMIT = 1.1;

interface Timing {
  readonly wallMs: number;
  readonly cpuMs: number;
}

/**
 * Measures the plans and prints the figures. Returns whether the planning time and its growth stay within their limits.
 */
export function scheduler(): boolean {
  fill();
  const medians = SIZES.map((chassis) => {
    const fleet = fleetOf(chassis, chassis * VMS_PER_CHASSIS, 1);
    note(`${chassis} chassis`);
    return { chassis, distinct: timePlans(fleet, false), inSteps: timePlans(fleet, true) };
  });
  const largest = medians.at(-1) as (typeof medians)[number];
  for (const { chassis, distinct, inSteps } of medians) {
    console.log(
      `  ${String(chassis).padStart(6)} chassis, ${chassis * VMS_PER_CHASSIS} VMs: plan of ${PENDING} ${timing(distinct)} all distinct, ${timing(inSteps)} in steps`,
    );
  }
  const exponent = exponentOf(medians.map(({ chassis, distinct }) => [chassis, distinct.cpuMs]));
  console.log(
    `  cost grows as chassis^${exponent.toFixed(2)} (log-log fit of processor time, all distinct, ${SIZES.length} sizes)`,
  );
  const isFast = largest.distinct.wallMs <= MEDIAN_LIMIT_MS && largest.inSteps.wallMs <= MEDIAN_LIMIT_MS;
  const isLinear = exponent <= EXPONENT_LIMIT;
  if (!isFast) console.log(`  the plan exceeds the limit of ${MEDIAN_LIMIT_MS} ms`);
  if (!isLinear) console.log(`  the exponent exceeds the limit of ${EXPONENT_LIMIT}`);
  return isFast && isLinear;
}

/** Fills an empty fleet, plan by plan, and prints the rate in placements per second. */
function fill(): void {
  let rooms = emptyFleetOf(CHASSIS, 1);
  let [placed, planMs] = [0, 0];
  for (let round = 0; placed < CHASSIS * VMS_PER_CHASSIS; round += 1) {
    const waiting = waitingOf(PENDING, 1_000 + round, false);
    const startedAt = performance.now();
    const { placements } = planPlacements(waiting, rooms, { nowMs: 2_000 });
    planMs += performance.now() - startedAt;
    placed += placements.length;
    rooms = withPlaced(rooms, placements);
    if (round % 20 === 19) note(`${placed} placed`);
    if (placements.length === 0) throw new Error(`the fleet is full at ${placed} VMs`);
  }
  const rate = Math.round((placed * 1_000) / planMs);
  console.log(
    `scheduler  ${placed} VMs onto ${CHASSIS} chassis in plans of ${PENDING}: ${rate} placements/s`,
  );
}

function withPlaced(rooms: readonly ChassisRoom[], placements: readonly Placement[]): ChassisRoom[] {
  const placed = Map.groupBy(placements, ({ chassisId }) => chassisId);
  return rooms.map((one) => {
    const here = placed.get(one.chassisId);
    if (here === undefined) return one;
    let { free } = one.room;
    for (const { vm } of here) free = subtract(free, vm.request);
    return { ...one, room: { free, placesLeft: one.room.placesLeft - here.length } };
  });
}

/** Returns the median times of {@link RUNS} plans, each for a different set of pending VMs. */
function timePlans(rooms: readonly ChassisRoom[], inSteps: boolean): Timing {
  const timings = Array.from({ length: WARM_UP + RUNS }, (_, run) =>
    timePlan(waitingOf(PENDING, 100 + run, inSteps), rooms),
  ).slice(WARM_UP);
  const median = (pick: (one: Timing) => number) =>
    timings.map(pick).sort((a, b) => a - b)[Math.floor(RUNS / 2)] ?? Number.NaN;
  return { wallMs: median((one) => one.wallMs), cpuMs: median((one) => one.cpuMs) };
}

function timePlan(waiting: readonly WaitingVm[], rooms: readonly ChassisRoom[]): Timing {
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const plan = planPlacements(waiting, rooms, { nowMs: 2_000 });
  const wallMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  if (plan.placements.length !== waiting.length)
    throw new Error("a VM was not placed: the fleet has room for all");
  return { wallMs, cpuMs: (user + system) / 1_000 };
}

/**
 * Returns the exponent e of the power law y ~ x^e that fits the points best: the slope of the least-squares line
 * through the logarithms of the points.
 */
function exponentOf(points: readonly (readonly [number, number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const mean = (all: readonly number[]) => all.reduce((a, b) => a + b, 0) / all.length;
  const [meanX, meanY] = [mean(logs.map(([x]) => x)), mean(logs.map(([, y]) => y))];
  const covariance = mean(logs.map(([x, y]) => (x - meanX) * (y - meanY)));
  return covariance / mean(logs.map(([x]) => (x - meanX) ** 2));
}

function timing({ wallMs, cpuMs }: Timing): string {
  return `${wallMs.toFixed(0)} ms (processor ${cpuMs.toFixed(0)} ms)`;
}

function note(line: string): void {
  console.error(`  … ${line}`);
}
