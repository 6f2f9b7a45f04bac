/**
 * One message id has one outcome: for concurrent and later attempts, and when the first attempt is slow, fails or dies.
 */
import type { HandlerResult } from "@bioxen/contracts";
import { type Bus, connectBus, type Outcomes, openOutcomes } from "@bioxen/nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, TestServer } from "../src/index.ts";

let server: TestServer;
let bus: Bus;
let instances: [Outcomes, Outcomes];
beforeAll(async () => {
  server = await TestServer.start();
  bus = await connectBus({ servers: server.url, name: "outcomes" });
  instances = [await openOutcomes(bus), await openOutcomes(bus)];
});
afterAll(async () => {
  await bus.close();
  await server.stop();
});

const result = (n: number): HandlerResult => ({ ok: true, result: { n } });
const notNow: HandlerResult = { ok: false, rejection: { code: "UNAVAILABLE", message: "", retryable: true } };

describe("first outcomes", () => {
  it("does not record a retryable rejection, whatever its code; the next attempt decides", async () => {
    const full: HandlerResult = {
      ok: false,
      rejection: { code: "CAPACITY_EXCEEDED", message: "", retryable: true },
    };
    expect(await instances[0].once("full", async () => full)).toEqual(full);
    expect(await instances[1].once("full", async () => result(1))).toEqual(result(1));
    expect(await instances[0].once("full", async () => result(2))).toEqual(result(1));
  });

  it("lets one of ten concurrent attempts work, and answers all with its outcome", async () => {
    let worked = 0;
    const attempts = Array.from({ length: 10 }, (_, i) =>
      instances[i % 2 === 0 ? 0 : 1].once("many", async () => {
        worked += 1;
        return result(i);
      }),
    );
    const outcomes = await Promise.all(attempts);
    expect(worked).toBe(1);
    expect(new Set(outcomes.map((outcome) => JSON.stringify(outcome))).size).toBe(1);
  });

  it("answers a later attempt with the recorded outcome, but not another id", async () => {
    await instances[0].once("first", async () => result(1));
    expect(await instances[1].once("first", async () => result(2))).toEqual(result(1));
    expect(await instances[1].once("other", async () => result(2))).toEqual(result(2));
  });

  it("answers CONFLICT to another digest under the id: while the first is in progress, and after it", async () => {
    const conflict = { ok: false, rejection: { code: "CONFLICT", retryable: false } };
    let wake: (() => void) | undefined;
    const first = instances[0].once(
      "digests",
      () =>
        new Promise((resolve) => {
          wake = () => resolve(result(1));
        }),
      { digest: "a" },
    );
    await eventually("the attempt has begun", () => wake);
    const other = () => instances[1].once("digests", async () => result(2), { digest: "b" });
    expect(await other()).toMatchObject(conflict);
    wake?.();
    expect(await first).toEqual(result(1));
    expect(await other()).toMatchObject(conflict);
    expect(await instances[1].once("digests", async () => result(3), { digest: "a" })).toEqual(result(1));
  });

  it('records neither "not now" nor a fault: the next attempt works at once', async () => {
    expect(await instances[0].once("later", async () => notNow)).toEqual(notNow);
    await expect(instances[0].once("later", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await instances[1].once("later", async () => result(3))).toEqual(result(3));
  });

  it("takes over an attempt that hangs, which then answers with the recorded outcome", async () => {
    let wake: ((outcome: HandlerResult) => void) | undefined;
    const slow = instances[0].once(
      "slow",
      () =>
        new Promise((resolve) => {
          wake = resolve;
        }),
    );
    await eventually("the attempt has begun", () => wake);
    expect(await instances[1].once("slow", async () => result(2))).toEqual(result(2));
    wake?.(result(1));
    expect(await slow).toEqual(result(2));
  });
});
