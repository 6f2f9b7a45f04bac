import type { Chassis, Vm } from "@bioxen/contracts";
import { beforeEach, expect, it } from "vitest";
import { SharingChassis } from "./sharing-chassis.ts";

let vms: Map<string, Partial<Vm>>;
let chassis: Map<string, Partial<Chassis>>;
let sharing: SharingChassis;

beforeEach(() => {
  vms = new Map();
  chassis = new Map();
  sharing = new SharingChassis({
    vm: (vmId) => vms.get(vmId) as Vm | undefined,
    registered: (chassisId) => chassis.get(chassisId) as Chassis | undefined,
  });
});

function vmIs(vmId: string, vm: Partial<Vm> | undefined): void {
  if (vm === undefined) vms.delete(vmId);
  else vms.set(vmId, vm);
  sharing.noteVm(vmId);
}

function chassisIs(chassisId: string, oversubscribePermille: Record<string, number> | undefined): void {
  chassis.set(chassisId, oversubscribePermille === undefined ? {} : { oversubscribePermille });
  sharing.noteChassis(chassisId);
}

it("has a chassis while it is oversubscribed", () => {
  chassisIs("plain", undefined);
  chassisIs("dense", { ribosomes: 1_500 });
  expect(sharing.ids()).toEqual(new Set(["dense"]));
  chassisIs("dense", {});
  expect(sharing.ids()).toEqual(new Set());
});

it("has a chassis while a VM with a burst is on it", () => {
  vmIs("plain", { chassisId: "a" });
  vmIs("one", { chassisId: "a", burst: { ribosomes: 10 } });
  vmIs("two", { chassisId: "a", burst: { ribosomes: 10 } });
  vmIs("waiting", { chassisId: null, burst: { ribosomes: 10 } });
  expect(sharing.ids()).toEqual(new Set(["a"]));
  vmIs("one", { chassisId: "b", burst: { ribosomes: 10 } });
  expect(sharing.ids()).toEqual(new Set(["a", "b"]));
  vmIs("two", { chassisId: "a" });
  expect(sharing.ids()).toEqual(new Set(["b"]));
  vmIs("one", undefined);
  expect(sharing.ids()).toEqual(new Set());
});
