import { type Handled, refuse } from "@bioxen/contracts";
import { FakeClock } from "@bioxen/testkit";
import { createScriptedDriver, DriverError, type ExecOutcome } from "@bioxen/vm-driver";
import { describe, expect, it } from "vitest";
import { type AgentExecOutcome, ExecsOnce, execInGuest, refusalOf } from "./exec.ts";

const request = { vmId: "x1", fence: 1, source: "return 1", timeoutMs: 1_000 };

const SPEC = {
  vmId: "x1",
  incarnation: 1,
  fence: 1,
  biologicalType: "syn3a",
  seed: 1,
  allocation: {},
  config: {},
};
const NOTES = { ran: () => undefined };

describe("a program that ran", () => {
  const place = { nth: 2, afterSeq: 7 };
  async function ran(exec: () => ExecOutcome, hasEnded = false) {
    const driver = createScriptedDriver({ exec });
    await driver.start(SPEC);
    const noted: (readonly [number, number])[] = [];
    const notes = {
      ran: (...at: [number, number]) => {
        noted.push(at);
        return hasEnded ? undefined : 3;
      },
    };
    return { outcome: await execInGuest(driver, request, notes), noted };
  }

  it("is noted with its place before the answer, also if it failed", async () => {
    const result = { result: 1, stdout: "", instructions: 5 };
    const done = await ran(() => ({ ...result, simMinute: 9, again: place }));
    expect(done.outcome).toEqual({
      ok: true,
      result: { ...result, simMinute: 9, again: { ...place, restores: 3 } },
    });
    const failed = await ran(() => {
      throw new DriverError("GUEST_ERROR", "no", {
        details: { instructions: 5, simMinute: 9, again: place },
      });
    });
    expect(failed.outcome).toMatchObject({
      rejection: { details: { simMinute: 9, again: { ...place, restores: 3 } } },
    });
    expect([done.noted, failed.noted]).toEqual([[[9, 2]], [[9, 2]]]);
  });

  it("has no place if it changed nothing, or if its guest has ended", async () => {
    const none = await ran(() => {
      const details = { instructions: 0, simMinute: 9, again: place };
      throw new DriverError("GUEST_ERROR", "it does not compile", { details });
    });
    expect(none.noted).toEqual([]);
    expect(none.outcome).toMatchObject({ rejection: { details: { simMinute: 9 } } });
    expect(none.outcome).not.toHaveProperty("rejection.details.again");
    const result = { result: 1, stdout: "", instructions: 5, simMinute: 9 };
    const ended = await ran(() => ({ ...result, again: place }), true);
    expect(ended.outcome).toEqual({ ok: true, result });
  });
});

describe("a driver's error as a rejection of the contract", () => {
  it("has the driver's own reason when exec is not configured", async () => {
    const rejectionOf = async (noExec?: string) => {
      const driver = createScriptedDriver({ capabilities: { exec: false, noExec } });
      const { rejection } = (await execInGuest(driver, request, NOTES)) as { rejection: object };
      return rejection;
    };
    expect(await rejectionOf("set this")).toMatchObject({ code: "UNSUPPORTED", message: "set this" });
    expect(await rejectionOf()).toMatchObject({ message: "VMs of the type of x1 cannot run programs" });
    expect(await execInGuest(undefined, request, NOTES)).toMatchObject({
      rejection: { code: "UNSUPPORTED" },
    });
  });

  it("is UNSUPPORTED for shell in a guest that has none, and the guest is not asked", async () => {
    const driver = createScriptedDriver();
    await driver.start(SPEC);
    const outcome = await execInGuest(driver, { ...request, shell: true }, NOTES);
    expect(outcome).toMatchObject({ rejection: { code: "UNSUPPORTED" } });
    expect(driver.calls.map(({ verb }) => verb)).toEqual(["start"]);
  });

  it("is retryable for a temporary state, and not when the program may have run", () => {
    const retryable = (error: DriverError) => refusalOf(error).rejection;
    expect(retryable(new DriverError("UNAVAILABLE", "busy"))).toMatchObject({ retryable: true });
    expect(retryable(new DriverError("UNAVAILABLE", "in doubt", { retryable: false }))).toMatchObject({
      code: "UNAVAILABLE",
      retryable: false,
    });
    expect(retryable(new DriverError("STALE_FENCE", "old"))).toMatchObject({
      code: "UNAVAILABLE",
      retryable: true,
    });
    expect(retryable(new DriverError("GUEST_ERROR", "no"))).toMatchObject({
      code: "GUEST_ERROR",
      retryable: false,
    });
    expect(() => refusalOf(new TypeError("a bug"))).toThrow(TypeError);
  });
});

describe("a repeated command", () => {
  const done: Handled<AgentExecOutcome> = {
    ok: true,
    result: { result: 1, stdout: "", instructions: 0, simMinute: null },
  };

  function rig() {
    const clock = new FakeClock();
    const execs = new ExecsOnce(clock);
    let runs = 0;
    const ask = (
      id: string,
      outcome: Handled<AgentExecOutcome> | Promise<Handled<AgentExecOutcome>> = done,
    ) =>
      execs.once(id, async () => {
        runs += 1;
        return outcome;
      });
    return { clock, ask, runs: () => runs };
  }

  it("waits for the running program, and gets the outcome of a successful one for two minutes", async () => {
    const { clock, ask, runs } = rig();
    const running = Promise.withResolvers<Handled<AgentExecOutcome>>();
    const both = [ask("a", running.promise), ask("a")];
    running.resolve(done);
    expect(await Promise.all(both)).toEqual([done, done]);
    await ask("a");
    expect(runs()).toBe(1);
    await clock.advance(119_999);
    await ask("a");
    expect(runs()).toBe(1);
    await clock.advance(1);
    await ask("a");
    expect(runs()).toBe(2);
  });

  it("runs again after a failure, unless the outcome is unknown", async () => {
    const { ask, runs } = rig();
    for (const code of ["GUEST_ERROR", "GUEST_TIMEOUT"] as const) {
      await ask("b", refuse(code, "no"));
      await ask("b", refuse(code, "no"));
    }
    await ask("b", refuse("UNAVAILABLE", "busy", { retryable: true }));
    expect(runs()).toBe(5);
    await ask("c", refuse("UNAVAILABLE", "in doubt", { retryable: false }));
    expect(await ask("c")).toMatchObject({ rejection: { message: "in doubt" } });
    expect(runs()).toBe(6);
  });

  it("rejects for every waiting caller when the run throws, and runs again afterwards", async () => {
    const { ask, runs } = rig();
    const broken = Promise.reject<Handled<AgentExecOutcome>>(new TypeError("a bug"));
    const both = [ask("d", broken), ask("d")];
    for (const each of both) await expect(each).rejects.toThrow("a bug");
    expect(await ask("d")).toEqual(done);
    expect(runs()).toBe(2);
  });

  it("is forgotten after 64 later commands, oldest first, but never while it runs", async () => {
    const { ask, runs } = rig();
    const running = Promise.withResolvers<Handled<AgentExecOutcome>>();
    const first = ask("first", running.promise);
    for (let i = 0; i < 100; i += 1) await ask(`n${i}`);
    const again = ask("first");
    await ask("n0");
    await ask("n99");
    expect(runs()).toBe(102);
    running.resolve(done);
    expect(await again).toBe(await first);
  });
});
