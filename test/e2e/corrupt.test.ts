/**
 * An unreadable event in the log: every service stops answering and names its sequence, and none continues without it.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await World.open({ chassis: "ecoli:1" });
});
afterAll(() => world.close());

describe("a log with an unreadable event", () => {
  it("makes every service answer UNAVAILABLE and every start fail, and the verifier names the event", async () => {
    await world.done("cmd.vm.create", { vmId: "ok-1", biologicalType: "syn3a" });
    const { events: before } = await world.bioxenJson("events", "verify");
    const broken = before + 1;
    const ack = await world.nats.request("bioxen.evt.vm.ok-1", '{"specversion":"1.0"}', { timeout: 2_000 });
    expect(ack.json()).toMatchObject({ seq: broken });
    for (const [subject, payload] of [
      ["qry.vm.get", { vmId: "ok-1" }],
      ["cmd.vm.create", { vmId: "after", biologicalType: "syn3a" }],
      ["qry.ledger.list", {}],
      ["qry.chassis.list", {}],
      ["qry.monitor.fleet", {}],
    ] as const) {
      const error = await eventually(
        `${subject} is rejected`,
        async () => (await world.ask(subject, payload)).error,
      );
      expect(error).toMatchObject({ code: "UNAVAILABLE" });
      expect(error.message).toContain(`event ${broken} `);
    }
    const result = await world.bioxen("events", "verify", "--json");
    expect(result.code).toBe(1);
    expect(JSON.parse(result.stdout)).toMatchObject({
      events: before,
      violations: [{ seq: broken, rule: "unreadable" }],
    });
    await expect(world.restart()).rejects.toThrow(`event ${broken} `);
  });
});
