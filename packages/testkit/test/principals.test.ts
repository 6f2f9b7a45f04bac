/**
 * The principals of events: the caller of the command, or the service that reacts, on behalf of the principal that began
 * the chain. They survive a snapshot.
 */
import { type ChassisState, chassisFold } from "@bioxen/contracts";
import { Aggregates, accept, type Causation, causedBy, lineOf, VersionedStates } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import { FakeClock, idsInOrder, MemoryEventLog, registeredChassis } from "../src/index.ts";

const FLIP = {
  up: { type: "bioxen.chassis.uncordoned.v1", data: {} },
  down: { type: "bioxen.chassis.cordoned.v1", data: {} },
} as const;

function world() {
  const log = new MemoryEventLog();
  const options = { log, clock: new FakeClock(), ids: idsInOrder("e"), fold: chassisFold };
  const chassis = new Aggregates<ChassisState>({ ...options, kind: "chassis", source: "/bioxen/keeper" });
  const append = async (causation: Causation, event: Parameters<typeof accept>[0] = FLIP.down) => {
    await chassis.execute("c1", causation, () => accept(event) as never);
    const last = (await log.read("bioxen.evt.chassis.c1", 0)).at(-1);
    if (last === undefined) throw new Error("nothing was appended");
    return last.envelope;
  };
  return { chassis, append };
}

const command = (principal?: string): Causation => ({
  causeId: "command",
  correlationId: "command",
  deduplicate: false,
  ...(principal === undefined ? {} : { principal, role: "tenant" }),
});

describe("the principal of an event", () => {
  it("is the caller of the command, and then the service on behalf of that caller", async () => {
    const { append } = world();
    const first = await append(command("alice"), registeredChassis());
    expect(first).toMatchObject({ principal: "alice" });
    expect(first).not.toHaveProperty("onbehalfof");
    const second = await append(causedBy(first));
    expect(second).toMatchObject({ principal: "service:keeper", onbehalfof: "alice" });
    const third = await append(causedBy(second), FLIP.up);
    expect(third).toMatchObject({ principal: "service:keeper", onbehalfof: "alice" });
    expect(await append(causedBy({ ...third, principal: "agent:local" }))).toMatchObject({
      onbehalfof: "alice",
    });
  });

  it("is the service alone when no command began the chain, or when an older event did", async () => {
    const { append } = world();
    const first = await append(command(), registeredChassis());
    expect(first).toMatchObject({ principal: "service:keeper" });
    const second = await append(causedBy(first));
    expect(second).not.toHaveProperty("onbehalfof");
    const { principal: _, ...older } = second;
    expect(await append(causedBy(older), FLIP.up)).not.toHaveProperty("onbehalfof");
  });

  it.each([
    [{ principal: "alice" }],
    [{ principal: "service:keeper", onBehalfOf: "alice" }],
    [
      {
        principal: "alice",
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        tracestate: "a=b",
      },
    ],
  ])("is restored from a snapshot: %j", async (principals) => {
    const { chassis, append } = world();
    await append({ ...command(), ...principals }, registeredChassis());
    const line = lineOf(["c1", chassis.get("c1")]);
    const restored = new VersionedStates(chassisFold);
    restored.restore(line, 0, line.length);
    expect(restored.get("c1")).toEqual(chassis.get("c1"));
  });
});
