/**
 * Cells with their Lua, in the real worker.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cellSpec, Fleet } from "./fleet.ts";

let fleet: Fleet;
beforeEach(() => {
  fleet = new Fleet();
});
afterEach(() => fleet.driver.close());

describe("the limits of the sandbox", () => {
  const attacks: readonly (readonly [string, string])[] = [
    ["while true do pcall(function() while true do end end) end", "GUEST_TIMEOUT"],
    ['return string.rep("x", 1e9)', "GUEST_OUT_OF_MEMORY"],
    ["local t = {} while true do t[#t + 1] = {} end", "GUEST_OUT_OF_MEMORY"],
    ["T = {} while true do T = {T} end", "GUEST_OUT_OF_MEMORY"],
    ['return ("a"):rep(30000):find(".-.-.-.-b")', "GUEST_ERROR"],
    ['while true do pcall(string.find, ("a"):rep(30000), ".-.-.-.-b") end', "GUEST_TIMEOUT"],
    ["return os.execute('true')", "GUEST_ERROR"],
  ];

  it.each(attacks.map(([source, code]) => ({ source, code })))(
    "$source → $code",
    async ({ source, code }) => {
      await fleet.start("bad");
      await fleet.start("neighbour");
      await fleet.value("neighbour", "mine = 5");
      // Cases that end by another limit get a long timeout, because a busy machine fills 8 MiB slowly.
      const attack = fleet.failure("bad", source, code === "GUEST_TIMEOUT" ? 300 : 10_000);
      expect(await fleet.value("neighbour", "return mine")).toBe(5);
      expect((await attack).code).toBe(code);
      const before = fleet.driver.sample("bad")?.simMinutes ?? 0;
      fleet.driver.tick(1_000);
      expect(fleet.driver.sample("bad")?.simMinutes).toBe(before + 60);
      expect(await fleet.value("bad", "return cell.sim_minutes()")).toBe(before + 60);
      expect(await fleet.value("neighbour", "return mine")).toBe(5);
    },
  );

  it("os, io, require, load, debug do not exist", async () => {
    await fleet.start("cell-a");
    expect(
      await fleet.value("cell-a", "return {os = type(os), io = type(io), require = type(require)}"),
    ).toEqual({
      io: "nil",
      os: "nil",
      require: "nil",
    });
    expect(await fleet.value("cell-a", "return type(load), type(debug)")).toEqual(["nil", "nil"]);
  });

  it("a guest that runs to its limit delays neither neighbours nor this thread", async () => {
    for (let i = 0; i < 6; i += 1) await fleet.start(`busy-${i}`);
    await fleet.start("quick");
    await fleet.value("quick", "return 1");
    const busy = Array.from({ length: 6 }, (_, i) => fleet.failure(`busy-${i}`, "while true do end", 1_500));
    for (let i = 0; i < 20; i += 1) {
      const startMs = performance.now();
      expect(await fleet.value("quick", "local s = 0 for i = 1, 1000 do s = s + i end return s")).toBe(
        500_500,
      );
      expect(performance.now() - startMs).toBeLessThan(1_000);
    }
    expect((await Promise.all(busy)).map((error) => error.code)).toEqual(busy.map(() => "GUEST_TIMEOUT"));
  });
});

describe("exec", () => {
  it("shows the current cell, and returns output and instruction count", async () => {
    await fleet.start("cell-a");
    fleet.driver.tick(2_000);
    const sample = fleet.driver.sample("cell-a");
    const outcome = await fleet.exec(
      "cell-a",
      "print('hello', 1) return cell.growth_rate(), cell.ribosomes().total",
    );
    expect(outcome.result).toEqual([sample?.growthRatePerMinute, sample?.ribosomes?.total]);
    expect(outcome.stdout).toBe("hello\t1\n");
    expect(outcome.instructions).toBeGreaterThan(10);
    expect(fleet.driver.sample("cell-a")?.luaInstructions).toBe(outcome.instructions);
    expect(fleet.log("cell-a")).toEqual(["hello\t1"]);
  });

  it("with readOnly runs on a copy, which has the state, the cell and the program of the guest", async () => {
    const program = "state.n = state.n or 1 function twice() return 2 * state.n end function on_minute() end";
    await fleet.start("cell-a", { program });
    await fleet.value("cell-a", "state.n = 21");
    await fleet.live("cell-a", 2_000);
    const before = await fleet.driver.snapshot("cell-a", fleet.fence("cell-a"));
    const copied = (source: string) =>
      fleet.driver.exec("cell-a", fleet.fence("cell-a"), source, { timeoutMs: 60_000, readOnly: true });
    const source =
      "print('seen') state.n = 4 cell.set_environment{substrate = 1} return twice(), cell.sim_minutes()";
    const outcome = await copied(source);
    expect(outcome).toMatchObject({ result: [8, 120], stdout: "seen\n", simMinute: 120 });
    await expect(copied("error('broken')")).rejects.toMatchObject({
      code: "GUEST_ERROR",
      details: { simMinute: 120 },
    });
    expect(await fleet.driver.snapshot("cell-a", fleet.fence("cell-a")), "nothing changed").toEqual(before);
    expect(fleet.log("cell-a")).toEqual([]);
    expect((await fleet.exec("cell-a", "return twice()")).result).toBe(42);
  });

  it("changes the environment on success, and not at all on failure", async () => {
    await fleet.start("cell-a");
    await fleet.failure("cell-a", "cell.set_environment{chloramphenicol_um = 4} error('no')");
    await fleet.failure("cell-a", "cell.set_environment{chloramphenicol_um = 4} while true do end", 50);
    expect(await fleet.value("cell-a", "return cell.environment().chloramphenicol_um")).toBe(0);
    const source =
      "cell.set_environment{chloramphenicol_um = 4} return cell.environment().chloramphenicol_um";
    expect(await fleet.value("cell-a", source)).toBe(4);
    expect(await fleet.value("cell-a", "return cell.environment().substrate")).toBe(10_000);
    const before = fleet.driver.sample("cell-a")?.growthRatePerMinute ?? 0;
    for (let i = 0; i < 10; i += 1) fleet.driver.tick(1_000);
    expect(fleet.driver.sample("cell-a")?.growthRatePerMinute).toBeLessThan(before * 0.9);
  });

  it("a failure includes its traceback, its output and whether globals are lost", async () => {
    await fleet.start("cell-a");
    const error = await fleet.failure("cell-a", "print('before')\nlocal function f() error('boom') end\nf()");
    expect(error).toMatchObject({ code: "GUEST_ERROR", message: "exec:2: boom", retryable: false });
    expect(error.details).toMatchObject({ stdout: "before\n", stateLost: false });
    expect(error.details["traceback"]).toContain("exec:3: in main chunk");
    const lost = await fleet.failure("cell-a", "while true do T = {T} end");
    expect(lost.details).toMatchObject({ stateLost: true });
  });

  it("too many calls, too large a source, and calls after the end are rejected", async () => {
    await fleet.start("cell-a");
    expect((await fleet.failure("cell-a", "x".repeat(70_000))).code).toBe("TOO_LARGE");
    const many = Array.from({ length: 17 }, () => fleet.exec("cell-a", "for i = 1, 1e5 do end return 1"));
    const outcomes = await Promise.allSettled(many);
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled")).toHaveLength(16);
    expect(outcomes.at(-1)).toMatchObject({ reason: { code: "UNAVAILABLE", retryable: true } });
    const running = fleet.failure("cell-a", "while true do end", 10_000);
    await fleet.driver.stop("cell-a", fleet.fence("cell-a"));
    expect((await running).code).toBe("INVALID_STATE");
  });

  it("a call that waits longer than its timeout is abandoned before it runs", async () => {
    await fleet.start("cell-a");
    const busy = fleet.failure("cell-a", "while true do end", 2_000);
    expect(await fleet.failure("cell-a", "ran = true", 50)).toMatchObject({
      code: "UNAVAILABLE",
      retryable: true,
    });
    expect((await busy).code).toBe("GUEST_TIMEOUT");
    expect(await fleet.value("cell-a", "return ran")).toBeNull();
  });

  it("a stop with a grace lets running calls end, and one without it ends them", async () => {
    const busy = "for i = 1, 3e6 do end return 'complete'";
    await fleet.start("patient");
    const call = fleet.value("patient", busy);
    await fleet.driver.stop("patient", fleet.fence("patient"), { graceMs: 60_000 });
    expect(await call).toBe("complete");
    expect(fleet.driver.list()).toEqual([]);
    await fleet.start("hasty");
    const cut = fleet.failure("hasty", "while true do end", 60_000);
    await fleet.driver.stop("hasty", fleet.fence("hasty"), { graceMs: 20 });
    expect(await cut).toMatchObject({ code: "INVALID_STATE" });
    expect(fleet.driver.list()).toEqual([]);
  });

  it("fifty VMs run Lua concurrently", async () => {
    const ids = Array.from({ length: 50 }, (_, i) => `cell-${i}`);
    for (const id of ids) await fleet.start(id, { program: `own = cell.id` });
    const startMs = performance.now();
    const answers = await Promise.all(
      ids.map((id) => fleet.value(id, "n = 0 for i = 1, 20000 do n = n + 1 end return own")),
    );
    expect(answers).toEqual(ids);
    expect(performance.now() - startMs).toBeLessThan(5_000);
    fleet.driver.tick(1_000);
    expect(fleet.driver.list()).toHaveLength(50);
  });
});

describe("programs and hooks", () => {
  it("a program runs at the start; if it fails, the start fails and leaves nothing behind", async () => {
    await fleet.start("cell-a", { program: "x = 1 cell.set_environment{substrate = 5000} print('up')" });
    expect(await fleet.value("cell-a", "return x, cell.environment().substrate")).toEqual([1, 5000]);
    expect(fleet.log("cell-a")).toEqual(["up"]);
    await expect(fleet.start("cell-b", { program: "error('no', 0)" })).rejects.toMatchObject({
      code: "GUEST_ERROR",
      message: "no",
    });
    await expect(fleet.start("cell-c", { program: "return return" })).rejects.toMatchObject({
      code: "GUEST_ERROR",
    });
    expect(fleet.driver.list().map((status) => status.vmId)).toEqual(["cell-a"]);
    await fleet.driver.start(cellSpec("cell-b", fleet.fence("cell-b")));
    expect(await fleet.value("cell-b", "return 1"), "the fence of a failed start is free").toBe(1);
  });

  it("a newer start replaces a guest whose program still runs", async () => {
    const first = fleet.start("cell-a", { program: "while true do end" });
    const second = fleet.start("cell-a", { program: "x = 2" });
    await expect(first).rejects.toMatchObject({ code: "INVALID_STATE" });
    await second;
    expect(await fleet.value("cell-a", "return x")).toBe(2);
  });

  it("on_division and on_minute run once for every simulated minute, in order and never concurrently", async () => {
    await fleet.start("cell-a", {
      program: `
        seen, divisions = {}, 0
        function on_minute(c, passed)
          assert(c == cell and passed == 1)
          seen[#seen + 1] = c.sim_minutes()
          if c.sim_minutes() > 100 then c.set_environment{chloramphenicol_um = 2} end
        end
        function on_division(c, n)
          divisions = divisions + n
          print("divided", c.divisions(), c.sim_minutes() - #seen)
        end`,
    });
    await fleet.live("cell-a", 5_000);
    await fleet.live("cell-a", 17);
    const seen = "return #seen, seen[1], seen[300], divisions, cell.environment().chloramphenicol_um";
    const divisions = fleet.driver.sample("cell-a")?.divisions ?? 0;
    expect(divisions).toBeGreaterThan(0);
    expect(await fleet.value("cell-a", seen)).toEqual([301, 1, 300, divisions, 2]);
    const lines = Array.from({ length: divisions }, (_, i) => `divided\t${i + 1}\t1`);
    expect(fleet.log("cell-a"), "before on_minute of the same minute").toEqual(lines);
    expect(fleet.driver.sample("cell-a")?.luaInstructions).toBeGreaterThan(100);
  });

  it("hooks that fail repeatedly are switched off, and the cell continues", async () => {
    await fleet.start("cell-a", { program: "n = 0 function on_minute() n = n + 1 error('tired', 0) end" });
    await fleet.live("cell-a", 800);
    expect(fleet.log("cell-a")).toEqual([
      ...Array.from({ length: 5 }, () => "on_minute failed: GUEST_ERROR: tired"),
      "hooks are switched off after 5 errors in a row",
    ]);
    expect(await fleet.value("cell-a", "return n")).toBe(5);
    expect(fleet.driver.sample("cell-a")?.simMinutes).toBe(48);
  });

  it("an endless hook is ended", async () => {
    await fleet.start("cell-a", { program: "function on_minute() while true do end end" });
    await fleet.live("cell-a", 17);
    expect(fleet.log("cell-a")).toEqual(["on_minute failed: GUEST_TIMEOUT: over 1000000 instructions"]);
  });

  it("a hook that loses the Lua state switches the hooks off", async () => {
    await fleet.start("cell-a", { program: "function on_minute() while true do T = {T} end end" });
    await fleet.live("cell-a", 100);
    expect(fleet.log("cell-a")).toEqual([
      "on_minute failed: GUEST_OUT_OF_MEMORY: not enough memory",
      "hooks are switched off because the state was lost",
    ]);
    expect(fleet.driver.sample("cell-a")?.simMinutes).toBe(6);
  });

  it("a hook that an exec defines begins at the next minute", async () => {
    await fleet.start("cell-a");
    await fleet.live("cell-a", 1_000);
    await fleet.value("cell-a", "n = 0 function on_minute(c, passed) n = n + passed end");
    await fleet.live("cell-a", 500);
    expect(await fleet.value("cell-a", "return n, cell.sim_minutes()")).toEqual([30, 90]);
  });
});
