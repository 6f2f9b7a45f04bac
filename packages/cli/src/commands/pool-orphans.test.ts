/**
 * Orphans of several pools, of which some do not answer.
 */
import { Fault } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import { EXIT_REFUSED, EXIT_UNREACHABLE } from "../outcome.ts";
import { type OrphanSession, orphanNamed, orphansOf } from "./pool-orphans.ts";

const AWAY = { code: "UNAVAILABLE", message: "agent b does not answer", retryable: true };
const orphan = (uuid: string, vmId: string) => ({ uuid, vmId, name: "n", cause: "log" });

/** Pools by chassis id: the orphans that the pool answers with, its refusal, or what its call throws. */
function session(pools: Readonly<Record<string, object>>): OrphanSession {
  const part = {
    ask: async () => ({
      chassis: [
        ...Object.keys(pools).map((chassisId) => ({ chassisId, chassisType: "xcpng" })),
        { chassisId: "cells", chassisType: "ecoli" },
      ],
    }),
    call: async (_name: string, { chassisId }: { chassisId: string }) => {
      const answer = pools[chassisId];
      if (answer instanceof Error) throw answer;
      if (!Array.isArray(answer)) return { ok: false, error: answer };
      return { ok: true, total: answer.length, orphans: answer, clusterId: "c", cursor: null };
    },
  };
  // The look-up uses only these calls, each of one endpoint.
  return part as unknown as OrphanSession;
}

describe("orphans of several pools", () => {
  const some = session({ a: [orphan("u1", "x1")], b: AWAY, c: [orphan("u2", "x2")] });

  it("are those of the pools that answer; the others are named with the reason", async () => {
    const { total, orphans, unanswered } = await orphansOf(some);
    expect([total, orphans.map(({ chassisId, uuid }) => `${chassisId} ${uuid}`)]).toEqual([
      2,
      ["a u1", "c u2"],
    ]);
    expect(unanswered).toEqual([{ chassisId: "b", error: AWAY }]);
  });

  it("count a call without any reply as unanswered", async () => {
    const silent = session({
      a: [],
      b: new Fault("TIMEOUT", "no reply within 5000 ms", { retryable: true }),
    });
    const { unanswered } = await orphansOf(silent);
    expect(unanswered).toMatchObject([{ chassisId: "b", error: { code: "UNAVAILABLE", retryable: true } }]);
  });

  it("of one named pool are the error of that pool when it does not answer", async () => {
    const refusal = {
      exitCode: EXIT_UNREACHABLE,
      message: expect.stringMatching(/^pool b: UNAVAILABLE: agent b/),
    };
    await expect(orphansOf(some, "b")).rejects.toMatchObject(refusal);
    const gone = { code: "CHASSIS_NOT_FOUND", message: "no chassis d", retryable: false };
    await expect(orphansOf(session({ d: gone }), "d")).rejects.toMatchObject({
      exitCode: EXIT_REFUSED,
      error: gone,
    });
  });
});

describe("one orphan", () => {
  const some = session({ a: [orphan("u1", "x1")], b: AWAY });

  it("is found by its uuid although a pool does not answer", async () => {
    expect(await orphanNamed(some, "u1")).toMatchObject({ chassisId: "a", uuid: "u1" });
  });

  it.each(["x1", "absent"])("is not told by the name %s while a pool does not answer", async (name) => {
    await expect(orphanNamed(some, name)).rejects.toMatchObject({ exitCode: EXIT_UNREACHABLE });
    expect(await orphanNamed(some, "x1", "a")).toMatchObject({ uuid: "u1" });
  });

  it("is refused by a name of several machines", async () => {
    const twice = session({ a: [orphan("u1", "x1")], b: [orphan("u2", "x1")] });
    await expect(orphanNamed(twice, "x1")).rejects.toMatchObject({
      exitCode: EXIT_REFUSED,
      message: "2 machines of other owners are of VM x1: give the uuid of one",
    });
  });
});
