/**
 * Guests with a program that start from a checkpoint in another driver, with another worker.
 */
import { driverErrorCode } from "@bioxen/vm-driver";
import { afterEach, describe, expect, it } from "vitest";
import { Fleet } from "./fleet.ts";

/** A program that counts its hook calls, draws random numbers, and records each of its starts. */
const COUNTER = `
  state.minutes = state.minutes or 0
  state.draws = state.draws or {}
  state.starts = (state.starts or 0) + 1
  first = math.random(1000000)
  function on_minute(cell, minutes)
    state.minutes = state.minutes + minutes
    state.draws[#state.draws + 1] = math.random(1000000)
  end
  function on_division(cell, n) state.divisions = (state.divisions or 0) + n end
`;

describe("a guest that starts from a checkpoint", () => {
  const fleets: Fleet[] = [];
  const fleet = (): Fleet => {
    const made = new Fleet();
    fleets.push(made);
    return made;
  };
  afterEach(async () => {
    for (const each of fleets.splice(0)) await each.driver.close();
  });

  async function live(which: Fleet, vmId: string, ticks: number): Promise<void> {
    for (let i = 0; i < ticks; i += 1) await which.live(vmId, 1_000);
  }
  const checkpointOf = async (which: Fleet, vmId: string) =>
    (await which.driver.snapshot(vmId, which.fence(vmId))).bytes;
  const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

  it("keeps its state, its random sequence and its pending hook calls, bit for bit", async () => {
    const [before, after] = [fleet(), fleet()];
    await before.start("cell-a", { program: COUNTER });
    await live(before, "cell-a", 10);
    const checkpoint = await checkpointOf(before, "cell-a");
    await after.start("cell-a", { program: COUNTER, checkpoint });
    expect(after.driver.sample("cell-a")).toEqual(before.driver.sample("cell-a"));
    const starts = "local n = state.starts state.starts = 0 return n, first";
    const [[ran, first], [ranAgain, firstAgain]] = [
      (await before.value("cell-a", starts)) as [number, number],
      (await after.value("cell-a", starts)) as [number, number],
    ];
    expect([ran, ranAgain], "the program ran again").toEqual([1, 2]);
    expect(firstAgain, "and drew as it did the first time").toBe(first);
    for (const each of [before, after]) await live(each, "cell-a", 10);
    expect(textOf(await checkpointOf(after, "cell-a"))).toBe(textOf(await checkpointOf(before, "cell-a")));
    const minutes = await after.value("cell-a", "return state.minutes");
    expect(minutes).toBe(after.driver.sample("cell-a")?.simMinutes);
    expect(await after.value("cell-a", "return state.divisions")).toBe(
      after.driver.sample("cell-a")?.divisions,
    );
  });

  it("keeps the environment that the guest set, and does not apply it again", async () => {
    const program = "if not state.set then cell.set_environment{nutrient_quality = 0.1} state.set = true end";
    const [before, after] = [fleet(), fleet()];
    await before.start("cell-a", { program });
    await before.value("cell-a", "cell.set_environment{nutrient_quality = 0.3}");
    const checkpoint = await checkpointOf(before, "cell-a");
    await after.start("cell-a", { program, checkpoint, environment: { nutrientQuality: 0.2 } });
    expect(await after.value("cell-a", "return cell.environment().nutrient_quality")).toBe(0.3);
  });

  it("loses other globals, and functions that an exec defined", async () => {
    const [before, after] = [fleet(), fleet()];
    await before.start("cell-a", { program: "mine = 1" });
    await before.value("cell-a", "mine = 2 other = 3 state.kept = 4");
    await after.start("cell-a", { program: "mine = 1", checkpoint: await checkpointOf(before, "cell-a") });
    expect(await after.value("cell-a", "return mine, other, state.kept")).toEqual([1, null, 4]);
  });

  it("works without a program, and without any Lua", async () => {
    const [before, after] = [fleet(), fleet()];
    await before.start("quiet");
    await before.start("asked");
    await before.value("asked", "state.n = 5 math.random()");
    await after.start("quiet", { checkpoint: await checkpointOf(before, "quiet") });
    await after.start("asked", { checkpoint: await checkpointOf(before, "asked") });
    expect(JSON.parse(textOf(await checkpointOf(after, "quiet"))).lua).toBeNull();
    const draw = "return state.n, math.random()";
    expect(await after.value("asked", draw)).toEqual(await before.value("asked", draw));
  });

  it("with another seed keeps its state, but has its own random sequence", async () => {
    const [before, after] = [fleet(), fleet()];
    const config = { partitionNoise: true };
    await before.start("cell-a", { program: COUNTER, config });
    await live(before, "cell-a", 5);
    await after.start("fork", {
      program: COUNTER,
      config,
      seed: 8,
      checkpoint: await checkpointOf(before, "cell-a"),
    });
    const known = "return state.minutes, #state.draws, cell.divisions()";
    expect(await after.value("fork", known)).toEqual(await before.value("cell-a", known));
    for (const [each, vmId] of [
      [before, "cell-a"],
      [after, "fork"],
    ] as const)
      await live(each, vmId, 10);
    const draw = "return state.draws[#state.draws]";
    expect(await after.value("fork", draw)).not.toEqual(await before.value("cell-a", draw));
    expect(after.driver.sample("fork")?.ribosomes?.total).not.toBe(
      before.driver.sample("cell-a")?.ribosomes?.total,
    );
  });

  it("fails to start if its program fails, and names a value that cannot be stored", async () => {
    const [before, after] = [fleet(), fleet()];
    await before.start("cell-a");
    await before.value("cell-a", "state.broken = true");
    const checkpoint = await checkpointOf(before, "cell-a");
    const program = "if state.broken then error('as kept', 0) end";
    const failed = await after.start("cell-a", { program, checkpoint }).catch((thrown: unknown) => thrown);
    expect(driverErrorCode(failed)).toBe("GUEST_ERROR");
    expect(after.driver.list()).toEqual([]);
    await before.value("cell-a", "state.f = print");
    const refused = await checkpointOf(before, "cell-a").catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({ code: "GUEST_ERROR", message: expect.stringContaining("state.f") });
    expect(await before.value("cell-a", "state.f = nil return 1")).toBe(1);
    await checkpointOf(before, "cell-a");
  });

  it.each([
    // The cell follows its hooks, so the guest goes back and what had acted acts again.
    ["of a guest with hooks is computed again", COUNTER, 2],
    ["of another guest is that of its last checkpoint", COUNTER.replace(/function on_[\s\S]*/, ""), 1],
  ])("a lost Lua state %s", async (_which, program, n) => {
    const which = fleet();
    await which.start("cell-a", { program });
    await which.value("cell-a", "state.n = 1");
    await checkpointOf(which, "cell-a");
    await which.value("cell-a", "state.n = 2");
    const lost = await which.failure("cell-a", "while true do kept = {kept} end");
    expect(lost.details).toMatchObject({ stateLost: true });
    expect(await which.value("cell-a", "return state.n, state.starts")).toEqual([n, 2]);
  });

  it("a checkpoint waits for an earlier exec, and is rejected if it takes too long", async () => {
    const which = fleet();
    await which.start("cell-a");
    const exec = which.value("cell-a", "for i = 1, 3000000 do end state.n = 7");
    const checkpoint = await checkpointOf(which, "cell-a");
    await exec;
    expect(JSON.parse(textOf(checkpoint)).lua.tables).toEqual([[["n", 7]]]);
    // A checkpoint waits 6 s at most.
    const tooLong = which.exec("cell-a", "while true do end", 30_000).catch(driverErrorCode);
    const refused = await checkpointOf(which, "cell-a").catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({ code: "UNAVAILABLE", retryable: true });
    await which.driver.stop("cell-a", which.fence("cell-a"));
    expect(await tooLong).toBe("INVALID_STATE");
  });
});
