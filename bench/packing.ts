/**
 * Benchmark of packing: counts the chassis that 1 000 workloads need under bin-pack, first-fit and spread, and compares
 * each count with a lower bound.
 *
 * A workload is a batch of 50 to 500 cells that are placed together on equal ecoli chassis. Up to a third of the cells
 * are large: each takes up to four fifths of a chassis. The number of a workload determines its seed, so workload 17
 * is the same on every machine.
 *
 * The lower bound is computed per resource: the total request divided by the offer of one chassis, rounded up. The
 * largest of these numbers is the bound, and no packing can beat it. The true optimum may be higher, because large
 * cells leave gaps. The real waste is therefore at most the excess shown.
 *
 * Bin-pack and spread run in the planner itself, on as many empty chassis as first-fit needed. Spread uses every
 * chassis that it gets. Its figure is therefore the smallest number of chassis on which it still places all VMs.
 */
import { FULL_DEMAND } from "@bioxen/contracts";
import { type Amounts, add, amountOf, fits, subtract, sum } from "@bioxen/kernel";
import { BIN_PACK, type PlacementPolicy, planPlacements, SPREAD, type WaitingVm } from "@bioxen/placement";
import { chassisOf, emptyRoomOf, randomFrom } from "./scheduler-fleet.ts";

const WORKLOADS = 1_000;
/**
 * Largest allowed excess of bin-pack's number of chassis over the lower bound, per mille of the bound. The number of
 * chassis and the bound are each summed over all workloads.
 */
const EXCESS_LIMIT_PERMILLE = 100;

const CHASSIS = chassisOf("ecoli");
const EMPTY = emptyRoomOf("empty", CHASSIS).room;

/**
 * Packs all workloads under each policy and prints the number of chassis used. Returns whether the excess of bin-pack
 * over the lower bound is within `EXCESS_LIMIT_PERMILLE`.
 */
export function packing(): boolean {
  let [bound, binPack, firstFit, spread, vms] = [0, 0, 0, 0, 0];
  for (let number = 0; number < WORKLOADS; number += 1) {
    const requests = workload(number);
    const fitted = firstFitOf(requests);
    const waiting = requests.map(waitingFor);
    vms += requests.length;
    bound += lowerBound(requests);
    firstFit += fitted;
    binPack += usedBy(BIN_PACK, waiting, fitted);
    spread += fewestFor(SPREAD, waiting, fitted);
    if (number % 100 === 99) console.error(`  … ${number + 1} workloads`);
  }
  console.log(`packing    ${WORKLOADS} workloads, ${vms} VMs; lower bound ${bound} chassis`);
  const rows = { "bin-pack": binPack, "first-fit": firstFit, spread };
  for (const [name, used] of Object.entries(rows)) {
    console.log(`  ${name.padEnd(10)} ${used} chassis, ${percentOver(used, bound)} % over the bound`);
  }
  const isTight = (binPack - bound) * 1_000 <= EXCESS_LIMIT_PERMILLE * bound;
  if (!isTight) console.log(`  bin-pack exceeds the limit of ${EXCESS_LIMIT_PERMILLE / 10} %`);
  return isTight;
}

function workload(number: number): Amounts[] {
  const random = randomFrom(10_000 + number);
  const count = 50 + Math.floor(random() * 451);
  const large = random() / 3;
  return Array.from({ length: count }, () => {
    const full = FULL_DEMAND[random() < large ? "ecoli" : random() < 0.6 ? "syn3a" : "minimal_cell"];
    const share = () => (full === FULL_DEMAND.ecoli ? 0.05 + 0.75 * random() : 0.1 + 0.9 * random());
    const part = (name: string) => ({ [name]: Math.ceil(amountOf(full, name) * share()) });
    const flowing = sum([part("ribosomes"), part("rnaPolymerases"), part("atpPerSecond")]);
    return add(flowing, { dnaKilobases: amountOf(full, "dnaKilobases") });
  });
}

function lowerBound(requests: readonly Amounts[]): number {
  const asked = sum(requests);
  const perResource = Object.keys(asked).map((name) =>
    Math.ceil(amountOf(asked, name) / amountOf(EMPTY.free, name)),
  );
  return Math.max(...perResource, Math.ceil(requests.length / EMPTY.placesLeft));
}

/**
 * Puts each request, in the given order, into the first chassis that has room for it. Returns the number of chassis
 * used.
 */
function firstFitOf(requests: readonly Amounts[]): number {
  const bins: { free: Amounts; places: number }[] = [];
  for (const request of requests) {
    let bin = bins.find(({ free, places }) => places > 0 && fits(request, free));
    if (bin === undefined) {
      bin = { free: EMPTY.free, places: EMPTY.placesLeft };
      bins.push(bin);
    }
    bin.free = subtract(bin.free, request);
    bin.places -= 1;
  }
  return bins.length;
}

function waitingFor(request: Amounts, i: number): WaitingVm {
  return {
    vmId: `vm-${String(i).padStart(4, "0")}`,
    incarnation: 1,
    vmType: "basic",
    request,
    placement: {},
    labels: {},
    priority: 1,
    waitingSinceMs: i,
  };
}

/**
 * Plans on `count` empty chassis, and adds one chassis at a time until a plan places all VMs. Returns the number of
 * chassis that have a VM in that plan.
 */
function usedBy(policy: PlacementPolicy, waiting: readonly WaitingVm[], count: number): number {
  for (let chassis = count; ; chassis += 1) {
    const used = chassisUsed(policy, waiting, chassis);
    if (used !== undefined) return used;
  }
}

/** Returns the smallest number of chassis on which the policy places all VMs. The search starts at `from` chassis. */
function fewestFor(policy: PlacementPolicy, waiting: readonly WaitingVm[], from: number): number {
  let chassis = usedBy(policy, waiting, from);
  while (chassis > 1 && chassisUsed(policy, waiting, chassis - 1) !== undefined) chassis -= 1;
  return chassis;
}

/**
 * Plans all VMs on `chassis` empty chassis. Returns the number of chassis that got a VM; undefined when a VM was not
 * placed.
 */
function chassisUsed(
  policy: PlacementPolicy,
  waiting: readonly WaitingVm[],
  chassis: number,
): number | undefined {
  const rooms = Array.from({ length: chassis }, (_, i) =>
    emptyRoomOf(`c-${String(i).padStart(4, "0")}`, CHASSIS),
  );
  const { placements } = planPlacements(waiting, rooms, { policy });
  if (placements.length < waiting.length) return undefined;
  return new Set(placements.map(({ chassisId }) => chassisId)).size;
}

function percentOver(used: number, bound: number): string {
  return (((used - bound) * 100) / bound).toFixed(1);
}
