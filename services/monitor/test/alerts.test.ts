/**
 * Alerts in the log: raised once, cleared once, and delivered at least once, also when instances die in between.
 */
import { type AlertRule, MAX_ALERT_RULES } from "@bioxen/contracts";
import { LogVerifier } from "@bioxen/log-verifier";
import { describe, expect, it } from "vitest";
import { FIRST_WAIT_MS, MAX_ATTEMPTS } from "../src/app/alert-deliveries.ts";
import { AlertWorld, TAKEOVER_MS } from "./alert-world.ts";

const STARVED = {
  ruleId: "starved",
  metric: "vm.growthPermille",
  below: 800,
  clearMarginPermille: 100,
  severity: "warning",
} as const;

async function worldOf(instances = 1, webhooks: string[] = []): Promise<AlertWorld> {
  const world = new AlertWorld();
  world.webhookNames = webhooks;
  await world.livingChassis("c");
  await world.runningVm("a");
  for (let i = 0; i < instances; i += 1) await world.start();
  await world.clock.advance(TAKEOVER_MS);
  return world;
}

async function verified(world: AlertWorld): Promise<void> {
  const verifier = new LogVerifier(new Map(), { partial: true });
  await world.log.follow({
    fromSeq: 1,
    filter: "bioxen.evt.alert.*",
    onEvent: (event) => verifier.observe(event),
    onCaughtUp: () => undefined,
    onStop: (cause) => {
      throw cause;
    },
  });
  await world.clock.advance(0);
  expect(verifier.report().events).toBeGreaterThan(0);
  expect(verifier.report().violations).toEqual([]);
}

describe("an alert", () => {
  it("is raised once, cleared once past the margin, and notified with the id of its event", async () => {
    const world = await worldOf();
    const one = await world.start();
    const set = await one.ask("alertSetRule", STARVED);
    expect(set).toMatchObject({ changed: true, rule: { ...STARVED, forMs: 0, scope: {}, isDefault: false } });
    await world.grow({ a: 1_000 }, 3);
    await world.grow({ a: 700 }, 5);
    const { active } = await one.ask("alertList", { ruleId: "starved" });
    expect(active).toMatchObject([{ ruleId: "starved", target: "a", value: 700, severity: "warning" }]);
    // Back over the threshold, but not past the margin of 10 %.
    await world.grow({ a: 850 }, 5);
    expect(await world.events("starved")).toEqual(["set", "raised a"]);
    await world.grow({ a: 880 }, 5);
    expect(await world.events("starved")).toEqual(["set", "raised a", "cleared a"]);
    expect(await one.ask("alertList", { ruleId: "starved" })).toMatchObject({ active: [], activeTotal: 0 });
    expect(world.notifications()).toEqual(["raised a", "cleared a"]);
    const events = await world.log.read("bioxen.evt.alert.starved", 0);
    const ids = events.filter((e) => /raised|cleared/.test(e.envelope.type)).map((e) => e.envelope.id);
    expect(world.published.map((n) => n.notificationId)).toEqual(ids);
    expect(world.published[1]).toMatchObject({ value: 880, code: "RECOVERED", ruleId: "starved" });
    await verified(world);
  });

  it("is raised only after a hold time without interruption", async () => {
    const world = await worldOf();
    const one = await world.start();
    await one.ask("alertSetRule", { ...STARVED, forMs: 5_000 });
    await world.grow({ a: 700 }, 4);
    await world.grow({ a: 900 });
    await world.grow({ a: 700 }, 4);
    expect(await world.events("starved")).toEqual(["set"]);
    await world.grow({ a: 700 });
    expect(await world.events("starved")).toEqual(["set", "raised a"]);
    const { active } = await one.ask("alertList", { ruleId: "starved" });
    expect(active[0].raisedAtMs - active[0].sinceMs).toBeGreaterThanOrEqual(5_000);
  });

  it("is raised once and cleared once while lease holders die, with three instances", async () => {
    const world = new AlertWorld();
    await world.livingChassis("c");
    await world.runningVm("a");
    const instances = [];
    for (let i = 0; i < 3; i += 1) instances.push(await world.start());
    await world.grow({ a: 1_000 }, 6);
    await instances[2]?.ask("alertSetRule", STARVED);
    await world.grow({ a: 700 }, 3);
    instances[0]?.kill();
    await world.grow({ a: 700 }, 8);
    expect(await world.events("starved")).toEqual(["set", "raised a"]);
    await world.grow({ a: 1_000 }, 3);
    instances[1]?.kill();
    await world.grow({ a: 1_000 }, 8);
    expect(await world.events("starved")).toEqual(["set", "raised a", "cleared a"]);
    expect(new Set(world.notifications())).toEqual(new Set(["raised a", "cleared a"]));
    await verified(world);
  });

  it("is raised by the counts that a pool's heartbeats have, and cleared when they are 0 again", async () => {
    const world = await worldOf();
    const rules = ["pool-orphans", "pool-left-behind"];
    const eventsOf = async () => (await Promise.all(rules.map((rule) => world.events(rule)))).flat();
    world.heartbeatFields = { orphans: 2, leftBehind: 1 };
    await world.clock.advance(15_000);
    expect(await eventsOf()).toEqual(["set", "raised c", "set", "raised c"]);
    world.heartbeatFields = { orphans: 0, leftBehind: 0 };
    await world.clock.advance(5_000);
    expect(await eventsOf()).toEqual(["set", "raised c", "cleared c", "set", "raised c", "cleared c"]);
  });

  it("keeps its hold time when the lease holder dies, because every instance evaluates", async () => {
    const world = new AlertWorld();
    await world.livingChassis("c");
    await world.runningVm("a");
    const [first, second] = [await world.start(), await world.start()];
    await world.grow({ a: 1_000 }, 6);
    await second.ask("alertSetRule", { ...STARVED, forMs: 10_000 });
    await world.grow({ a: 700 }, 7);
    first.kill();
    await world.grow({ a: 700 }, 5);
    expect(await world.events("starved")).toEqual(["set", "raised a"]);
  });

  it("survives a restart of all instances, and is cleared if its target recovered meanwhile", async () => {
    const world = await worldOf();
    const one = await world.start();
    await one.ask("alertSetRule", STARVED);
    await world.grow({ a: 700 }, 2);
    const before = await one.ask("alertList", {});
    expect(before.activeTotal).toBe(1);
    world.killAll();
    const again = new AlertWorld();
    Object.assign(again, { log: world.log, clock: world.clock });
    const fresh = await again.start();
    expect(await fresh.ask("alertList", {})).toEqual(before);
    await again.grow({ a: 1_000 }, 8);
    expect((await again.events("starved")).filter((line) => line !== "set")).toEqual([
      "raised a",
      "cleared a",
    ]);
  });

  it("is neither raised nor cleared on unknown values, and cleared when its target is gone", async () => {
    const world = await worldOf();
    const one = await world.start();
    await one.ask("alertSetRule", STARVED);
    await world.grow({ a: 700 }, 2);
    // The agent is silent for a minute.
    await world.grow({}, 60);
    await world.append("vm", "a", { type: "bioxen.vm.paused.v1", data: {} });
    await world.grow({}, 5);
    expect(await world.events("starved")).toEqual(["set", "raised a"]);
    await world.append("vm", "a", { type: "bioxen.vm.stop-requested.v1", data: { destroy: false } });
    await world.append("vm", "a", { type: "bioxen.vm.stopped.v1", data: { reason: "test" } });
    await world.grow({});
    expect(await world.events("starved")).toEqual(["set", "raised a", "cleared a"]);
    expect(world.published.at(-1)).toMatchObject({ state: "cleared", code: "TARGET_GONE", value: null });
    await verified(world);
  });

  it("is raised for targets in the scope of its rule only", async () => {
    const world = await worldOf();
    await world.runningVm("b", { tier: "gold" });
    const one = await world.start();
    await one.ask("alertSetRule", { ...STARVED, ruleId: "gold", scope: { label: "tier=gold" } });
    await one.ask("alertSetRule", { ...STARVED, ruleId: "one", scope: { vmId: "a" } });
    await one.ask("alertSetRule", { ...STARVED, ruleId: "elsewhere", scope: { chassisId: "d" } });
    await one.ask("alertSetRule", { ...STARVED, ruleId: "here", scope: { chassisId: "c" } });
    await world.grow({ a: 700, b: 700 }, 2);
    expect(await world.events("gold")).toEqual(["set", "raised b"]);
    expect(await world.events("one")).toEqual(["set", "raised a"]);
    expect(await world.events("elsewhere")).toEqual(["set"]);
    expect((await world.events("here")).sort()).toEqual(["raised a", "raised b", "set"]);
  });

  it("is reevaluated when its rule changes, and cleared when its rule is removed", async () => {
    const world = await worldOf();
    const one = await world.start();
    await one.ask("alertSetRule", STARVED);
    expect(await one.ask("alertSetRule", STARVED)).toMatchObject({ changed: false });
    await world.grow({ a: 700 }, 2);
    await one.ask("alertSetRule", { ...STARVED, below: 600 });
    await world.grow({ a: 700 }, 2);
    expect(await world.events("starved")).toEqual(["set", "raised a", "set", "cleared a"]);
    await one.ask("alertSetRule", STARVED);
    await world.grow({ a: 700 }, 2);
    expect(await one.ask("alertRemoveRule", { ruleId: "starved" })).toEqual({ changed: true, rule: null });
    expect(await one.ask("alertRemoveRule", { ruleId: "starved" })).toMatchObject({ changed: false });
    expect(await one.ask("alertRemoveRule", { ruleId: "never" })).toMatchObject({
      code: "ALERT_RULE_NOT_FOUND",
    });
    await world.grow({ a: 700 }, 2);
    expect(world.published.at(-1)).toMatchObject({ state: "cleared", target: "a", code: "RULE_REMOVED" });
    await verified(world);
  });

  it("is raised again when its rule was removed and set again before either event was delivered", async () => {
    const world = await worldOf(0);
    const one = await world.start();
    await world.clock.advance(TAKEOVER_MS);
    await one.ask("alertSetRule", STARVED);
    await world.grow({ a: 700 }, 2);
    world.holdFeeds(true);
    await one.ask("alertRemoveRule", { ruleId: "starved" });
    await one.ask("alertSetRule", STARVED);
    world.holdFeeds(false);
    await world.grow({ a: 700 }, 2);
    expect(await world.events("starved")).toEqual(["set", "raised a", "removed", "set", "raised a"]);
    await verified(world);
  });

  it("of a default rule is in the log with its rule, until the rule is removed", async () => {
    const world = await worldOf();
    const one = await world.start();
    const { rules } = await one.ask("alertList", {});
    expect(rules.map((r: AlertRule & { ruleId: string }) => r.ruleId)).toContain("chassis-suspect");
    expect(rules.every((r: { isDefault: boolean }) => r.isDefault)).toBe(true);
    await world.chassis("silent");
    await world.clock.advance(10_000);
    expect(await world.events("chassis-suspect")).toEqual(["set", "raised silent"]);
    expect(await one.ask("alertRemoveRule", { ruleId: "chassis-lost" })).toMatchObject({ changed: true });
    await world.clock.advance(30_000);
    expect(await world.events("chassis-lost")).toEqual(["removed"]);
  });

  it("of a long wait is raised without an event, and cleared by a placement", async () => {
    const world = await worldOf();
    const one = await world.start();
    await one.ask("alertSetRule", {
      ruleId: "waits",
      metric: "vm.pendingMs",
      above: 5_000,
      severity: "info",
    });
    await world.append("vm", "a", { type: "bioxen.vm.stop-requested.v1", data: { destroy: false } });
    await world.append("vm", "a", { type: "bioxen.vm.stopped.v1", data: { reason: "test" } });
    await world.append("vm", "a", { type: "bioxen.vm.start-requested.v1", data: { automatic: false } });
    await world.clock.advance(8_000);
    expect(await world.events("waits")).toEqual(["set", "raised a"]);
    const place = { chassisId: "c", fence: 9, allocation: {} };
    await world.append("vm", "a", { type: "bioxen.vm.placed.v1", data: place });
    await world.append("vm", "a", { type: "bioxen.vm.started.v1", data: { fence: 9 } });
    await world.clock.advance(2_000);
    expect(await world.events("waits")).toEqual(["set", "raised a", "cleared a"]);
  });

  it("a rule beyond the limit is rejected", async () => {
    const world = await worldOf();
    const one = await world.start();
    const { rules } = await one.ask("alertList", {});
    for (let i = rules.length; i < MAX_ALERT_RULES; i += 1)
      await one.ask("alertSetRule", { ...STARVED, ruleId: `r${i}` });
    expect(await one.ask("alertSetRule", STARVED)).toMatchObject({
      code: "TOO_LARGE",
      details: { limit: MAX_ALERT_RULES },
    });
  });
});

describe("deliveries", () => {
  const refusal = { kind: "failed", reason: "HTTP 503", permanent: false } as const;

  it("a webhook is retried with growing waits until it takes the notification, in order", async () => {
    const world = await worldOf(1, ["ops"]);
    const one = await world.start();
    await one.ask("alertSetRule", STARVED);
    world.answers.push(refusal, refusal);
    await world.grow({ a: 700 }, 2);
    await world.grow({ a: 1_000 }, 10);
    expect(world.posted.map(({ notification: n }) => n.state)).toEqual([
      "raised",
      "raised",
      "raised",
      "cleared",
    ]);
    expect(await one.ask("alertDead", {})).toEqual({ dead: [], total: 0, cursor: null });
    expect(world.notifications()).toEqual(["raised a", "cleared a"]);
  });

  it("a notification that is never taken becomes a dead letter; a retry posts it to that webhook alone", async () => {
    const world = await worldOf(1, ["ops", "chat"]);
    const one = await world.start();
    await one.ask("alertSetRule", STARVED);
    // The posts alternate at first: `chat` takes the notification, `ops` never does.
    world.answers.push(
      refusal,
      { kind: "taken" },
      ...Array.from({ length: MAX_ATTEMPTS - 1 }, () => refusal),
    );
    await world.grow({ a: 700 }, 2);
    await world.grow({ a: 700 }, (FIRST_WAIT_MS * 2 ** MAX_ATTEMPTS) / 1_000);
    const { dead } = await one.ask("alertDead", {});
    expect(dead).toMatchObject([
      {
        ruleId: "starved",
        target: "a",
        state: "raised",
        webhook: "ops",
        attempts: MAX_ATTEMPTS,
        reason: "HTTP 503",
      },
    ]);
    expect(world.posted.filter(({ webhook }) => webhook === "ops")).toHaveLength(MAX_ATTEMPTS);
    const before = world.posted.length;
    const [{ notificationId }] = dead;
    expect(await one.ask("alertRetry", { ruleId: "starved", notificationId })).toEqual({
      changed: true,
      retried: 1,
    });
    await world.grow({ a: 700 }, 2);
    expect(world.posted.slice(before)).toMatchObject([{ webhook: "ops", notification: { notificationId } }]);
    expect(await one.ask("alertDead", {})).toMatchObject({ total: 0 });
    expect(world.notifications()).toEqual(["raised a"]);
    expect(await one.ask("alertRetry", { ruleId: "starved", notificationId })).toMatchObject({
      code: "JOB_NOT_FOUND",
    });
    await verified(world);
  });

  it("a permanent failure is not retried", async () => {
    const world = await worldOf(1, ["ops"]);
    const one = await world.start();
    await one.ask("alertSetRule", STARVED);
    world.answers.push({ kind: "failed", reason: "HTTP 404", permanent: true });
    await world.grow({ a: 700 }, 5);
    expect(await one.ask("alertDead", {})).toMatchObject({ dead: [{ attempts: 1, reason: "HTTP 404" }] });
  });

  it("an undelivered notification of a dead lease holder is delivered by the next one, under the same id", async () => {
    const world = new AlertWorld();
    world.webhookNames = ["ops"];
    await world.livingChassis("c");
    await world.runningVm("a");
    const [first, second] = [await world.start(), await world.start()];
    await world.grow({ a: 1_000 }, 6);
    await second.ask("alertSetRule", STARVED);
    world.answers.push(refusal);
    await world.grow({ a: 700 });
    first.kill();
    await world.grow({ a: 700 }, 10);
    expect(world.posted.length).toBeGreaterThanOrEqual(2);
    expect(new Set(world.posted.map(({ notification: n }) => n.notificationId)).size).toBe(1);
    expect(new Set(world.notifications())).toEqual(new Set(["raised a"]));
    await verified(world);
  });
});
