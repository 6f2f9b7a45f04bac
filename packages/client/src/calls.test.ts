/**
 * Which calls are repeated, for how long, and which are not.
 */
import { type Caller, type CallOptions, Fault, type Reply } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import { Calls } from "./calls.ts";
import { callUntilSettled, type RepeatOptions } from "./until-settled.ts";

interface ReceivedCall extends CallOptions {
  readonly subject: string;
  readonly payload: unknown;
}

/**
 * Replies in turn with each entry of its script, and with the last one from then on; throws the entries that are
 * faults.
 */
class ScriptedCaller implements Caller {
  readonly received: ReceivedCall[] = [];
  readonly #script: (Reply | Fault)[];

  constructor(...script: (Reply | Fault)[]) {
    this.#script = script;
  }

  async call(subject: string, payload: unknown, options: CallOptions): Promise<Reply> {
    this.received.push({ subject, payload, ...options });
    const next = this.#script.length > 1 ? this.#script.shift() : this.#script[0];
    if (next === undefined || next instanceof Fault) throw next;
    return next;
  }
}

const accepted: Reply = { ok: true, changed: true };
const refusal = (code: string, retryable: boolean): Reply => ({
  ok: false,
  error: { code, message: "", retryable },
});
const unserved = new Fault("UNAVAILABLE", "no instance serves it", { retryable: true });
const options = { timeoutMs: 500, repeat: true };

/** A call under the message id "m1". */
function settle(caller: Caller, repeating: RepeatOptions): Promise<Reply> {
  return callUntilSettled((timeoutMs) => caller.call("s", {}, { messageId: "m1", timeoutMs }), repeating);
}

describe("the rule for repeating a call", () => {
  it("passes on a refusal that lasts, although it is retryable", async () => {
    const full = new ScriptedCaller(refusal("CAPACITY_EXCEEDED", true));
    expect(await settle(full, options)).toEqual(refusal("CAPACITY_EXCEEDED", true));
    expect(full.received).toHaveLength(1);
  });

  it.each([
    ["no instance serves the subject", unserved],
    ["the service is unavailable", refusal("UNAVAILABLE", true)],
    ["another writer came first", refusal("CONFLICT", true)],
    ["the caller sends too much at once", refusal("RATE_LIMITED", true)],
  ])("repeats under the same message id while %s", async (_why, first) => {
    const caller = new ScriptedCaller(first, first, first, first, accepted);
    const reply = await settle(caller, { ...options, timeoutMs: 10_000 });
    expect(reply).toEqual(accepted);
    expect(caller.received.map(({ messageId }) => messageId)).toEqual(["m1", "m1", "m1", "m1", "m1"]);
  });

  it.each(["UNAVAILABLE", "RATE_LIMITED"])("waits as long as a refusal %s asks for", async (code) => {
    const full = {
      ok: false,
      error: { code, message: "", retryable: true, details: { retryAfterMs: 300 } },
    } as const;
    const startedAtMs = performance.now();
    const caller = new ScriptedCaller(full, accepted);
    expect(await settle(caller, { ...options, timeoutMs: 10_000 })).toEqual(accepted);
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(299);
    // A pause that is longer than what is left of a strict deadline is not begun.
    const late = new ScriptedCaller(full, accepted);
    expect(await settle(late, { timeoutMs: 350, repeat: true, strictDeadline: true })).toEqual(full);
    expect(late.received).toHaveLength(1);
  });

  it.each([-1, 0, "soon", Number.NaN, null])("ignores the wait %s", async (retryAfterMs) => {
    const details = { retryAfterMs };
    const odd = { ok: false, error: { code: "UNAVAILABLE", message: "", retryable: true, details } } as const;
    expect(await settle(new ScriptedCaller(odd, accepted), { ...options, timeoutMs: 10_000 })).toEqual(
      accepted,
    );
  });

  it("ends at the deadline with the last refusal or fault", async () => {
    const startedAtMs = performance.now();
    await expect(settle(new ScriptedCaller(unserved), options)).rejects.toBe(unserved);
    const away = refusal("UNAVAILABLE", true);
    expect(await settle(new ScriptedCaller(away), options)).toEqual(away);
    expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(2 * (options.timeoutMs - 150));
  });

  it("repeats a lasting refusal for a caller that asks to repeat every retryable one", async () => {
    const full = refusal("CAPACITY_EXCEEDED", true);
    const caller = new ScriptedCaller(full, full, accepted);
    expect(await settle(caller, { ...options, timeoutMs: 10_000, repeatOn: "retryable" })).toEqual(accepted);
    const final = new ScriptedCaller(refusal("CAPACITY_EXCEEDED", false));
    await settle(final, { ...options, repeatOn: "retryable" });
    expect([caller.received.length, final.received.length]).toEqual([3, 1]);
  });

  it("ends within one deadline where that is strict, also when no service ever replies", async () => {
    const strict = { ...options, timeoutMs: 600, strictDeadline: true };
    const silent = new Fault("TIMEOUT", "no reply", { retryable: true });
    let nowMs = 0;
    const world = {
      nowMs: () => nowMs,
      random: () => 0,
      sleep: async (ms: number) => {
        nowMs += ms;
      },
    };
    const attempts: number[] = [];
    const wait = async (timeoutMs: number): Promise<Reply> => {
      attempts.push(timeoutMs);
      nowMs += attempts.length === 1 ? 50 : timeoutMs;
      throw attempts.length === 1 ? unserved : silent;
    };
    await expect(callUntilSettled(wait, strict, world)).rejects.toBe(silent);
    expect(nowMs).toBe(strict.timeoutMs);
    expect(attempts).toEqual([600, expect.any(Number)]);
    expect(attempts[1]).toBeLessThan(550);
  });

  it("gives the restart of a service that lost a call the whole deadline, with few attempts", async () => {
    const silent = new Fault("TIMEOUT", "no reply", { retryable: true });
    let nowMs = 0;
    const sleeps: number[] = [];
    const world = {
      nowMs: () => nowMs,
      random: () => 0,
      sleep: async (ms: number) => {
        sleeps.push(ms);
        nowMs += ms;
      },
    };
    const backAtMs = 10_000 + 7_000;
    let attempts = 0;
    const attempt = async (timeoutMs: number): Promise<Reply> => {
      attempts += 1;
      if (attempts === 1) {
        nowMs += timeoutMs;
        throw silent;
      }
      if (nowMs < backAtMs) throw unserved;
      return accepted;
    };
    expect(await callUntilSettled(attempt, { timeoutMs: 10_000, repeat: true }, world)).toEqual(accepted);
    expect(attempts).toBeLessThan(20);
    expect(Math.max(...sleeps)).toBe(500);
  });

  it("fails after three attempts without a reply, and at the deadline of the refusals", async () => {
    let nowMs = 0;
    const world = {
      nowMs: () => nowMs,
      random: () => 0,
      sleep: async (ms: number) => {
        nowMs += ms;
      },
    };
    const silent = new Fault("TIMEOUT", "no reply", { retryable: true });
    const lost = async (timeoutMs: number): Promise<Reply> => {
      nowMs += timeoutMs;
      throw silent;
    };
    await expect(callUntilSettled(lost, { timeoutMs: 1_000, repeat: true }, world)).rejects.toBe(silent);
    expect(nowMs).toBeGreaterThanOrEqual(3_000);
    expect(nowMs).toBeLessThan(4_000);
    for (const strictDeadline of [false, true]) {
      const sinceMs = nowMs;
      const refusing = async (): Promise<Reply> => {
        nowMs += 1;
        throw unserved;
      };
      const repeating = { timeoutMs: 5_000, repeat: true, strictDeadline };
      await expect(callUntilSettled(refusing, repeating, world)).rejects.toBe(unserved);
      expect(nowMs - sinceMs).toBeGreaterThan(4_800);
      expect(nowMs - sinceMs).toBeLessThanOrEqual(5_001);
    }
  });

  it("makes one attempt when the fault is final, or when the call must not be repeated", async () => {
    const tooLarge = new Fault("TOO_LARGE", "too large", { retryable: false });
    const large = new ScriptedCaller(tooLarge);
    await expect(settle(large, options)).rejects.toBe(tooLarge);
    const single = new ScriptedCaller(unserved);
    await expect(settle(single, { ...options, repeat: false })).rejects.toBe(unserved);
    expect([large.received.length, single.received.length]).toEqual([1, 1]);
  });
});

describe("calls by the name of the endpoint", () => {
  it("repeat every command but a guest's program, which the guest would run twice", async () => {
    const started: Reply = { ok: true, changed: true, vm: {} };
    const caller = new ScriptedCaller(refusal("CONFLICT", true), started);
    expect(await new Calls(caller, { timeoutMs: 500 }).call("vmStart", { vmId: "c1" })).toEqual(started);
    expect(caller.received).toHaveLength(2);
    expect(caller.received[0]?.messageId).toBe(caller.received[1]?.messageId);

    const guest = new ScriptedCaller(refusal("UNAVAILABLE", true), accepted);
    const reply = await new Calls(guest, { timeoutMs: 500 }).call("vmExec", {
      vmId: "c1",
      source: "return 1",
    });
    expect(reply.ok).toBe(false);
    expect(guest.received).toHaveLength(1);
  });

  it("give a program its own limit on top of the deadline", async () => {
    const caller = new ScriptedCaller({ ok: true, result: 1, stdout: "", instructions: 1 });
    const calls = new Calls(caller, { timeoutMs: 500 });
    await calls.call("vmExec", { vmId: "c1", source: "return 1", timeoutMs: 200 });
    await calls.call("vmExec", { vmId: "c1", source: "return 1", timeoutMs: 200 }, { timeoutMs: 50 });
    expect(caller.received.map(({ timeoutMs }) => timeoutMs)).toEqual([700, 50]);
  });

  it("list every VM, page after page", async () => {
    const page = (vmId: string, cursor: string | null): Reply => ({ ok: true, vms: [{ vmId }], cursor });
    const caller = new ScriptedCaller(page("c1", "c1"), page("c2", null));
    const vms = await new Calls(caller, { timeoutMs: 500 }).listAllVms({ label: "team=red" });
    expect(vms.map(({ vmId }) => vmId)).toEqual(["c1", "c2"]);
    expect(caller.received.map(({ payload }) => payload)).toEqual([
      { label: "team=red" },
      { label: "team=red", cursor: "c1" },
    ]);
  });

  it("throw the refusal where only the result is asked for", async () => {
    const calls = new Calls(new ScriptedCaller(refusal("VM_NOT_FOUND", false)), { timeoutMs: 500 });
    await expect(calls.ask("vmGet", { vmId: "c1" })).rejects.toMatchObject({ code: "VM_NOT_FOUND" });
  });
});
