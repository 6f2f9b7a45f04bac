import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CallReport, FromWorker, GuestKey } from "../src/lua-protocol.ts";
import { LuaRuntime } from "../src/lua-runtime.ts";
import { LuaScheduler } from "../src/lua-scheduler.ts";
import { IDENTITY, processorMs, VIEW } from "./run-lua.ts";

let runtime: LuaRuntime;
beforeAll(async () => {
  runtime = await LuaRuntime.load({ now: processorMs });
});

class Desk {
  readonly messages: FromWorker[] = [];
  readonly scheduler = new LuaScheduler(runtime, {
    post: (message) => this.messages.push(message),
    workingFor: () => {},
  });
  readonly #keys: GuestKey[] = [];
  #nextCall = 1;

  open(key: GuestKey, program?: string, again = false): void {
    const limits = { instructions: 1e6, timeoutMs: 1_000 };
    this.#keys.push(key);
    this.scheduler.receive({ kind: "open", key, identity: IDENTITY, program, again, kept: null, limits });
  }

  exec(key: GuestKey, source: string, timeoutMs = 1_000): number {
    const call = this.#nextCall;
    this.#nextCall += 1;
    const work = { kind: "chunk", source, name: "exec" } as const;
    const limits = { instructions: 1e9, timeoutMs };
    this.scheduler.receive({ kind: "call", key, call, work, view: VIEW, limits });
    return call;
  }

  finish(): void {
    while (this.scheduler.turn(10));
  }

  report(call: number): CallReport {
    const ended = this.messages.find((m) => m.kind === "ended" && m.call === call);
    if (ended?.kind !== "ended") throw new Error(`call ${call} has not ended`);
    return ended.report;
  }

  ended(): number[] {
    return this.messages.flatMap((m) => (m.kind === "ended" ? [m.call] : []));
  }

  close(): void {
    for (const key of this.#keys) this.scheduler.receive({ kind: "drop", key });
  }
}

describe("sharing the thread", () => {
  const desks: Desk[] = [];
  const desk = (): Desk => {
    const made = new Desk();
    desks.push(made);
    return made;
  };
  afterAll(() => {
    for (const made of desks) made.close();
  });

  it("busy guests delay another guest by their slices, not by their calls", () => {
    const d = desk();
    for (let key = 1; key <= 20; key += 1) d.open(key);
    for (let key = 1; key < 20; key += 1) d.exec(key, "while true do end", 2_000);
    const quick = d.exec(20, "local s = 0 for i = 1, 30000 do s = s + i end return s");
    const startMs = processorMs();
    while (!d.ended().includes(quick)) d.scheduler.turn(1);
    expect(processorMs() - startMs).toBeLessThan(1_000);
    expect(d.ended()).toEqual([quick]);
  });

  it("calls of one guest run in order and do not overlap", () => {
    const d = desk();
    d.open(1);
    const slow = d.exec(1, "x = 'slow' for i = 1, 100000 do end y = x return x");
    const fast = d.exec(1, "x = 'fast' return y");
    d.finish();
    expect(d.ended()).toEqual([slow, fast]);
    expect(d.report(slow).outcome).toMatchObject({ result: "slow" });
    expect(d.report(fast).outcome).toMatchObject({ result: "slow" });
  });

  it("a cancelled call never starts; a started call continues", () => {
    const d = desk();
    d.open(1);
    // The first call takes many slices, so that one turn cannot end it: the processor clock has steps of up to 4 ms.
    const first = d.exec(1, "for i = 1, 5000000 do end return 1");
    const second = d.exec(1, "ran = true");
    d.scheduler.turn(0.01);
    d.scheduler.receive({ kind: "cancel", key: 1, call: first });
    d.scheduler.receive({ kind: "cancel", key: 1, call: second });
    const third = d.exec(1, "return ran");
    d.finish();
    expect(d.ended()).toEqual([first, third]);
    expect(d.report(third).outcome).toMatchObject({ result: null });
  });

  it("a dropped guest ends in the middle of a call", () => {
    const d = desk();
    d.open(1);
    d.open(2);
    d.exec(1, "while true do end", 60_000);
    d.scheduler.turn(1);
    d.scheduler.receive({ kind: "drop", key: 1 });
    d.exec(1, "return 1");
    const other = d.exec(2, "return 2");
    d.finish();
    expect(d.ended()).toEqual([other]);
  });

  it("a lost state is recreated, and the program runs first", () => {
    const d = desk();
    d.open(1, "runs = (runs or 0) + 1 function on_minute() end print('program')");
    const before = d.exec(1, "kept = 1 return runs == nil");
    const bomb = d.exec(1, "while true do kept = {kept} end");
    const after = d.exec(1, "return runs, kept");
    d.finish();
    expect(d.report(before)).toMatchObject({ outcome: { result: true }, hooks: [], stateLost: false });
    expect(d.report(bomb)).toMatchObject({ stateLost: true, hooks: undefined });
    expect(d.report(after)).toMatchObject({
      outcome: { result: [1, null] },
      hooks: ["on_minute"],
      stdout: "",
    });
    expect(d.messages).toContainEqual({ kind: "printed", key: 1, lines: ["program"], leftOut: 0 });
  });

  it("a failed repeated run of the program is logged, and the call runs", () => {
    const d = desk();
    d.open(1, "error('no', 0)", true);
    const call = d.exec(1, "return 1");
    d.finish();
    expect(d.report(call).outcome).toMatchObject({ result: 1 });
    const lines = ["the repeated run of the program failed: no"];
    expect(d.messages).toContainEqual({ kind: "printed", key: 1, lines, leftOut: 0 });
  });

  it("output is truncated, in the reply and in the log", () => {
    const d = desk();
    d.open(1);
    const call = d.exec(
      1,
      "for i = 1, 10000 do print(i .. (' '):rep(20)) end print(('y'):rep(5000)) return 1",
    );
    d.finish();
    const { stdout } = d.report(call);
    expect(Buffer.byteLength(stdout)).toBeLessThan(66_000);
    expect(stdout).toMatch(/^1 {20}\n2 /);
    expect(stdout).toMatch(/… \(cut off\)$/);
    const printed = d.messages.filter((m) => m.kind === "printed");
    const lines = printed.flatMap((m) => m.lines);
    const leftOut = printed.reduce((sum, m) => sum + m.leftOut, 0);
    expect(lines.length).toBeLessThan(100);
    expect(lines.length + leftOut).toBe(10_001);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(2_100);
  });

  it("two hundred guests fit, and leak nothing", () => {
    const d = desk();
    for (let key = 1; key <= 200; key += 1) d.open(key, `id = ${key}`);
    const calls = Array.from({ length: 200 }, (_, i) => d.exec(i + 1, `n = (n or ${i}) + 1 return n`));
    const startMs = processorMs();
    d.finish();
    expect(processorMs() - startMs).toBeLessThan(5_000);
    const results = calls.map((call) => d.report(call).outcome);
    expect(results).toMatchObject(calls.map((_, i) => ({ ok: true, result: i + 1 })));
    // `close` of a state throws unless every byte was freed.
    d.close();
  });
});
