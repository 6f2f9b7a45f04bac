/**
 * The first agent that makes a claim waits for the end of an agent of version 0.1.0 with its id, and for no other.
 */
import { FakeClock } from "@bioxen/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import { OLDER_AGENT_QUIET_MS, olderAgentGone } from "./older-agent.ts";

const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const heartbeat = (fields: object) => ({
  chassisId: "ecoli-1",
  agentId: "local",
  atMs: 1,
  sampleNumber: 1,
  guests: 1,
  strays: 0,
  eventLoopLagMs: 0,
  appliedSeq: 1,
  ...fields,
});

describe("an agent of version 0.1.0 with the same id", () => {
  let clock: FakeClock;
  let deliver: (payload: unknown) => void;
  let reasons: string[];
  let isGone: boolean;
  let isSubscribed: boolean;

  beforeEach(() => {
    clock = new FakeClock();
    reasons = [];
    isGone = false;
    isSubscribed = true;
    const bus = {
      subscribe: (_subject: string, onMessage: (payload: unknown, subject: string) => void) => {
        deliver = (payload) => onMessage(payload, "bioxen.tel.chassis.ecoli-1");
        return {
          stop: () => {
            isSubscribed = false;
          },
        };
      },
    };
    const ports = { bus, timers: clock, logger } as unknown as Parameters<typeof olderAgentGone>[0]["ports"];
    void olderAgentGone({ ports, agentId: "local", onWait: (reason) => reasons.push(reason) }).then(() => {
      isGone = true;
    });
  });

  it("is waited for while it sends heartbeats, with one reason, and is gone after some silence", async () => {
    for (let second = 0; second < 20; second += 1) {
      deliver(heartbeat({}));
      await clock.advance(1_000);
      expect(isGone).toBe(false);
    }
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toContain("agent local is run by a process of version 0.1.0");
    await clock.advance(OLDER_AGENT_QUIET_MS);
    expect({ isGone, isSubscribed }).toEqual({ isGone: true, isSubscribed: false });
  });

  it("is neither an agent with another id, nor one that names its process, nor another message", async () => {
    const others = [
      heartbeat({ agentId: "other" }),
      heartbeat({ instance: "a/7/x" }),
      { agentId: "local" },
      7,
    ];
    for (let passed = 0; passed < OLDER_AGENT_QUIET_MS; passed += 500) {
      for (const other of others) deliver(other);
      await clock.advance(500);
    }
    expect({ isGone, reasons }).toEqual({ isGone: true, reasons: [] });
  });
});
