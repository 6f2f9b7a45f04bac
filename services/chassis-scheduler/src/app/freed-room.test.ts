/**
 * Which events count as room for a VM that a host refused.
 */
import { type LedgerEvent, type VmEvent, vmFold } from "@bioxen/contracts";
import { ReadModel } from "@bioxen/kernel";
import { createdVm, envelopeOf, storedOf } from "@bioxen/testkit";
import { beforeEach, expect, it } from "vitest";
import { FreedRoom } from "./freed-room.ts";

const HELD = { vcpus: 2, memoryMiB: 2_048 };
const FENCE = 3;
let vms: ReadModel<ReturnType<typeof vmFold.evolve>>;
let freed: FreedRoom;
let seq: number;
const versions = new Map<string, number>();

function happens(kind: "vm" | "ledger", id: string, body: VmEvent | LedgerEvent): number {
  seq += 1;
  const version = (versions.get(`${kind}/${id}`) ?? 0) + 1;
  versions.set(`${kind}/${id}`, version);
  const event = storedOf(seq, envelopeOf(kind, id, body, { version }));
  if (kind === "vm") vms.apply(event);
  freed.note(event);
  return seq;
}
const vm = (id: string, type: string, data: object) =>
  happens("vm", id, { type: `bioxen.vm.${type}.v1`, data } as VmEvent);
const ledger = (type: string, data: object) =>
  happens("ledger", "pool", { type: `bioxen.ledger.${type}.v1`, data } as LedgerEvent);
const released = (vmId: string) =>
  ledger("released", { entries: [{ vmId, fence: FENCE }], reason: "the VM no longer uses it" });

function places(id: string): void {
  vm(id, "created", createdVm({ request: HELD }).data);
  vm(id, "start-requested", { automatic: false });
  vm(id, "placed", { chassisId: "pool", fence: FENCE, allocation: HELD });
}

function refuses(id: string): number {
  const why = { code: "CAPACITY_EXCEEDED", reason: "full", tries: 1, retryAtMs: 9, placeEndsAtMs: null };
  return vm(id, "start-refused", { fence: FENCE, chassisId: "pool", ...why });
}

beforeEach(() => {
  versions.clear();
  seq = 0;
  vms = new ReadModel("vm", vmFold);
  freed = new FreedRoom(vms);
});

it("the release of a refused reservation frees nothing, so that two refused VMs do not wake each other", () => {
  for (const id of ["a", "b"]) places(id);
  const first = refuses("a");
  released("a");
  refuses("b");
  released("b");
  expect(freed.hasRoomSince("pool", first)).toBe(false);
});

it("a VM that ran and leaves, a smaller VM and a larger pool free room, for the refusals before them", () => {
  places("a");
  places("runs");
  vm("runs", "started", { fence: FENCE });
  const refusal = refuses("a");
  const causes = [
    () => released("runs"),
    () => ledger("resized", { vmId: "runs", fence: FENCE, amounts: { vcpus: 1, memoryMiB: 1_024 } }),
    () => ledger("capacity-changed", { capacity: HELD, offered: HELD, maxVms: 9 }),
  ];
  for (const cause of causes) {
    const at = cause();
    expect(freed.hasRoomSince("pool", refusal)).toBe(true);
    expect(freed.hasRoomSince("pool", at)).toBe(false);
    expect(freed.hasRoomSince("another", refusal)).toBe(false);
  }
});
