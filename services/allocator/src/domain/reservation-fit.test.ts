/**
 * A plan that was made on an old view costs work and never breaks a constraint: the ledger checks last.
 */
import type { Chassis, Ledger, LedgerEntry, Neighbour, PlacementNeeds } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { type AffinityContext, partitionByFit } from "./reservation-fit.ts";

function contextOf(vms: Record<string, Partial<Neighbour>>, chassis: Partial<Chassis> = {}): AffinityContext {
  return {
    chassis: { chassisType: "ecoli", capacity: {}, labels: {}, ...chassis } as Chassis,
    vm: (vmId) => {
      const vm = vms[vmId];
      return (
        vm && ({ vmId, labels: {}, placement: {}, vmType: "basic", ...vm } as Neighbour & PlacementNeeds)
      );
    },
    hasPlacedMatch: () => false,
  };
}

/** A ledger with room for 100 ribosomes in 9 places, where these VMs hold nothing but their place. */
function ledgerWith(...vmIds: string[]): Ledger {
  const entries = Object.fromEntries(vmIds.map((vmId) => [vmId, { vmId, amounts: {} } as LedgerEntry]));
  return { open: true, offered: { ribosomes: 100 }, maxVms: 9, entries } as unknown as Ledger;
}

const proposal = (vmId: string, ribosomes = 1) => ({ vmId, incarnation: 1, amounts: { ribosomes } });

function partition(ledger: Ledger, vmIds: string[], context?: AffinityContext) {
  const proposed = vmIds.map((vmId) => proposal(vmId));
  const { fit, refused } = partitionByFit("c", ledger, proposed, { affinity: context });
  return { fit: fit.map(({ vmId }) => vmId), refused: refused.map(({ misfit }) => misfit.message) };
}

describe("capacity", () => {
  it("goes to the reservations that fit together, in the order of the plan", () => {
    const proposed = [proposal("a", 60), proposal("b", 60), proposal("d", 40), proposal("e", 1)];
    const { fit, refused } = partitionByFit("c", ledgerWith(), proposed);
    expect(fit.map(({ vmId }) => vmId)).toEqual(["a", "d"]);
    expect(refused).toMatchObject([
      { vmId: "b", misfit: { code: "CAPACITY_EXCEEDED", resource: "ribosomes", requested: 60, free: 40 } },
      { vmId: "e", misfit: { code: "CAPACITY_EXCEEDED", resource: "ribosomes", requested: 1, free: 0 } },
    ]);
  });

  it("includes the places for VMs", () => {
    const full = ledgerWith("1", "2", "3", "4", "5", "6", "7", "8");
    expect(partition(full, ["x", "y"]).fit).toEqual(["x"]);
  });

  it("is given to a VM once", () => {
    expect(partition(ledgerWith("x"), ["x"]).refused).toEqual(["x already has a reservation on c"]);
    expect(partition(ledgerWith(), ["x", "x"]).fit).toEqual(["x"]);
  });

  it("of a closed ledger is given to no VM", () => {
    const closed = { ...ledgerWith(), open: false };
    expect(partition(closed, ["x"])).toEqual({ fit: [], refused: ["the ledger of c is closed"] });
  });
});

describe("affinity", () => {
  it("keeps VMs apart from those that are there, and from each other within one plan", () => {
    const apart = { antiAffinity: [{ labels: { app: "web" } }] };
    const web = { labels: { app: "web" }, placement: apart };
    const context = contextOf({ x: web, y: web, there: { labels: { app: "web" } } });
    expect(partition(ledgerWith(), ["x", "y"], context)).toMatchObject({ fit: ["x"] });
    expect(partition(ledgerWith("there"), ["x"], context)).toEqual({
      fit: [],
      refused: [expect.stringContaining("there")],
    });
    const withTerm = contextOf({ x: web, y: { placement: { antiAffinity: [{ vmIds: ["x"] }] } } });
    expect(partition(ledgerWith("y"), ["x"], withTerm).fit, "y keeps x away").toEqual([]);
  });

  it("requires the VM that it names on the chassis", () => {
    const follower = { placement: { affinity: [{ vmIds: ["db"] }] } };
    expect(partition(ledgerWith("db"), ["x"], contextOf({ x: follower, db: {} })).fit).toEqual(["x"]);
    expect(partition(ledgerWith(), ["x"], contextOf({ x: follower, db: {} })).fit).toEqual([]);
  });

  it("keeps a VM apart only from VMs of its own owner, and from all for the admin", () => {
    const placement = { antiAffinity: [{ vmIds: ["there"] }] };
    const beside = (owner: string, other: string) =>
      partition(ledgerWith("there"), ["x"], contextOf({ x: { placement, owner }, there: { owner: other } }))
        .fit;
    expect(beside("alice", "bob")).toEqual(["x"]);
    expect(beside("alice", "alice")).toEqual([]);
    expect(beside("admin", "bob")).toEqual([]);
    const repels = contextOf({
      x: { owner: "bob" },
      y: { placement: { antiAffinity: [{ vmIds: ["x"] }] }, owner: "alice" },
    });
    expect(partition(ledgerWith("y"), ["x"], repels).fit).toEqual(["x"]);
  });

  it("is checked with the taints that the chassis has now, not those of the plan", () => {
    const taints = [{ key: "lab", effect: "NoSchedule" as const }];
    expect(partition(ledgerWith(), ["x"], contextOf({ x: {} }, { taints })).fit).toEqual([]);
  });

  it("refuses a VM whose events this instance has not read", () => {
    expect(partition(ledgerWith(), ["x"], contextOf({}))).toEqual({
      fit: [],
      refused: ["the allocator has not read the events of x yet"],
    });
  });
});
