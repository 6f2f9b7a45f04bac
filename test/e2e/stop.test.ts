/**
 * `vm stop` with a deadline and with force, on real services and a real Lua worker.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Json, World } from "./world.ts";

/** A program that ends by its instruction limit only, after seconds on any machine. */
const ENDLESS = "while true do end";
const BUSY = "for i = 1, 2e6 do end return 'complete'";

let world: World;
beforeAll(async () => {
  world = await World.shared({ chassis: "yeast:1" });
});
afterAll(() => world.close());

async function runs(vmId: string): Promise<void> {
  await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a" });
  await world.done("cmd.vm.start", { vmId });
  await world.reach(vmId, "running");
}

async function stopRequests(vmId: string): Promise<Json[]> {
  const { events } = await world.done("qry.vm.history", { vmId });
  return events.filter((e: Json) => e.type === "bioxen.vm.stop-requested.v1").map((e: Json) => e.data);
}

describe("a stop with a limit", () => {
  it("lets a running program of the cell end before its deadline", async () => {
    await runs("stop-patient");
    const exec = world.ask("cmd.vm.exec", { vmId: "stop-patient", source: BUSY, timeoutMs: 60_000 });
    const stopped = await world.bioxenJson("vm", "stop", "stop-patient", "--deadline", "600000");
    expect(stopped).toMatchObject({ ok: true, changed: true });
    // The stop may reach the agent before the program does: then the program is refused, and did not run.
    const { ok, result, error } = await exec;
    if (ok) expect(result).toBe("complete");
    else expect(error.code).toBe("INVALID_TRANSITION");
    expect(await world.reach("stop-patient", "stopped")).toMatchObject({ reason: "by command" });
    expect(await stopRequests("stop-patient")).toEqual([{ destroy: false, deadlineMs: 600_000 }]);
  });

  it("is shortened by force while it is under way", async () => {
    await runs("stop-hasty");
    const exec = world.ask("cmd.vm.exec", { vmId: "stop-hasty", source: ENDLESS, timeoutMs: 60_000 });
    await world.done("cmd.vm.stop", { vmId: "stop-hasty", deadlineMs: 1_200_000 });
    await world.bioxenJson("vm", "stop", "stop-hasty", "--force");
    await world.reach("stop-hasty", "stopped");
    expect((await exec).ok).toBe(false);
    const [first, ...more] = await stopRequests("stop-hasty");
    expect(first).toEqual({ destroy: false, deadlineMs: 1_200_000 });
    expect(more.every((data) => data.force === true)).toBe(true);
    const history = await world.bioxen("vm", "history", "stop-hasty");
    expect(history.stdout.replace(/\s+/g, " ")).toContain("stop requested, within 20.0 min");
  });

  it("is refused outside of its range, before anything is sent", async () => {
    const refused = await world.bioxen("vm", "stop", "stop-hasty", "--deadline", "-1");
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("from 0 to 1200000")]);
    const reply = await world.ask("cmd.vm.stop", { vmId: "stop-hasty", deadlineMs: 1_200_001 });
    expect(reply.error).toMatchObject({ code: "BAD_REQUEST" });
  });
});
