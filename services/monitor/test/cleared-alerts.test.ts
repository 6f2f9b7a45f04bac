/**
 * Clearing an alert must not leave a breach without an alert: neither that of its target nor that of a target that
 * waited for room.
 */
import { eventSubject, MAX_ACTIVE_ALERTS_PER_RULE } from "@bioxen/contracts";
import { invariant, LEASE_RENEW_MS } from "@bioxen/kernel";
import { appendNext, createdVm, envelopeOf } from "@bioxen/testkit";
import { describe, expect, it } from "vitest";
import { AlertWorld, TAKEOVER_MS } from "./alert-world.ts";

/** Two instances, of which the former holds the lease, and a raised alert of the rule `starved` for VM a. */
async function worldWithTwo() {
  const world = new AlertWorld();
  await world.livingChassis("c");
  await world.runningVm("a");
  const [former, present] = [await world.start(), await world.start()];
  await world.grow({ a: 1_000 }, 6);
  await present.ask("alertSetRule", {
    ruleId: "starved",
    metric: "vm.growthPermille",
    below: 800,
    severity: "warning",
  });
  await world.grow({ a: 700 }, 2);
  return { world, former, present };
}

describe("an alert", () => {
  it("is raised again when a former lease holder clears it on an older value", async () => {
    const { world, former } = await worldWithTwo();
    const arrive = former.delayed();
    await world.grow({ a: 1_000 });
    await world.grow({ a: 700 }, 8);
    expect(await world.events("starved")).toEqual(["set", "raised a"]);
    arrive();
    await world.grow({ a: 700 }, 5);
    expect(await world.events("starved")).toEqual(["set", "raised a", "cleared a", "raised a"]);
  });

  it("does not flap while two instances with different values believe that they hold the lease", async () => {
    const { world, former, present } = await worldWithTwo();
    present.deafen();
    await world.grow({ a: 1_000 });
    await world.freeLease();
    const before = ["set", "raised a", "cleared a"];
    expect(await world.events("starved")).toEqual(before);
    await world.clock.advance(LEASE_RENEW_MS);
    expect(await world.events("starved")).toEqual([...before, "raised a", "cleared a"]);
    former.kill();
  });

  it("that waits at the limit of its rule is raised when another alert is cleared", async () => {
    const world = new AlertWorld();
    const rule = { metric: "vm.pendingMs", above: null, below: 1, clearMarginPermille: 0 } as const;
    const scope = { vmId: null, chassisId: null, label: null };
    const data = { ...rule, forMs: 0, severity: "info", scope };
    for (let i = 0; i < MAX_ACTIVE_ALERTS_PER_RULE; i += 1) {
      await appendNext(world.log, "vm", `vm-${i}`, createdVm());
    }
    let { seq } = await appendNext(world.log, "alert", "idle", { type: "bioxen.alert.rule-set.v1", data });
    for (let i = 0; i < MAX_ACTIVE_ALERTS_PER_RULE; i += 1) {
      const raised = { target: `vm-${i}`, metric: "vm.pendingMs", severity: "info", value: 0, sinceMs: 0 };
      const body = { type: "bioxen.alert.raised.v1", data: raised };
      const envelope = envelopeOf("alert", "idle", body, { version: i + 2 });
      // Not appendNext, which reads all events of the rule before each append.
      const appended = await world.log.append(eventSubject("alert", "idle"), envelope, seq);
      invariant(appended.kind === "appended", "no other writer");
      seq = appended.seq;
    }
    await appendNext(world.log, "vm", "late", createdVm());
    await world.start();
    await world.clock.advance(TAKEOVER_MS);
    expect(await world.events("idle")).toHaveLength(1 + MAX_ACTIVE_ALERTS_PER_RULE);
    await world.append("vm", "vm-0", { type: "bioxen.vm.start-requested.v1", data: { automatic: false } });
    await world.clock.advance(2_000);
    expect((await world.events("idle")).slice(-2)).toEqual(["cleared vm-0", "raised late"]);
  });
});
