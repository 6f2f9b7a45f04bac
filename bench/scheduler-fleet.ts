/**
 * Generates a fleet as the scheduler sees it: chassis of all cell types, partly full of running VMs, and pending VMs.
 * The seed determines all numbers.
 */
import {
  CHASSIS_DEFAULTS,
  type Chassis,
  DEFAULT_OVERHEAD_PERMILLE,
  emptyRoom,
  FULL_DEMAND,
  NEVER_LOST,
} from "@bioxen/contracts";
import { type Amounts, add, fits, subtract } from "@bioxen/kernel";
import type { ChassisRoom, WaitingVm } from "@bioxen/placement";

/**
 * Returns a function that returns random numbers from 0 to below 1. The seed determines the sequence (generator:
 * mulberry32).
 */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const pick = <T>(random: () => number, all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;

const TYPES = ["ecoli", "ecoli", "ecoli", "yeast"] as const;
const CELLS = ["syn3a", "syn3a", "minimal_cell"] as const;

export function chassisOf(type: (typeof TYPES)[number]): Chassis {
  const { capacity, maxVms } = CHASSIS_DEFAULTS[type];
  return {
    registered: true,
    chassisType: type,
    capacity,
    overheadPermille: DEFAULT_OVERHEAD_PERMILLE,
    maxVms,
    labels: {},
    agentId: "agent-1",
    cordoned: false,
    ...NEVER_LOST,
    registeredAtMs: 0,
    version: 1,
  };
}

/** Returns `count` empty chassis, sorted by id. */
export function emptyFleetOf(count: number, seed: number): ChassisRoom[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, (_, i) => {
    const chassis = chassisOf(pick(random, TYPES));
    return emptyRoomOf(`chassis-${String(i).padStart(6, "0")}`, chassis);
  });
}

export function emptyRoomOf(chassisId: string, chassis: Chassis): ChassisRoom {
  const room = emptyRoom(chassis);
  return { chassisId, chassis, offered: room.free, room };
}

/** Returns the chassis of {@link emptyFleetOf} after `running` VMs were placed, each on a random chassis with room. */
export function fleetOf(count: number, running: number, seed: number): ChassisRoom[] {
  const random = randomFrom(seed + 1);
  const rooms = emptyFleetOf(count, seed);
  for (let placed = 0; placed < running; ) {
    const at = Math.floor(random() * count);
    const request = requestOf(random, true);
    const one = rooms[at] as ChassisRoom;
    if (!fits(request, one.room.free) || one.room.placesLeft === 0) continue;
    const room = { free: subtract(one.room.free, request), placesLeft: one.room.placesLeft - 1 };
    rooms[at] = { ...one, room };
    placed += 1;
  }
  return rooms;
}

/**
 * Returns a random request. With `inSteps`, each amount is a multiple of ten percent of the full demand. Otherwise, an
 * amount can be any integer from ten percent upwards, so that two requests are hardly ever equal.
 */
function requestOf(random: () => number, inSteps: boolean): Amounts {
  const full = FULL_DEMAND[pick(random, CELLS)];
  const share = () => (inSteps ? Math.ceil(random() * 10) / 10 : 0.1 + 0.9 * random());
  const [ribosomes, atp, polymerases] = [share(), share(), share()];
  return add(
    {
      ribosomes: Math.ceil((full["ribosomes"] ?? 0) * ribosomes),
      atpPerSecond: Math.ceil((full["atpPerSecond"] ?? 0) * atp),
      rnaPolymerases: Math.ceil((full["rnaPolymerases"] ?? 0) * polymerases),
    },
    { dnaKilobases: full["dnaKilobases"] ?? 0 },
  );
}

export function waitingOf(count: number, seed: number, inSteps: boolean): WaitingVm[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, (_, i) => ({
    vmId: `vm-${String(i).padStart(6, "0")}`,
    incarnation: 1,
    vmType: "basic" as const,
    request: requestOf(random, inSteps),
    placement: {},
    labels: { team: "bench" },
    priority: 1 + Math.floor(random() * 5),
    waitingSinceMs: Math.floor(random() * 1_000),
  }));
}
