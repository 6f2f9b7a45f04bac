import { type ChassisState, NEVER_LOST } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import {
  decideCordon,
  decideLost,
  decideRecovered,
  decideRegister,
  decideRemove,
  decideUncordon,
  registrationOf,
} from "./chassis.ts";
import { FLAP_MEMORY_MS } from "./failure-detector.ts";

const ask = {
  chassisId: "c",
  chassisType: "ecoli",
  overheadPermille: 150,
  labels: {},
  taints: [],
  agentId: "a",
};

function registered(): ChassisState {
  const wanted = registrationOf(ask);
  if ("problems" in wanted) throw new Error("refused");
  const fresh = { registered: true, cordoned: false, ...NEVER_LOST, registeredAtMs: 0, version: 1 } as const;
  return { ...wanted.registration, ...fresh };
}

describe("oversubscription", () => {
  it("is recorded where it is one, compared when it is registered again, and gone when it is not asked for", () => {
    const wanted = registrationOf({ ...ask, oversubscribePermille: { ribosomes: 1_500 } });
    if ("problems" in wanted) throw new Error("refused");
    expect(wanted.registration.oversubscribePermille).toEqual({ ribosomes: 1_500 });
    expect(registrationOf({ ...ask, oversubscribePermille: { ribosomes: 1_000 } })).toEqual(
      registrationOf(ask),
    );
    expect(decideRegister(registered(), wanted.registration)).toMatchObject({
      event: { type: "bioxen.chassis.reconfigured.v1" },
    });
    const state = { ...(registered() as object), ...wanted.registration } as ChassisState;
    expect(decideRegister(state, wanted.registration)).toMatchObject({ event: null });
  });

  it("is for cell chassis", () => {
    const pool = { ...ask, chassisType: "xcpng", capacity: { vcpus: 4, memoryMiB: 1_024 } };
    expect(registrationOf({ ...pool, oversubscribePermille: { ribosomes: 1_500 } })).toMatchObject({
      problems: [{ path: "oversubscribePermille" }],
    });
  });
});

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

describe("an agent that falls silent", () => {
  const silence = { silentMs: 10_250.4, timeoutMs: 10_000 };
  const lost = (state: ChassisState) => {
    const decision = decideLost(state, silence, 1_000_000);
    return decision.ok ? decision.event : null;
  };
  const gone = {
    ...registered(),
    lost: { atMs: 5_000, seq: 40, eventId: "e" },
    lossesInARow: 1,
  } as ChassisState;
  const sign = { appliedSeq: 40, strays: 0 };

  it("makes its chassis lost, once", () => {
    expect(lost(registered())).toEqual({
      type: "bioxen.chassis.lost.v1",
      data: { silentMs: 10_250, timeoutMs: 10_000, lossesInARow: 1 },
    });
    expect(lost(gone)).toBeNull();
    expect(lost({ registered: false })).toBeNull();
  });

  it("again soon after it was back is a loss in a row, later is a first one", () => {
    const back = (agoMs: number) =>
      ({ ...registered(), lossesInARow: 2, recoveredAtMs: 1_000_000 - agoMs }) as ChassisState;
    expect(lost(back(1_000))).toMatchObject({ data: { lossesInARow: 3 } });
    expect(lost(back(FLAP_MEMORY_MS))).toMatchObject({ data: { lossesInARow: 1 } });
  });

  it("is back when it has read of the loss, runs no leftover, and nobody lives there any more", () => {
    expect(decideRecovered(gone, sign, 0, 9_000)).toMatchObject({
      event: { type: "bioxen.chassis.recovered.v1", data: { lostForMs: 4_000 } },
    });
    for (const [what, ...args] of [
      ["has not read of it", { ...sign, appliedSeq: 39 }, 0],
      ["runs a ghost", { ...sign, strays: 1 }, 0],
      ["is still being evacuated", sign, 1],
    ] as const) {
      expect(decideRecovered(gone, args[0], args[1], 9_000), what).toMatchObject({ event: null });
    }
    expect(decideRecovered(registered(), sign, 0, 9_000)).toMatchObject({ event: null });
  });
});
