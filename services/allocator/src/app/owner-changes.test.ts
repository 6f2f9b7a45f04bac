/**
 * Which entries of the ledgers the quota of an owner charges wrongly, after each of the three changes that can cause it.
 */
import { chargeKey, type Ledger, type QuotaState, type VmState } from "@bioxen/contracts";
import { expect, it } from "vitest";
import { OwnerChanges, type OwnerChangesWorld } from "./owner-changes.ts";

const QUOTA = "--40-alice";
const ENTRY = { vmId: "a", chassisId: "c1" };

/** A world with one VM, its entry in one ledger, and the quota of alice. */
function worldOf(present: { owner: string; isCharged: boolean }): OwnerChanges {
  const vm = () => ({ exists: true, incarnation: 1, owner: present.owner }) as unknown as VmState;
  const charge = { [chargeKey("a", "c1")]: { vmId: "a", incarnation: 1 } };
  const quota = () =>
    ({ exists: true, label: "@alice", charges: present.isCharged ? charge : {} }) as unknown as QuotaState;
  const ledger = { state: { entries: { a: { incarnation: 1 } } } as unknown as Ledger };
  const world = {
    quotas: { ids: () => [QUOTA], get: () => ({ state: quota() }) },
    ledgers: { ids: () => ["c1"], get: () => ledger, entries: () => [["c1", ledger]] },
    vms: { get: vm },
  };
  return new OwnerChanges(world as unknown as OwnerChangesWorld);
}

it("notes a VM that is given to the owner, until it is charged", () => {
  const present = { owner: "alice", isCharged: false };
  const changes = worldOf(present);
  expect(changes.noteVm("a")).toEqual([QUOTA]);
  expect(changes.holdings(QUOTA)).toEqual([{ ...ENTRY, incarnation: 1, isOwn: true }]);
  present.isCharged = true;
  expect(changes.holdings(QUOTA)).toEqual([]);
});

it("notes the charge of an instance that did not know the present owner", () => {
  const present = { owner: "alice", isCharged: true };
  const changes = worldOf(present);
  changes.noteAll();
  expect(changes.holdings(QUOTA)).toEqual([]);
  // An instance that lost the lease believes that the VM belongs to bob, and its append arrives now.
  present.isCharged = false;
  changes.noteCharges(QUOTA, [ENTRY]);
  expect(changes.holdings(QUOTA)).toEqual([{ ...ENTRY, incarnation: 1, isOwn: true }]);
});

it("notes no charge without an entry, and none that is right", () => {
  const changes = worldOf({ owner: "bob", isCharged: false });
  changes.noteCharges(QUOTA, [ENTRY, { vmId: "absent", chassisId: "c1" }]);
  expect([changes.noteVm("a"), changes.holdings(QUOTA)]).toEqual([[], []]);
});
