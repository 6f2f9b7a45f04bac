/**
 * Burst on an idle chassis, and VMs on an oversubscribed chassis, seen through the commands and subjects.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Json, World } from "./world.ts";

const OFFERED = 22_355;

let world: World;
beforeAll(async () => {
  world = await World.shared({ chassis: "ecoli:1" });
});
afterAll(() => world.close());

/** Starts a VM that requests all ribosomes of the chassis. */
async function run(vmId: string, priority: number): Promise<void> {
  const resources = { ribosomes: OFFERED, rnaPolymerases: 2_125 };
  await world.done("cmd.vm.create", { vmId, biologicalType: "ecoli", resources, priority });
  await world.done("cmd.vm.start", { vmId });
  await world.reach(vmId, "running");
}

describe("idle capacity", () => {
  it("is lent up to the burst limit without a ledger entry, and an invalid burst is rejected", async () => {
    const created = await world.bioxenJson(
      ...["vm", "create", "lent", "--type", "syn3a", "--ribosomes", "200", "--burst", "ribosomes=450"],
    );
    expect(created.vm).toMatchObject({ request: { ribosomes: 200 }, burst: { ribosomes: 450 } });
    await world.done("cmd.vm.start", { vmId: "lent" });
    await world.reach("lent", "running");
    const sample = await world.sample("lent", ({ lent }) => lent?.ribosomes > 0);
    expect(sample.granted.ribosomes).toBe(200 + sample.lent.ribosomes);
    expect(sample.granted.ribosomes).toBeLessThanOrEqual(450);
    expect(sample.ribosomes.cap).toBe(sample.granted.ribosomes);
    const { ledger } = await world.done("qry.ledger.get", { chassisId: "ecoli-1" });
    expect(ledger.reserved.ribosomes).toBe(200);
    const refused = await world.ask("cmd.vm.create", {
      vmId: "wrong",
      biologicalType: "syn3a",
      resources: { ribosomes: 300 },
      burst: { ribosomes: 299, dnaKilobases: 600 },
    });
    expect(refused.error.details.problems.map((p: Json) => p.path).sort()).toEqual([
      "burst.dnaKilobases",
      "burst.ribosomes",
    ]);
    await world.done("cmd.vm.destroy", { vmId: "lent" });
    await world.reach("lent", "destroyed");
  });
});

describe("an oversubscribed chassis", () => {
  it("reserves twice its real capacity, and shares the real capacity by priority", async () => {
    const registered = await world.bioxenJson(
      ...["chassis", "register", "ecoli-1", "--type", "ecoli", "--agent", "local"],
      ...["--oversubscribe", "ribosomes=2000"],
    );
    expect(registered.chassis).toMatchObject({
      offered: { ribosomes: 2 * OFFERED },
      oversubscribePermille: { ribosomes: 2_000 },
    });
    await run("low", 1);
    await run("high", 4);
    const { ledger } = await world.done("qry.ledger.get", { chassisId: "ecoli-1" });
    expect(ledger).toMatchObject({
      offered: { ribosomes: 2 * OFFERED },
      reserved: { ribosomes: 2 * OFFERED },
      oversubscribePermille: { ribosomes: 2_000 },
    });
    const low = await world.sample("low", ({ granted }) => granted?.ribosomes < OFFERED);
    const high = await world.sample("high", ({ granted }) => granted?.ribosomes < OFFERED);
    expect(low.granted.ribosomes).toBeLessThan(high.granted.ribosomes);
    expect(low.lent).toEqual({});
    const { fairness } = await world.done("qry.monitor.chassis", { chassisId: "ecoli-1" });
    expect(fairness).toBeLessThan(1);
    // The only running VM is granted its whole allocation.
    await world.done("cmd.vm.pause", { vmId: "high" });
    await world.sample(
      "low",
      ({ granted, ribosomes }) => granted?.ribosomes === OFFERED && ribosomes.cap === OFFERED,
    );
    const refused = await world.ask("cmd.chassis.register", {
      chassisId: "ecoli-1",
      chassisType: "ecoli",
      agentId: "local",
      oversubscribePermille: { dnaKilobases: 2_000, ribosomes: 4_001 },
    });
    expect(refused.error.code).toBe("BAD_REQUEST");
    expect((await world.bioxen("ledger", "show", "ecoli-1")).stdout).toContain("2 × real capacity");
    expect((await world.bioxenJson("ledger", "verify")).violations).toEqual([]);
  });
});
