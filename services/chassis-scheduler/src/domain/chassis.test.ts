import {
  type Chassis,
  type ChassisEvent,
  type ChassisState,
  type Drain,
  drainFold,
  type LeftObject,
  type RecordedModel,
} from "@bioxen/contracts";
import { deciderLaws, given, nthPosition, SEQ_STEP, stateAfter, TIME_STEP_MS } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { chassisDecider, isCordonOfCancelledDrain } from "./chassis.ts";
import { FLAP_MEMORY_MS } from "./failure-detector.ts";
import { type Registration, registrationOf } from "./registration.ts";

const REQUEST = {
  chassisId: "c",
  chassisType: "ecoli",
  overheadPermille: 150,
  labels: {},
  taints: [],
  agentId: "a",
};

function registrationFor(fields: object = {}): Registration {
  const checked = registrationOf({ ...REQUEST, ...fields });
  if ("problems" in checked) throw new Error(JSON.stringify(checked.problems));
  return checked.registration;
}

const MODEL: RecordedModel = {
  name: "toy",
  version: 1,
  description: "A toy.",
  ...{ parameters: [], environment: [], outputs: [], parameterSets: [], limitedBy: [] },
  biologicalTypes: [{ name: "ecoli", fullDemand: { atpPerSecond: 1_000 } }],
};

const event = (type: string, data: object = {}) =>
  ({ type: `bioxen.chassis.${type}.v1`, data }) as ChassisEvent;
const registered = event("registered", registrationFor());
const cordoned = event("cordoned");
const uncordoned = event("uncordoned");
const lost = event("lost", { silentMs: 10_250, timeoutMs: 10_000, lossesInARow: 1 });
const recovered = event("recovered", { lostForMs: 4_000 });

const registers = (registration: Registration) =>
  ({ type: "register", chassisId: "c", registration }) as const;
const registersAs = (byAgent: string) => ({ ...registers(registrationFor({ agentId: byAgent })), byAgent });
const uncordons = { type: "uncordon", chassisId: "c", isDraining: false } as const;
const deletes = (uuid = "u1") => ({ type: "delete-machine", chassisId: "c", uuid }) as const;
const reports = (outcome: "DELETED" | "KEPT", reason = "") =>
  ({ type: "report-machine", chassisId: "c", uuid: "u1", outcome, reason }) as const;
const requested = event("machine-deletion-requested", { uuid: "u1" });
const removes = { type: "remove", chassisId: "c", vmIds: [] } as const;
const declaresLost = {
  type: "declare-lost",
  silence: { silentMs: 10_250.4, timeoutMs: 10_000 },
  nowMs: 1_000_000,
} as const;
/** Sequence of the event that declares the chassis lost, as the second event of its log. */
const LOST_SEQ = 2 * SEQ_STEP;
const declaresRecovered = {
  type: "declare-recovered",
  sample: { appliedSeq: LOST_SEQ, strays: 0 },
  evacuating: 0,
  nowMs: 2 * TIME_STEP_MS + 4_000,
} as const;

type Left = Omit<LeftObject, "uuid">;
const tried: Left = { vmId: "x1", kind: "disk", tries: 1, reason: "VDI_IN_USE", nextTryAtMs: 5_000 };
const givenUp: Left = { ...tried, tries: 11, nextTryAtMs: null };
const tells = (left: Left | null, uuid = "d1") => ({ type: "report-left", uuid, left }) as const;
const failed = (left: Left, uuid = "d1") => event("removal-failed", { uuid, ...left });
const completed = event("removal-completed", { vmId: "x1", kind: "disk", uuid: "d1" });

describe("registration", () => {
  it("fills in the defaults of the chassis type", () => {
    expect(registrationFor()).toMatchObject({
      capacity: { ribosomes: 26_300, rnaPolymerases: 5_000, atpPerSecond: 6_400_000, dnaKilobases: 12_000 },
      maxVms: 64,
    });
    expect(registrationFor({ capacity: { ribosomes: 7 }, maxVms: 1 })).toMatchObject({
      capacity: { ribosomes: 7, dnaKilobases: 12_000 },
      maxVms: 1,
    });
  });

  it.each([
    [{ chassisType: "moon" }, "chassisType"],
    [{ capacity: { vcpus: 1 } }, "capacity.vcpus"],
    [{ chassisType: "xcpng" }, "capacity"],
    [
      {
        chassisType: "xcpng",
        capacity: { vcpus: 4, memoryMiB: 1_024 },
        oversubscribePermille: { ribosomes: 1_500 },
      },
      "oversubscribePermille",
    ],
  ])("names the field that is wrong: %j", (fields, path) => {
    expect(registrationOf({ ...REQUEST, ...fields })).toMatchObject({ problems: [{ path }] });
  });

  it("leaves out an oversubscription of exactly the real capacity", () => {
    expect(registrationFor({ oversubscribePermille: { ribosomes: 1_500 } })).toMatchObject({
      oversubscribePermille: { ribosomes: 1_500 },
    });
    expect(registrationFor({ oversubscribePermille: { ribosomes: 1_000 } })).toEqual(registrationFor());
  });

  it("that repeats the present one changes nothing, and another one reconfigures the chassis", () => {
    const oversubscribed = registrationFor({ oversubscribePermille: { ribosomes: 1_500 } });
    given(chassisDecider, registered)
      .when(registers(registrationFor()))
      .thenUnchanged()
      .when(registers({ ...registrationFor(), maxVms: 2 }))
      .thenAppended("bioxen.chassis.reconfigured.v1")
      .when(registers(oversubscribed))
      .thenAppended("bioxen.chassis.reconfigured.v1")
      .when(registers(oversubscribed))
      .thenUnchanged();
  });

  it("keeps the models that its agent announced, until the agent announces others or another agent has it", () => {
    const own = registrationFor();
    const with1 = { ...own, models: [MODEL] };
    given(chassisDecider, registered)
      .when(registers({ ...own, models: [] }))
      .thenUnchanged()
      .when(registers(with1))
      .thenAppended(event("reconfigured", with1))
      .when(registers(own))
      .thenUnchanged()
      .when(registers({ ...own, maxVms: 2 }))
      .thenAppended(event("reconfigured", { ...with1, maxVms: 2 }))
      .when(registers({ ...own, models: [{ ...MODEL, version: 2 }] }))
      .thenAppended("bioxen.chassis.reconfigured.v1")
      .when(registers({ ...own, agentId: "other" }))
      .thenAppended(event("reconfigured", { ...own, agentId: "other" }));
    given(chassisDecider, event("registered", with1))
      .when(registers({ ...own, models: [] }))
      .thenAppended(event("reconfigured", own));
  });

  it("by another agent is rejected until the chassis is lost or removed", () => {
    given(chassisDecider, registered)
      .when(registersAs("b"))
      .thenRejected("FORBIDDEN", {
        message: expect.stringContaining("c belongs to agent a"),
        details: { agentId: "a", remedy: "bioxen chassis register c --type ecoli --agent b" },
      })
      .when(registersAs("a"))
      .thenUnchanged();
    given(chassisDecider, registered, lost)
      .when(registersAs("b"))
      .thenAppended("bioxen.chassis.reconfigured.v1");
    given(chassisDecider, registered, event("removed"))
      .when(registersAs("b"))
      .thenAppended("bioxen.chassis.registered.v1");
  });

  it("as another type is rejected until the chassis is removed", () => {
    given(chassisDecider, registered)
      .when(registers({ ...registrationFor(), chassisType: "yeast" }))
      .thenRejected("CONFLICT", { message: expect.stringContaining("remove it") });
  });
});

describe("an operator", () => {
  it("cordons, uncordons and removes a chassis", () => {
    given(chassisDecider, registered)
      .when(uncordons)
      .thenUnchanged()
      .when({ type: "cordon", chassisId: "c" })
      .thenAppended("bioxen.chassis.cordoned.v1")
      .when(uncordons)
      .thenAppended("bioxen.chassis.uncordoned.v1")
      .when({ ...removes, vmIds: ["vm"] })
      .thenRejected("CONFLICT", { details: { vmIds: ["vm"] } })
      .when(removes)
      .thenAppended("bioxen.chassis.removed.v1");
  });

  it("gets CHASSIS_NOT_FOUND for a chassis that is not registered", () => {
    const nothing = given(chassisDecider);
    for (const command of [{ type: "cordon", chassisId: "c" } as const, uncordons, removes]) {
      nothing.when(command).thenRejected("CHASSIS_NOT_FOUND");
    }
  });

  it("cannot uncordon a chassis while it is being drained", () => {
    given(chassisDecider, registered, cordoned)
      .when({ ...uncordons, isDraining: true })
      .thenRejected("CONFLICT");
  });
});

describe("a silent agent", () => {
  it("makes its chassis lost, once", () => {
    given(chassisDecider, registered)
      .when(declaresLost)
      .thenAppended(lost)
      .when(declaresLost)
      .thenUnchanged();
    given(chassisDecider).when(declaresLost).thenUnchanged();
  });

  it("that is lost again soon after a recovery counts as a loss in a row, later as a first loss", () => {
    const back = given(chassisDecider, registered, lost, recovered);
    const recoveredAtMs = 3 * TIME_STEP_MS;
    const lossesAfter = (ms: number) =>
      back.when({ ...declaresLost, nowMs: recoveredAtMs + ms }).thenAppended("bioxen.chassis.lost.v1").state;
    expect(lossesAfter(1_000)).toMatchObject({ lossesInARow: 2 });
    expect(lossesAfter(FLAP_MEMORY_MS)).toMatchObject({ lossesInARow: 1 });
  });

  it("recovers once it has read of the loss, runs no stray guest, and no VM names its chassis any more", () => {
    const gone = given(chassisDecider, registered, lost);
    const { sample } = declaresRecovered;
    gone.when({ ...declaresRecovered, sample: { ...sample, appliedSeq: LOST_SEQ - 1 } }).thenUnchanged();
    gone.when({ ...declaresRecovered, sample: { ...sample, strays: 1 } }).thenUnchanged();
    gone.when({ ...declaresRecovered, evacuating: 1 }).thenUnchanged();
    gone.when(declaresRecovered).thenAppended(recovered);
    given(chassisDecider, registered).when(declaresRecovered).thenUnchanged();
  });
});

/** A drain whose first event has sequence 10 in the log. */
function drainOf({ wasCordoned = false } = {}): Drain {
  const started = { vmIds: ["a"], wasCordoned, parallelism: 1, deadlineAtMs: 9_000 };
  const state = stateAfter(drainFold, [{ type: "bioxen.drain.started.v1", data: started }]);
  if (!state.exists) throw new Error("the drain was started");
  return state;
}

/** The same drain, cancelled with sequence 20. */
function cancelledDrain(options: { wasCordoned?: boolean } = {}): Drain {
  const data = { left: [], uncordons: options.wasCordoned !== true };
  const state = drainFold.evolve(
    drainOf(options),
    { type: "bioxen.drain.cancelled.v1", data },
    nthPosition(2),
  );
  if (!state.exists) throw new Error("the drain was cancelled");
  return state;
}

const drainCordons = { type: "cordon-for-drain", chassisId: "c", drain: drainOf() } as const;

describe("the cordon of a drain", () => {
  const chassisWith = (fields: Partial<Chassis>) =>
    ({ ...stateAfter(chassisDecider.fold, [registered]), ...fields }) as ChassisState;
  const decided = (fields: Partial<Chassis>) => {
    const decision = chassisDecider.decide(chassisWith(fields), drainCordons);
    return decision.ok && decision.event?.type;
  };

  it("is put on once: a chassis uncordoned since belongs to a drain that has ended", () => {
    expect(decided({})).toBe("bioxen.chassis.cordoned.v1");
    expect(decided({ uncordonedSeq: 2 }), "uncordoned before the drain").toBe("bioxen.chassis.cordoned.v1");
    expect(decided({ cordonedSeq: 12, uncordonedSeq: 13 }), "cordoned and uncordoned since").toBeUndefined();
    expect(decided({ cordoned: true })).toBeUndefined();
  });

  it("is lifted after a cancellation, also when it came late; a later cordon of an operator stays", () => {
    const isLifted = (cordonedSeq: number, cordonedChain: string) =>
      isCordonOfCancelledDrain(chassisWith({ cordoned: true, cordonedSeq, cordonedChain }), cancelledDrain());
    expect(isLifted(15, "another")).toBe(true);
    expect(isLifted(25, "c"), "in the chain of the drain").toBe(true);
    expect(isLifted(25, "another")).toBe(false);
    expect(isCordonOfCancelledDrain(chassisWith({}), cancelledDrain()), "not cordoned").toBe(false);
  });

  it("stays on a chassis that was cordoned before the drain, and after a drain that was not cancelled", () => {
    const chassis = chassisWith({ cordoned: true, cordonedSeq: 0 });
    expect(isCordonOfCancelledDrain(chassis, cancelledDrain({ wasCordoned: true }))).toBe(false);
    expect(isCordonOfCancelledDrain(chassis, drainOf())).toBe(false);
  });
});

deciderLaws("a chassis", chassisDecider, {
  cases: [
    { events: [], command: registers(registrationFor()) },
    { events: [registered], command: registers({ ...registrationFor(), maxVms: 2 }) },
    { events: [registered], command: registers({ ...registrationFor(), chassisType: "yeast" }) },
    { events: [], command: { type: "cordon", chassisId: "c" } },
    { events: [registered], command: { type: "cordon", chassisId: "c" } },
    { events: [registered, cordoned], command: uncordons },
    { events: [registered, cordoned], command: { ...uncordons, isDraining: true } },
    { events: [registered, cordoned, uncordoned], command: removes },
    { events: [registered], command: { ...removes, vmIds: ["vm"] } },
    { events: [registered], command: drainCordons },
    { events: [registered, cordoned, uncordoned], command: drainCordons },
    { events: [registered, cordoned], command: { type: "uncordon-after-drain", drain: cancelledDrain() } },
    { events: [registered], command: declaresLost },
    { events: [registered, lost, recovered], command: declaresLost },
    { events: [registered, lost], command: declaresRecovered },
    { events: [registered], command: deletes() },
    { events: [registered, requested], command: reports("DELETED") },
    { events: [registered], command: tells(tried) },
    { events: [registered, failed(tried), failed(givenUp)], command: tells(null) },
  ],
});

describe("an object that the pool keeps although the agent was to remove it", () => {
  it("is recorded at the first failed try, at the last one, and when it is gone", () => {
    given(chassisDecider, registered).when(tells(tried)).thenAppended(failed(tried));
    const once = given(chassisDecider, registered, failed(tried));
    once.when(tells({ ...tried, tries: 2, nextTryAtMs: 9_000 })).thenUnchanged();
    once.when(tells(givenUp)).thenAppended(failed(givenUp));
    const last = given(chassisDecider, registered, failed(tried), failed(givenUp));
    last.when(tells(givenUp)).thenUnchanged();
    last.when(tells(tried)).thenAppended(failed(tried));
    last.when(tells(null)).thenAppended(completed);
    given(chassisDecider, registered, failed(tried), completed).when(tells(null)).thenUnchanged();
  });

  it("is not recorded for an unknown chassis, and beyond 100 objects only once there is place", () => {
    given(chassisDecider).when(tells(tried)).thenUnchanged();
    const many = Array.from({ length: 100 }, (_, i) => failed(tried, `d${i}`));
    const full = given(chassisDecider, registered, ...many);
    full.when(tells(tried, "another")).thenUnchanged();
    full.when(tells(givenUp)).thenAppended(failed(givenUp));
  });
});

describe("the deletion of a machine of another owner", () => {
  it("is requested once, and ends with the outcome that the agent reports", () => {
    const open = given(chassisDecider, registered);
    open.when(deletes()).thenAppended(requested);
    given(chassisDecider, registered, requested).when(deletes()).thenUnchanged();
    const ended = event("machine-deletion-ended", { uuid: "u1", outcome: "KEPT", reason: "VDI_IN_USE" });
    given(chassisDecider, registered, requested).when(reports("KEPT", "VDI_IN_USE")).thenAppended(ended);
    given(chassisDecider, registered, requested, ended).when(reports("DELETED")).thenUnchanged();
    given(chassisDecider, registered, requested, ended).when(deletes()).thenAppended(requested);
  });

  it("is refused for an unknown chassis, and beyond 100 machines at a time", () => {
    given(chassisDecider).when(deletes()).thenRejected("CHASSIS_NOT_FOUND");
    const many = Array.from({ length: 100 }, (_, i) =>
      event("machine-deletion-requested", { uuid: `m${i}` }),
    );
    given(chassisDecider, registered, ...many)
      .when(deletes())
      .thenRejected("CONFLICT");
  });
});
