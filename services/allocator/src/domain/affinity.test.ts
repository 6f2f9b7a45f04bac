/**
 * A plan made on an old view costs work, never a constraint: the ledger's check is the last one.
 */
import type { Chassis, Ledger, LedgerEntry, Neighbour, PlacementNeeds } from "@bioxen/contracts";
import { expect, it } from "vitest";
import { type AffinityContext, partitionByFit } from "./ledger.ts";

const APART = { antiAffinity: [{ labels: { app: "web" } }] };

function affinity(vms: Record<string, Partial<Neighbour>>, chassis: Partial<Chassis> = {}): AffinityContext {
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

function ledgerWith(...vmIds: string[]): Ledger {
  const entries = Object.fromEntries(vmIds.map((vmId) => [vmId, { vmId, amounts: {} } as LedgerEntry]));
  return { open: true, offered: { ribosomes: 100 }, maxVms: 9, entries } as unknown as Ledger;
}

const proposed = (...vmIds: string[]) =>
  vmIds.map((vmId) => ({ vmId, incarnation: 1, amounts: { ribosomes: 1 } }));
const outcome = (ledger: Ledger, vmIds: string[], context: AffinityContext) => {
  const { fit, refused } = partitionByFit("c", ledger, proposed(...vmIds), context);
  return { fit: fit.map(({ vmId }) => vmId), refused: refused.map(({ misfit }) => misfit.message) };
};

it("anti-affinity holds against who is there, and between two of one proposal", () => {
  const web = { labels: { app: "web" }, placement: APART };
  const context = affinity({ x: web, y: web, there: { labels: { app: "web" } } });
  expect(outcome(ledgerWith(), ["x", "y"], context)).toMatchObject({ fit: ["x"] });
  expect(outcome(ledgerWith("there"), ["x"], context)).toEqual({
    fit: [],
    refused: ["there is there, and the VM is not to be with VMs labelled app=web"],
  });
  const shy = affinity({ x: web, shy: { placement: { antiAffinity: [{ vmIds: ["x"] }] } } });
  expect(outcome(ledgerWith("shy"), ["x"], shy).fit).toEqual([]);
});

it("affinity needs its VM there", () => {
  const follower = { placement: { affinity: [{ vmIds: ["db"] }] } };
  expect(outcome(ledgerWith("db"), ["x"], affinity({ x: follower, db: {} })).fit).toEqual(["x"]);
  expect(outcome(ledgerWith(), ["x"], affinity({ x: follower, db: {} })).fit).toEqual([]);
});

it("a taint or label that came after the plan counts, and nobody is placed of whom nothing is known", () => {
  const taints = [{ key: "lab", effect: "NoSchedule" as const }];
  expect(outcome(ledgerWith(), ["x"], affinity({ x: {} }, { taints })).fit).toEqual([]);
  expect(outcome(ledgerWith(), ["x"], affinity({}))).toEqual({
    fit: [],
    refused: ["x is not known here yet"],
  });
});
