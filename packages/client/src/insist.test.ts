/**
 * What is asked again, how long, and what is not.
 */
import { type Caller, type CallOptions, Fault, type Reply } from "@bioxen/kernel";
import { expect, it } from "vitest";
import { insist } from "./insist.ts";

/** Answers in turn what it was given, the last again and again; a `Fault` is thrown. */
class ScriptedCaller implements Caller {
  readonly asked: CallOptions[] = [];
  readonly #script: (Reply | Fault)[];

  constructor(...script: (Reply | Fault)[]) {
    this.#script = script;
  }

  async call(_subject: string, _payload: unknown, options: CallOptions): Promise<Reply> {
    this.asked.push(options);
    const next = this.#script.length > 1 ? this.#script.shift() : this.#script[0];
    if (next === undefined || next instanceof Fault) throw next;
    return next;
  }
}

const done: Reply = { ok: true, changed: true };
const refusal = (code: string, retryable: boolean): Reply => ({
  ok: false,
  error: { code, message: "", retryable },
});
const nobody = new Fault("UNAVAILABLE", "nobody serves it now", { retryable: true });
const options = { messageId: "m1", timeoutMs: 500, again: true };

it("what is answered is the answer, a refusal too", async () => {
  const full = new ScriptedCaller(refusal("CAPACITY_EXCEEDED", true));
  expect(await insist(full, "s", {}, options)).toEqual(refusal("CAPACITY_EXCEEDED", true));
  expect(full.asked).toHaveLength(1);
});

it.each([
  ["nobody is there", nobody],
  ["the service says it cannot now", refusal("UNAVAILABLE", true)],
  ["another was faster", refusal("CONFLICT", true)],
])("while %s it is asked again under the same id, until it is done", async (_why, first) => {
  const caller = new ScriptedCaller(first, first, first, first, done);
  expect(await insist(caller, "s", {}, { ...options, timeoutMs: 10_000 })).toEqual(done);
  expect(caller.asked.map(({ messageId }) => messageId)).toEqual(["m1", "m1", "m1", "m1", "m1"]);
});

it("until its time is over, and then it says what it was told last", async () => {
  const startedAtMs = performance.now();
  await expect(insist(new ScriptedCaller(nobody), "s", {}, options)).rejects.toBe(nobody);
  const away = refusal("UNAVAILABLE", true);
  expect(await insist(new ScriptedCaller(away), "s", {}, options)).toEqual(away);
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(2 * (options.timeoutMs - 150));
});

it("what cannot come to anything is asked once, and so is what must not be done twice", async () => {
  const wrong = new Fault("TOO_LARGE", "too large", { retryable: false });
  const large = new ScriptedCaller(wrong);
  await expect(insist(large, "s", {}, options)).rejects.toBe(wrong);
  const once = new ScriptedCaller(nobody);
  await expect(insist(once, "s", {}, { ...options, again: false })).rejects.toBe(nobody);
  expect([large.asked.length, once.asked.length]).toEqual([1, 1]);
});
