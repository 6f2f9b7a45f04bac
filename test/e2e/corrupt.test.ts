/**
 * An unreadable event in the log costs its VM only: every answer about that VM names the sequence, and all other VMs go
 * on, also over a restart.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { World } from "./world.ts";

let world: World;
beforeAll(async () => {
  // Without keys: the test appends a damaged event.
  world = await World.open({ keys: false, chassis: "ecoli:1" });
});
afterAll(() => world.close());

describe("a log with an unreadable event", () => {
  it("answers UNAVAILABLE for its VM, and runs all others, before and after a restart", async () => {
    await world.done("cmd.vm.create", { vmId: "hit", biologicalType: "syn3a" });
    const { events: before } = await world.bioxenJson("events", "verify");
    const broken = before + 1;
    const ack = await world.nats.request("bioxen.evt.vm.hit", '{"specversion":"1.0"}', { timeout: 2_000 });
    expect(ack.json()).toMatchObject({ seq: broken });
    const expectOneVmHit = async (vmId: string) => {
      for (const subject of ["qry.vm.get", "cmd.vm.start", "cmd.vm.destroy", "qry.vm.history"]) {
        const { error } = await world.ask(subject, { vmId: "hit" });
        expect(error).toMatchObject({
          code: "UNAVAILABLE",
          retryable: false,
          details: { seq: broken, subject: "bioxen.evt.vm.hit" },
        });
        expect(error.message).toContain(`event ${broken} `);
      }
      await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a" });
      await world.done("cmd.vm.start", { vmId });
      await world.reach(vmId, "running");
      await world.done("cmd.vm.destroy", { vmId });
      await world.reach(vmId, "destroyed");
      const [service] = (await world.bioxenJson("status")).services;
      expect(service).toMatchObject({ ready: true });
    };
    await expectOneVmHit("well-1");
    await world.restart();
    await expectOneVmHit("well-2");
    const result = await world.bioxen("events", "verify", "--json");
    expect(result.code).toBe(1);
    expect(JSON.parse(result.stdout)).toMatchObject({ violations: [{ seq: broken, rule: "unreadable" }] });
  });
});
