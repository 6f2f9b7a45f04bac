/** The agent as processes: what it does with requests over its socket. */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { createBasicDriver } from "@bioxen/driver-basic";
import { driverErrorCode } from "@bioxen/vm-driver";
import { describe, expect, it } from "vitest";
import { EXIT_NO_DAEMON, MAX_MESSAGE_BYTES } from "../src/protocol.ts";
import { Machine, SPEC } from "./machine.ts";

const FULL = { ribosomes: 503, atpPerSecond: 13_247, rnaPolymerases: 187 };
const decoded = (base64: string) => JSON.parse(Buffer.from(base64, "base64").toString()) as never;
const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => "ok",
    (error) => driverErrorCode(error) ?? error,
  );

describe("a cell over the socket", () => {
  it.each([
    ["full demand", {}, 105],
    ["half the ribosomes", { ribosomes: 252 }, 150.4],
    ["resources of the machine only", { vcpus: 2, memoryMiB: 2_048 }, 105],
  ])("doubles in the time of its allocation: %s", async (_, allocation, minutes) => {
    await using machine = await Machine.create();
    await machine.boot();
    await machine.call({ op: "boot", spec: { ...SPEC, allocation }, timeScale: 1_000 });
    const { sample } = await machine.until("twenty divisions", async () => {
      const reply = await machine.call({ op: "sample" });
      return reply.sample.divisions >= 20 && reply;
    });
    expect(Math.abs((sample.doublingTimeMinutes ?? 0) / minutes - 1)).toBeLessThan(0.005);
    // The mean over the whole life: ln 2 per division, and the part of the present cycle.
    const { bytesBase64 } = await machine.call({ op: "checkpoint" });
    const { cell } = decoded(bytesBase64) as {
      cell: { simMinutes: number; divisions: number; state: number[] };
    };
    const generations = cell.divisions + (cell.state[0] ?? 0) / Math.LN2;
    expect(Math.abs(cell.simMinutes / generations / minutes - 1)).toBeLessThan(0.005);
  });

  it("runs programs and execs, prints and pauses like the basic driver", async () => {
    await using machine = await Machine.create();
    await machine.boot();
    const program = "state.n = (state.n or 0) + 1 print('program ' .. state.n)";
    await machine.call({ op: "boot", spec: { ...SPEC, program }, timeScale: 0.001 });
    const reply = await machine.call({
      op: "exec",
      source: "print('x') return {1, cell.id}",
      timeoutMs: 5_000,
    });
    expect(reply).toMatchObject({ result: [1, "cell-1"], stdout: "x\n" });
    expect(reply.instructions).toBeGreaterThan(0);
    const { lines, next } = await machine.call({ op: "logs", after: 0 });
    expect(lines.map(({ line }) => line)).toEqual(["program 1", "x"]);
    expect((await machine.call({ op: "logs", after: next })).lines).toEqual([]);
    expect(await codeOf(machine.call({ op: "exec", source: "error('no')", timeoutMs: 1_000 }))).toBe(
      "GUEST_ERROR",
    );
    expect(await codeOf(machine.call({ op: "exec", source: "while true do end", timeoutMs: 100 }))).toBe(
      "GUEST_TIMEOUT",
    );
    await machine.call({ op: "pause" });
    expect(await codeOf(machine.call({ op: "exec", source: "return 1", timeoutMs: 1_000 }))).toBe(
      "INVALID_STATE",
    );
    expect((await machine.run("status")).stdout).toMatch(/^state {6}running, paused/);
    await machine.call({ op: "resume", fence: 10 });
    expect(await codeOf(machine.call({ op: "pause", fence: 9 }))).toBe("STALE_FENCE");
    expect(await codeOf(machine.call({ op: "pause", fence: 11 }))).toBe("GUEST_NOT_FOUND");
  });

  it("exchanges checkpoints with the basic driver, bit for bit", async () => {
    await using machine = await Machine.create();
    await machine.boot();
    const program = "state.n = (state.n or 0) + 1 draws = {math.random(), math.random()}";
    const spec = { ...SPEC, program, config: { partitionNoise: true } };
    const driver = createBasicDriver({ timeScaleMinutesPerSecond: 1_000, now: () => 0 });
    try {
      // From the driver into the machine: time almost stands still there, so that equal states are equal bytes.
      await driver.start({ ...spec, allocation: FULL });
      driver.tick(1_234);
      const before = await driver.snapshot(spec.vmId, spec.fence);
      const checkpointBase64 = Buffer.from(before.bytes).toString("base64");
      await machine.call({ op: "boot", spec, timeScale: 1e-9, checkpointBase64 });
      await machine.call({ op: "pause" });
      const restored = await machine.call({ op: "checkpoint" });
      const { owedMinutes: _, lua, ...content } = decoded(restored.bytesBase64) as Record<string, unknown>;
      const { owedMinutes: __, lua: ___, ...expected } = decoded(checkpointBase64) as Record<string, unknown>;
      expect(content).toEqual(expected);
      expect(restored.simMinutes).toBe(1_234);
      // From the machine into the driver: the program has run once more in each.
      const twin = {
        ...spec,
        allocation: FULL,
        fence: 11,
        checkpoint: Buffer.from(restored.bytesBase64, "base64"),
      };
      await driver.start(twin);
      expect(
        (
          decoded(Buffer.from((await driver.snapshot(spec.vmId, 11)).bytes).toString("base64")) as {
            cell: unknown;
          }
        ).cell,
      ).toEqual(expected["cell"]);
      expect(lua).toMatchObject({ tables: expect.anything() });
    } finally {
      await driver.close();
    }
  });

  it("replaces its cell by the rules of boot and restart", async () => {
    await using machine = await Machine.create();
    await machine.boot();
    const boot = (change: Partial<typeof SPEC>) =>
      machine.call({ op: "boot", spec: { ...SPEC, ...change }, timeScale: 1_000 });
    const lived = async () => (await machine.call({ op: "sample" })).sample.simMinutes;
    const live = () => machine.until("the cell lives", async () => (await lived()) > 2_000);
    expect(await codeOf(machine.call({ op: "sample" }))).toBe("GUEST_NOT_FOUND");
    expect(await codeOf(boot({ biologicalType: "yeast" }))).toBe("BAD_REQUEST");
    expect(await codeOf(boot({ config: { model: "other" } }))).toBe("BAD_REQUEST");
    await boot({});
    await live();
    const before = await lived();
    await boot({});
    await boot({ fence: 11, allocation: { ribosomes: 100 } });
    const { sample } = await machine.call({ op: "sample" });
    expect(sample.simMinutes, "a newer reservation takes the cell over").toBeGreaterThanOrEqual(before);
    expect(sample.ribosomes.cap).toBe(100);
    expect(await codeOf(boot({ fence: 10 }))).toBe("STALE_FENCE");
    await machine.call({ op: "resize", allocation: { ribosomes: 300 } });
    expect((await machine.call({ op: "sample" })).sample.ribosomes.cap).toBe(300);
    await machine.call({ op: "pause" });
    await machine.call({ op: "restart", spec: { ...SPEC, fence: 11 } });
    expect(await lived(), "a restart is a new cell").toBe(0);
    await machine.call({ op: "resume" });
    await live();
    await machine.call({ op: "boot", spec: { ...SPEC, fence: 11, restores: 1 }, timeScale: 1e-9 });
    expect(await lived(), "a restore is a new cell").toBe(0);
    await boot({ incarnation: 2, fence: 12 });
    expect(await codeOf(boot({ fence: 13 }))).toBe("STALE_FENCE");
    await boot({ vmId: "other", fence: 1 });
    expect((await machine.call({ op: "status" })).identity).toMatchObject({ vmId: "other", fence: 1 });
  });
});

describe("limits", () => {
  it("the socket is private, and requests are bounded and checked", async () => {
    await using machine = await Machine.create();
    await machine.boot();
    expect((await stat(machine.socket)).mode & 0o777).toBe(0o600);
    expect((await stat(dirname(machine.socket))).mode & 0o777).toBe(0o700);
    expect((await stat(machine.stateDir)).mode & 0o777).toBe(0o700);
    const { stdout } = await machine.run("call", JSON.stringify({ op: "x".repeat(2 * MAX_MESSAGE_BYTES) }));
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, code: "TOO_LARGE" });
    const pretty = await machine.run("call", '{\n  "op":\r\n "status"\n}\n');
    expect(JSON.parse(pretty.stdout)).toMatchObject({
      ok: true,
      agent: { state: "waiting", model: "weisse" },
    });
    const { stdout: malformed } = await machine.run("call", "{}");
    expect(JSON.parse(malformed)).toMatchObject({ ok: false, code: "BAD_REQUEST" });
  });

  it("says in one sentence that no agent answers", async () => {
    await using machine = await Machine.create();
    const call = await machine.run("call", '{"op":"status"}');
    expect(call).toMatchObject({ code: EXIT_NO_DAEMON, stdout: "" });
    expect(call.stderr).toMatch(/^bioxen-cell: no guest agent answers at .*cell\.sock: [^\n]*\n$/);
    expect((await machine.run("status")).code).toBe(EXIT_NO_DAEMON);
    expect((await machine.run("run-away")).code).toBe(64);
  });

  it("does not start a second time, nor where others can reach its socket", async () => {
    await using machine = await Machine.create();
    await machine.boot();
    const second = await machine.run("run");
    expect(second).toMatchObject({ code: 78, stderr: expect.stringMatching(/another agent answers at/) });
    await using other = await Machine.create();
    await mkdir(dirname(other.socket), { mode: 0o755 });
    expect(await other.run("run")).toMatchObject({
      code: 78,
      stderr: expect.stringMatching(/mode 0700/),
    });
  });
});
