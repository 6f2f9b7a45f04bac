/**
 * What is said of a chassis and what is reported of it are the same at every moment.
 */
import { chassisTelemetrySubject, SUSPECT_AFTER_MS } from "@bioxen/contracts";
import type { ServicePorts } from "@bioxen/kernel";
import { FakeClock } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { ChassisLiveness } from "./liveness.ts";

function world() {
  const clock = new FakeClock();
  let hear: (payload: unknown, subject: string) => void = () => undefined;
  const bus = {
    subscribe: (_subject: string, onMessage: typeof hear) => {
      hear = onMessage;
      return { stop: () => undefined };
    },
  };
  const liveness = new ChassisLiveness({ clock, timers: clock, bus } as unknown as ServicePorts);
  const reported: string[] = [];
  liveness.begin(
    () => ["c1"],
    (_chassisId, state) => void reported.push(state),
  );
  const heartbeat = () =>
    hear(
      {
        chassisId: "c1",
        agentId: "a",
        atMs: clock.nowMs(),
        sampleNumber: 1,
        guests: 0,
        eventLoopLagMs: 0,
        appliedSeq: 0,
        strays: 0,
      },
      chassisTelemetrySubject("c1"),
    );
  return { clock, liveness, reported, heartbeat };
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
});
