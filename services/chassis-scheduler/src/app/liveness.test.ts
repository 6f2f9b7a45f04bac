/**
 * What is said of a chassis and what is reported of it are the same at every moment.
 */
import { chassisTelemetrySubject, LOST_AFTER_MS, SUSPECT_AFTER_MS } from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";
import { FakeClock, idsInOrder } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { ChassisLiveness } from "./liveness.ts";

function world() {
  const clock = new FakeClock();
  const listeners: { pattern: RegExp; hear: (payload: unknown, subject: string) => void }[] = [];
  let isCut = false;
  const say = (subject: string, payload: unknown) => {
    if (isCut) return;
    for (const { pattern, hear } of listeners) if (pattern.test(subject)) hear(payload, subject);
  };
  const bus = {
    publish: say,
    subscribe: (subject: string, hear: (payload: unknown, subject: string) => void) => {
      listeners.push({ pattern: new RegExp(`^${subject.replaceAll("*", "[^.]+")}$`), hear });
      return { stop: () => undefined };
    },
  };
  const ports = { clock, timers: clock, bus, ids: idsInOrder() } as unknown as ServicePorts;
  const liveness = new ChassisLiveness(ports, () => clock.nowMs(), LOST_AFTER_MS);
  const reported: string[] = [];
  liveness.begin(
    () => ["c1"],
    (_chassisId, state) => void reported.push(state),
  );
  const heartbeat = () =>
    say(chassisTelemetrySubject("c1"), {
      chassisId: "c1",
      agentId: "a",
      atMs: clock.nowMs(),
      sampleNumber: 1,
      guests: 0,
      eventLoopLagMs: 0,
      appliedSeq: 0,
      strays: 0,
    });
  const cut = (now: boolean) => {
    isCut = now;
  };
  return { clock, liveness, reported, heartbeat, cut };
}

describe("liveness", () => {
  it("is unknown until it has listened long enough, then what it hears", async () => {
    const { clock, liveness, reported, heartbeat } = world();
    expect(liveness.of("c1").state).toBe("unknown");
    await clock.advance(SUSPECT_AFTER_MS + 1_000);
    expect(liveness.of("c1")).toEqual({ state: "suspect", heartbeatAgeMs: null });
    heartbeat();
    expect(liveness.of("c1")).toEqual({ state: "ready", heartbeatAgeMs: 0 });
    expect(reported).toEqual(["suspect", "ready"]);
  });

  it("never says of a chassis what it does not report: who was turned away hears when that ends", async () => {
    const { clock, liveness, reported, heartbeat } = world();
    heartbeat();
    for (let silentMs = 0; silentMs < 2 * SUSPECT_AFTER_MS; silentMs += 50) {
      await clock.advance(50);
      expect(liveness.of("c1").state).toBe(reported.at(-1));
    }
    heartbeat();
    expect(liveness.of("c1").state).toBe("ready");
    expect(reported).toEqual(["ready", "suspect", "ready"]);
  });

  it("calls nobody lost for a silence in which it was cut off itself, and says so when it listens again", async () => {
    const { clock, liveness, reported, heartbeat, cut } = world();
    heartbeat();
    cut(true);
    await clock.advance(10 * LOST_AFTER_MS);
    expect(liveness.lossOf("c1", 0)).toBeUndefined();
    expect(reported).toEqual(["ready"]);
    cut(false);
    await clock.advance(LOST_AFTER_MS);
    expect(liveness.lossOf("c1", 0)).toBeUndefined();
    await clock.advance(1_500);
    expect(liveness.lossOf("c1", 0)).toMatchObject({ timeoutMs: LOST_AFTER_MS });
    expect(liveness.lossOf("c1", clock.nowMs())).toBeUndefined();
    expect(reported).toEqual(["ready", "suspect"]);
  });

  it("gives the word of a lost chassis only once it is heard steadily", async () => {
    const { clock, liveness, heartbeat } = world();
    await clock.advance(4 * LOST_AFTER_MS);
    heartbeat();
    expect(liveness.steadySampleOf("c1", 1)).toBeUndefined();
    for (let i = 0; i < 3; i += 1) {
      await clock.advance(1_000);
      heartbeat();
    }
    expect(liveness.steadySampleOf("c1", 1)).toMatchObject({ chassisId: "c1", strays: 0 });
    expect(liveness.steadySampleOf("c1", 4)).toBeUndefined();
  });
});
