/**
 * An agent registers its chassis, and leaves alone a chassis that another agent runs.
 */
import type { ChassisEvent, ModelDeclaration } from "@bioxen/contracts";
import { EventFeed, type Reply, type ReplyError, type ServicePorts } from "@bioxen/kernel";
import { envelopeOf, FakeClock, MemoryEventLog, registeredChassis, settle } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { GuestView } from "./guest-view.ts";
import { Registrations } from "./registrations.ts";

const MODEL: ModelDeclaration = {
  name: "toy",
  version: 1,
  description: "A toy.",
  ...{ parameters: [], environment: [], outputs: [], parameterSets: [], limitedBy: [] },
  biologicalTypes: [{ name: "ecoli", fullDemand: { atpPerSecond: 1 } }],
};
const logged: string[] = [];
const note = (_fields: object, message: string) => void logged.push(message);
const logger = { debug: () => {}, info: () => {}, warn: note, error: note };

/** Agent `own` with chassis `c`. In the log, `c` belongs to `owner`, and is in `state` by its heartbeats. */
async function world({
  owner,
  state,
  isClaimed = true,
  refusal,
  isPool = false,
  models,
  given = false,
}: {
  owner?: string;
  state: string;
  isClaimed?: boolean;
  refusal?: ReplyError["code"];
  isPool?: boolean;
  models?: readonly ModelDeclaration[];
  /** Whether an operator has registered the chassis: it is not in the agent's configuration. */
  given?: boolean;
}) {
  const present = { owner, state, isClaimed, refusal };
  const clock = new FakeClock();
  const log = new MemoryEventLog();
  const registered: unknown[] = [];
  if (owner !== undefined) {
    const body = registeredChassis() as ChassisEvent & { data: object };
    const data = { ...body.data, agentId: owner };
    await log.append(
      "bioxen.evt.chassis.c",
      envelopeOf("chassis", "c", { ...body, data } as ChassisEvent),
      0,
    );
  }
  const bus = {
    call: async (subject: string, payload: unknown): Promise<Reply> => {
      if (subject === "bioxen.qry.chassis.get")
        return { ok: true, chassis: { agentId: present.owner, state: present.state } };
      registered.push(payload);
      if (present.refusal !== undefined)
        return { ok: false, error: { code: present.refusal, message: "no", retryable: false } };
      return { ok: true, changed: true, chassis: {} };
    },
  };
  const view = new GuestView("own", () => false);
  // Only the ports that registrations use; the bus is partial.
  const ports = { clock, timers: clock, bus, logger } as unknown as ServicePorts;
  await new EventFeed(log, [view.vms, view.chassis], clock).start();
  const claim = { isHeld: () => present.isClaimed };
  const pool = { chassisType: "xcpng", hosts: async () => [] };
  const chassis = [{ chassisId: "c", ...(isPool ? pool : { chassisType: "ecoli" }) }];
  const registrations = new Registrations({
    ports,
    claim,
    view,
    agentId: "own",
    chassis: given ? [] : chassis,
    models,
  });
  registrations.begin();
  await settle();
  return { present, clock, registered, registrations };
}

describe("an agent", () => {
  it.each([
    ["no agent", undefined, "unknown"],
    ["itself", "own", "ready"],
    ["an agent that is silent", "other", "suspect"],
    ["an agent that is lost", "other", "lost"],
  ])("registers a chassis of %s", async (_name, owner, state) => {
    const { registered, registrations } = await world({ ...(owner !== undefined && { owner }), state });
    expect(registered).toEqual([{ chassisId: "c", chassisType: "ecoli", agentId: "own" }]);
    expect(registrations.refused()).toEqual([]);
  });

  it.each(["ready", "unknown"])(
    "leaves a chassis alone that another agent runs (%s), until that one is silent",
    async (state) => {
      logged.length = 0;
      const { present, clock, registered, registrations } = await world({ owner: "other", state });
      await clock.advance(20_000);
      expect(registered).toEqual([]);
      const reason =
        "c is run by agent other, so agent own does not register it: " +
        "remove it from the BIOXEN_CHASSIS of one of the two, or stop the other agent";
      expect(registrations.refused()).toEqual([{ chassisId: "c", reason }]);
      expect(logged, "said once").toEqual([reason]);
      present.state = "suspect";
      await clock.advance(6_000);
      expect(registered).toHaveLength(1);
      expect(registrations.refused()).toEqual([]);
    },
  );

  it("announces its models with its chassis, and on those that operators give it, once", async () => {
    const models = [MODEL];
    const own = await world({ state: "unknown", models });
    expect(own.registered).toEqual([{ chassisId: "c", chassisType: "ecoli", agentId: "own", models }]);
    const given = await world({ owner: "own", state: "ready", models, given: true });
    expect(given.registered).toMatchObject([{ chassisId: "c", agentId: "own", models, expectedVersion: 1 }]);
    for (const [owner, none] of [
      ["other", models],
      ["own", []],
    ] as const) {
      const { registered, registrations } = await world({ owner, state: "ready", models: none, given: true });
      registrations.note({ type: "bioxen.chassis.registered.v1", subject: "chassis/c" });
      await settle();
      expect(registered, owner).toEqual([]);
    }
  });

  it("names the variable of its pool when another agent has the same chassis id", async () => {
    const { registered, registrations } = await world({ owner: "other", state: "ready", isPool: true });
    expect(registered).toEqual([]);
    expect(registrations.refused()).toMatchObject([
      { reason: expect.stringContaining("give one of the two another BIOXEN_XCPNG_CHASSIS, or stop") },
    ]);
  });

  it("registers again when the scheduler cannot read the chassis, and not when the chassis is refused", async () => {
    const { present, clock, registered } = await world({ state: "unknown", refusal: "UNAVAILABLE" });
    expect(registered).toHaveLength(1);
    await clock.advance(20_000);
    const tries = registered.length;
    expect(tries).toBeGreaterThan(1);
    present.refusal = "BAD_REQUEST";
    await clock.advance(60_000);
    expect(registered).toHaveLength(tries + 1);
  });

  it("looks again at a chassis that the scheduler refuses to it, and says the reason once", async () => {
    logged.length = 0;
    const { present, clock, registered, registrations } = await world({
      owner: "other",
      state: "suspect",
      refusal: "FORBIDDEN",
    });
    await clock.advance(20_000);
    expect(registrations.refused()).toEqual([{ chassisId: "c", reason: "no" }]);
    expect(logged).toEqual(["no"]);
    present.refusal = undefined;
    const tries = registered.length;
    expect(tries).toBeGreaterThan(1);
    await clock.advance(60_000);
    expect(registered).toHaveLength(tries + 1);
    expect(registrations.refused()).toEqual([]);
  });

  it("registers nothing without the claim on its id", async () => {
    const { present, clock, registered } = await world({ state: "unknown", isClaimed: false });
    await clock.advance(20_000);
    expect(registered).toEqual([]);
    present.isClaimed = true;
    await clock.advance(6_000);
    expect(registered).toHaveLength(1);
  });
});
