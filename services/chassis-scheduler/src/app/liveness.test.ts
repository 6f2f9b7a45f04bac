/**
 * Liveness of a chassis: the state that a query returns is at every instant the state that was reported.
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
  const publish = (subject: string, payload: unknown) => {
    if (isCut) return;
    for (const { pattern, hear } of listeners) if (pattern.test(subject)) hear(payload, subject);
  };
  const bus = {
    publish,
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
    (chassisId) => (chassisId === "c1" ? "a" : undefined),
    (_chassisId, state) => void reported.push(state),
  );
  const heartbeat = (forged: object = {}, subject = chassisTelemetrySubject("c1")) =>
    publish(subject, {
      chassisId: "c1",
      agentId: "a",
      atMs: clock.nowMs(),
      sampleNumber: 1,
      guests: 0,
      eventLoopLagMs: 0,
      appliedSeq: 0,
      strays: 0,
      ...forged,
    });
  const cut = (now: boolean) => {
    isCut = now;
  };
  return { clock, liveness, reported, heartbeat, cut };
}

describe("liveness", () => {
  it("is unknown until the listener has listened long enough, then follows the heartbeats", async () => {
    const { clock, liveness, reported, heartbeat } = world();
    expect(liveness.of("c1").state).toBe("unknown");
    await clock.advance(SUSPECT_AFTER_MS + 1_000);
    expect(liveness.of("c1")).toEqual({ state: "suspect", heartbeatAgeMs: null });
    heartbeat();
    expect(liveness.of("c1")).toEqual({ state: "ready", heartbeatAgeMs: 0 });
    expect(reported).toEqual(["suspect", "ready"]);
  });

  it("does not follow heartbeats in the name of a chassis that its own agent did not send", async () => {
    const { clock, liveness, heartbeat } = world();
    await clock.advance(SUSPECT_AFTER_MS + 1_000);
    heartbeat({ agentId: "another" });
    heartbeat({ strays: -1 });
    heartbeat({ appliedSeq: -1 });
    heartbeat({ appliedSeq: 2 ** 53 });
    heartbeat({}, chassisTelemetrySubject("c2"));
    expect(liveness.of("c1")).toEqual({ state: "suspect", heartbeatAgeMs: null });
    heartbeat();
    expect(liveness.of("c1").state).toBe("ready");
  });

  it("never returns a state that was not reported, so that a caller turned away learns when it ends", async () => {
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

  it("declares no chassis lost for a silence during which the listener was cut off itself", async () => {
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

  it("returns the sample of a lost chassis only once its heartbeats are steady", async () => {
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
