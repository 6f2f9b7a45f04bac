import type { ChassisSample, ServiceSample } from "@bioxen/contracts";
import { describe, expect, it } from "vitest";
import { Rivals } from "./rivals.ts";

const heartbeat = (chassisId: string, instance?: string) =>
  ({ chassisId, ...(instance !== undefined && { instance }) }) as ChassisSample;
const status = (instance: string, ...chassisIds: string[]) =>
  ({
    instance,
    agent: { agentId: "a", refused: chassisIds.map((chassisId) => ({ chassisId, reason: "taken" })) },
  }) as unknown as ServiceSample;

describe("the rivals of a chassis", () => {
  it("are none for one process, nor after the restart of its agent", () => {
    const rivals = new Rivals();
    rivals.hearHeartbeat(heartbeat("c", "one"), 0);
    rivals.hearHeartbeat(heartbeat("c", "one"), 1_000);
    rivals.hearService({ instance: "s" } as ServiceSample, 1_000);
    expect(rivals.of("c", 1_000)).toBe(0);
    rivals.hearHeartbeat(heartbeat("c", "two"), 6_000);
    expect(rivals.of("c", 6_000)).toBe(0);
    expect(rivals.of("unknown", 6_000)).toBe(0);
  });

  it("are the processes that were refused it, until they have it or fall silent", () => {
    const rivals = new Rivals();
    rivals.hearHeartbeat(heartbeat("c", "one"), 0);
    rivals.hearService(status("two", "c", "d"), 0);
    rivals.hearService(status("three", "c"), 0);
    expect([rivals.of("c", 0), rivals.of("d", 0)]).toEqual([2, 1]);
    rivals.hearService(status("two"), 1_000);
    expect([rivals.of("c", 1_000), rivals.of("d", 1_000)]).toEqual([1, 0]);
    expect(rivals.of("c", 4_501), "a silent process").toBe(0);
  });

  it("are the other processes that send its heartbeats, those of older versions included", () => {
    const rivals = new Rivals();
    rivals.hearHeartbeat(heartbeat("c"), 0);
    rivals.hearHeartbeat(heartbeat("c", "one"), 500);
    expect(rivals.of("c", 500)).toBe(1);
    rivals.forget("c");
    expect(rivals.of("c", 500)).toBe(0);
  });
});
