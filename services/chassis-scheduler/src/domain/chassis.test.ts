import type { ChassisState } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { decideCordon, decideRegister, decideRemove, decideUncordon, registrationOf } from "./chassis.ts";

const ask = { chassisId: "c", chassisType: "ecoli", overheadPermille: 150, labels: {}, agentId: "a" };

function registered(): ChassisState {
  const wanted = registrationOf(ask);
  if ("problems" in wanted) throw new Error("refused");
  return { ...wanted.registration, registered: true, cordoned: false, registeredAtMs: 0, version: 1 };
}

describe("registering", () => {
  it("fills in what its type has", () => {
    expect(registered()).toMatchObject({
      capacity: { ribosomes: 26_300, rnaPolymerases: 5_000, atpPerSecond: 6_400_000, dnaKilobases: 12_000 },
      maxVms: 64,
    });
    const own = registrationOf({ ...ask, capacity: { ribosomes: 7 }, maxVms: 1 });
    expect(own).toMatchObject({
      registration: { capacity: { ribosomes: 7, dnaKilobases: 12_000 }, maxVms: 1 },
    });
  });

  it("names what is wrong", () => {
    expect(registrationOf({ ...ask, chassisType: "moon" })).toMatchObject({
      problems: [{ path: "chassisType" }],
    });
    expect(registrationOf({ ...ask, capacity: { vcpus: 1 } })).toMatchObject({
      problems: [{ path: "capacity.vcpus" }],
    });
    expect(registrationOf({ ...ask, chassisType: "xcpng" })).toMatchObject({
      problems: [{ path: "capacity" }],
    });
  });

  it("again is nothing, otherwise is a reconfiguration, as another type a conflict", () => {
    const again = registrationOf(ask);
    if ("problems" in again) throw new Error("refused");
    expect(decideRegister(registered(), again.registration)).toMatchObject({ event: null });
    expect(decideRegister(registered(), { ...again.registration, maxVms: 2 })).toMatchObject({
      event: { type: "bioxen.chassis.reconfigured.v1" },
    });
    expect(decideRegister(registered(), { ...again.registration, chassisType: "yeast" })).toMatchObject({
      rejection: { code: "CONFLICT" },
    });
  });
});

describe("operators", () => {
  it("cordon, uncordon and remove", () => {
    expect(decideCordon("c", registered())).toMatchObject({ event: { type: "bioxen.chassis.cordoned.v1" } });
    expect(decideUncordon("c", registered())).toMatchObject({ event: null });
    expect(decideRemove("c", registered(), ["vm"])).toMatchObject({ rejection: { code: "CONFLICT" } });
    expect(decideRemove("c", registered(), [])).toMatchObject({
      event: { type: "bioxen.chassis.removed.v1" },
    });
    for (const decision of [decideCordon, decideUncordon]) {
      expect(decision("c", { registered: false })).toMatchObject({
        rejection: { code: "CHASSIS_NOT_FOUND" },
      });
    }
  });
});
