/**
 * Guests of the real basic driver on one chassis, in simulated time: idle capacity is lent by weight and returned, and
 * no guarantee is ever lowered.
 */
import { FULL_DEMAND, type Vm } from "@bioxen/contracts";
import { createBasicDriver } from "@bioxen/driver-basic";
import type { Amounts } from "@bioxen/kernel";
import type { VmDriver } from "@bioxen/vm-driver";
import { afterEach, describe, expect, it } from "vitest";
import { Drivers } from "./drivers.ts";
import { SHARING_QUANTUM_MS, Sharing } from "./sharing.ts";

const DEMAND = FULL_DEMAND.ecoli;
/** Capacity that is enough for every guest, in all resources but ribosomes. */
const RICH = { atpPerSecond: 10_000_000, dnaKilobases: 20_000, rnaPolymerases: 100_000 };
/** Simulated minutes per second of host time. */
const TIME_SCALE = 10;
const MINUTES_PER_QUANTUM = (SHARING_QUANTUM_MS * TIME_SCALE) / 1_000;

interface StartOptions {
  readonly vmId: string;
  readonly priority?: number;
  readonly ribosomes: number;
  readonly burst?: number;
  readonly atpPerSecond?: number;
}

const none = () => undefined;
const SILENT = { debug: none, info: none, warn: none, error: none };

class Chassis {
  readonly driver: VmDriver;
  readonly sharing: Sharing;
  readonly vms = new Map<string, Vm>();
  readonly given = new Map<string, Amounts>();
  readonly realRibosomes: number;

  constructor(realRibosomes: number, oversubscribePermille?: Amounts) {
    this.realRibosomes = realRibosomes;
    this.driver = createBasicDriver({ timeScaleMinutesPerSecond: TIME_SCALE, now: () => 0 });
    const capacity = { ...RICH, ribosomes: realRibosomes };
    const chassis = { chassisType: "yeast", capacity, overheadPermille: 0, oversubscribePermille };
    const guests = {
      sharing: () => ["c"],
      vmsOn: () => this.vms.keys(),
      chassisOf: () => "c",
      vm: (vmId: string) => this.vms.get(vmId),
      chassis: () => chassis,
      given: (vmId: string) => this.given.get(vmId),
    };
    this.sharing = new Sharing(guests, new Drivers([this.driver]), SILENT);
  }

  async start({ vmId, priority = 1, ribosomes, burst, atpPerSecond }: StartOptions): Promise<void> {
    const allocation = { ...DEMAND, ribosomes, ...(atpPerSecond === undefined ? {} : { atpPerSecond }) };
    const vm = { fence: 1, vmType: "basic", biologicalType: "ecoli", priority, state: "running" };
    // Only the fields that sharing reads.
    this.vms.set(vmId, {
      ...vm,
      ...(burst === undefined ? {} : { burst: { ribosomes: burst } }),
    } as unknown as Vm);
    this.given.set(vmId, allocation);
    await this.driver.start({
      vmId,
      incarnation: 1,
      fence: 1,
      biologicalType: "ecoli",
      seed: 1,
      allocation,
      config: {},
    });
  }

  quantum(): void {
    this.sharing.apply();
    this.driver.tick(SHARING_QUANTUM_MS);
  }

  cap(vmId: string): number {
    return this.driver.sample(vmId)?.ribosomes?.cap ?? Number.NaN;
  }

  lent(vmId: string): number {
    return this.sharing.of(vmId)?.lent["ribosomes"] ?? 0;
  }
}

let chassis: Chassis;
afterEach(() => chassis.driver.close());

/**
 * Mean number of ribosomes lent to each VM over `minutes` of simulated time. Checks the guarantees at every quantum.
 */
function meanLent(vmIds: readonly string[], minutes: number): Record<string, number> {
  const sums = Object.fromEntries(vmIds.map((vmId) => [vmId, 0]));
  const quanta = minutes / MINUTES_PER_QUANTUM;
  for (let i = 0; i < quanta; i += 1) {
    chassis.quantum();
    let inUse = 0;
    for (const vmId of vmIds) {
      const guarantee = chassis.given.get(vmId)?.["ribosomes"] ?? 0;
      expect(chassis.cap(vmId)).toBeGreaterThanOrEqual(guarantee);
      inUse += chassis.driver.sample(vmId)?.ribosomes?.engaged ?? 0;
      sums[vmId] = (sums[vmId] ?? 0) + chassis.lent(vmId);
    }
    expect(inUse).toBeLessThanOrEqual(chassis.realRibosomes);
  }
  return Object.fromEntries(Object.entries(sums).map(([vmId, sum]) => [vmId, sum / quanta]));
}

function jainsIndex(shares: readonly number[]): number {
  const total = shares.reduce((a, b) => a + b, 0);
  return (total * total) / (shares.length * shares.reduce((a, b) => a + b * b, 0));
}

describe("on one chassis", () => {
  it("contending guests of priority 1, 3 and 5 borrow in the ratio 1 : 3 : 5, within 5 %, over 10 simulated minutes", async () => {
    chassis = new Chassis(15_000);
    for (const [vmId, priority] of [
      ["a", 1],
      ["b", 3],
      ["c", 5],
    ] as const) {
      await chassis.start({ vmId, priority, ribosomes: 2_000, burst: 26_300 });
    }
    const lent = meanLent(["a", "b", "c"], 10);
    const unit = lent["a"] ?? 0;
    expect(unit).toBeGreaterThan(900);
    expect((lent["b"] ?? 0) / unit / 3).toBeGreaterThan(0.95);
    expect((lent["b"] ?? 0) / unit / 3).toBeLessThan(1.05);
    expect((lent["c"] ?? 0) / unit / 5).toBeGreaterThan(0.95);
    expect((lent["c"] ?? 0) / unit / 5).toBeLessThan(1.05);
  });

  it("equal guests of equal priority borrow the same: Jain's index is at least 0.99", async () => {
    chassis = new Chassis(17_000);
    const vmIds = ["a", "b", "c", "d"];
    for (const vmId of vmIds) await chassis.start({ vmId, priority: 2, ribosomes: 2_000, burst: 26_300 });
    const lent = meanLent(vmIds, 10);
    expect(jainsIndex(Object.values(lent))).toBeGreaterThanOrEqual(0.99);
  });

  it("the capacity of a paused owner is lent, and returns before the owner runs again", async () => {
    chassis = new Chassis(4_000);
    await chassis.start({ vmId: "owner", ribosomes: 2_000 });
    await chassis.start({ vmId: "borrower", ribosomes: 2_000, burst: 10_000 });
    chassis.quantum();
    expect(chassis.lent("borrower")).toBe(0);
    await chassis.driver.pause("owner", 1);
    chassis.quantum();
    expect([chassis.lent("borrower"), chassis.cap("borrower")]).toEqual([2_000, 4_000]);
    await chassis.driver.resume("owner", 1);
    chassis.sharing.apply();
    expect([chassis.cap("owner"), chassis.cap("borrower")]).toEqual([2_000, 2_000]);
  });

  it("capacity that its owner cannot use, because it is short of another resource, is lent", async () => {
    chassis = new Chassis(20_000);
    await chassis.start({ vmId: "owner", ribosomes: 18_000, atpPerSecond: 150_000 });
    await chassis.start({ vmId: "borrower", ribosomes: 2_000, burst: 10_000 });
    const growth = chassis.driver.sample("owner")?.growthRatePerMinute ?? 0;
    meanLent(["owner", "borrower"], 10);
    expect(chassis.lent("borrower")).toBeGreaterThan(5_000);
    expect(chassis.cap("owner")).toBe(18_000);
    expect(chassis.driver.sample("owner")?.growthRatePerMinute).toBeCloseTo(growth, 8);
  });

  it("a guest without burst borrows nothing, even on an empty chassis", async () => {
    chassis = new Chassis(100_000);
    await chassis.start({ vmId: "a", ribosomes: 13_150 });
    await chassis.start({ vmId: "b", ribosomes: 100, burst: 200 });
    chassis.quantum();
    expect([chassis.cap("a"), chassis.cap("b")]).toEqual([13_150, 200]);
    expect(chassis.driver.sample("a")?.doublingTimeMinutes).toBeCloseTo(63.2, 1);
  });

  it("a changed allocation replaces the caps of earlier lending", async () => {
    chassis = new Chassis(10_000);
    await chassis.start({ vmId: "a", ribosomes: 2_000, burst: 4_000 });
    chassis.quantum();
    expect(chassis.cap("a")).toBe(4_000);
    const allocation = { ...DEMAND, ribosomes: 5_000 };
    chassis.given.set("a", allocation);
    await chassis.driver.resize("a", 1, allocation);
    chassis.quantum();
    expect([chassis.cap("a"), chassis.lent("a")]).toEqual([5_000, 0]);
  });

  it("an oversubscribed chassis is shared by weight, and a guest that runs alone has its whole allocation", async () => {
    chassis = new Chassis(9_000, { ribosomes: 2_000 });
    await chassis.start({ vmId: "a", priority: 1, ribosomes: 9_000 });
    await chassis.start({ vmId: "b", priority: 2, ribosomes: 9_000 });
    for (let i = 0; i < 10; i += 1) {
      chassis.quantum();
      expect([chassis.cap("a"), chassis.cap("b")]).toEqual([3_000, 6_000]);
    }
    expect(chassis.sharing.of("a")).toMatchObject({ caps: { ribosomes: 3_000 }, lent: {} });
    await chassis.driver.pause("b", 1);
    chassis.quantum();
    expect(chassis.cap("a")).toBe(9_000);
    await chassis.driver.resume("b", 1);
    chassis.sharing.apply();
    expect([chassis.cap("a"), chassis.cap("b")]).toEqual([3_000, 6_000]);
  });
});
