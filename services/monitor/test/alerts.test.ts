/**
 * Alerts in the log: raised once, cleared once, told at least once, whoever dies in between.
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
  const verifier = new LogVerifier();
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
  it("is raised once and cleared once, past the margin, and told with the event's id", async () => {
    const world = await worldOf();
    const one = await world.start();
    const set = await one.ask("alertSetRule", STARVED);
    expect(set).toMatchObject({ changed: true, rule: { ...STARVED, forMs: 0, scope: {}, isDefault: false } });
    await world.second({ a: 1_000 }, 3);
    await world.second({ a: 700 }, 5);
    const { active } = await one.ask("alertList", { ruleId: "starved" });
    expect(active).toMatchObject([{ ruleId: "starved", target: "a", value: 700, severity: "warning" }]);
    // Over the threshold, and not past the margin of 10 %.
    await world.second({ a: 850 }, 5);
    expect(await world.story("starved")).toEqual(["set", "raised a"]);
    await world.second({ a: 880 }, 5);
    expect(await world.story("starved")).toEqual(["set", "raised a", "cleared a"]);
    expect(await one.ask("alertList", { ruleId: "starved" })).toMatchObject({ active: [], activeTotal: 0 });
    expect(world.notifications()).toEqual(["raised a", "cleared a"]);
    const events = await world.log.read("bioxen.evt.alert.starved", 0);
    const ids = events.filter((e) => /raised|cleared/.test(e.envelope.type)).map((e) => e.envelope.id);
    expect(world.published.map((n) => n.notificationId)).toEqual(ids);
    expect(world.published[1]).toMatchObject({ value: 880, code: "RECOVERED", ruleId: "starved" });
    await verified(world);
  });

  it("waits for its hold time without a break", async () => {
    const world = await worldOf();
    const one = await world.start();
    await one.ask("alertSetRule", { ...STARVED, forMs: 5_000 });
    await world.second({ a: 700 }, 4);
    await world.second({ a: 900 });
    await world.second({ a: 700 }, 4);
    expect(await world.story("starved")).toEqual(["set"]);
    await world.second({ a: 700 });
    expect(await world.story("starved")).toEqual(["set", "raised a"]);
    const { active } = await one.ask("alertList", { ruleId: "starved" });
    expect(active[0].raisedAtMs - active[0].sinceMs).toBeGreaterThanOrEqual(5_000);
  });

  it("is raised once and cleared once over the death of whoever acts, with three instances", async () => {
    const world = new AlertWorld();
    await world.livingChassis("c");
    await world.runningVm("a");
    const instances = [];
    for (let i = 0; i < 3; i += 1) instances.push(await world.start());
    await world.second({ a: 1_000 }, 6);
    await instances[2]?.ask("alertSetRule", STARVED);
    await world.second({ a: 700 }, 3);
    instances[0]?.kill();
    await world.second({ a: 700 }, 8);
    expect(await world.story("starved")).toEqual(["set", "raised a"]);
    await world.second({ a: 1_000 }, 3);
    instances[1]?.kill();
    await world.second({ a: 1_000 }, 8);
    expect(await world.story("starved")).toEqual(["set", "raised a", "cleared a"]);
    expect(new Set(world.notifications())).toEqual(new Set(["raised a", "cleared a"]));
    await verified(world);
  });

  it("keeps its hold time when the one that acts dies: everybody evaluates", async () => {
    const world = new AlertWorld();
    await world.livingChassis("c");
    await world.runningVm("a");
    const [first, second] = [await world.start(), await world.start()];
    await world.second({ a: 1_000 }, 6);
    await second.ask("alertSetRule", { ...STARVED, forMs: 10_000 });
    await world.second({ a: 700 }, 7);
    first.kill();
    await world.second({ a: 700 }, 5);
    expect(await world.story("starved")).toEqual(["set", "raised a"]);
  });

  it("is there after everybody was away, and what recovered meanwhile is cleared", async () => {
    const world = await worldOf();
    const one = await world.start();
    await one.ask("alertSetRule", STARVED);
    await world.second({ a: 700 }, 2);
    const before = await one.ask("alertList", {});
    expect(before.activeTotal).toBe(1);
    const again = new AlertWorld();
    Object.assign(again, { log: world.log, clock: world.clock });
    const fresh = await again.start();
    expect(await fresh.ask("alertList", {})).toEqual(before);
    await again.second({ a: 1_000 }, 8);
    expect((await again.story("starved")).filter((line) => line !== "set")).toEqual([
      "raised a",
      "cleared a",
    ]);
  });

  it("is neither raised nor cleared on what is not known, and cleared when its target is gone", async () => {
    const world = await worldOf();
    const one = await world.start();
    await one.ask("alertSetRule", STARVED);
    await world.second({ a: 700 }, 2);
    // Its agent is silent for a minute.
    await world.second({}, 60);
    await world.happen("vm", "a", { type: "bioxen.vm.paused.v1", data: {} });
    await world.second({}, 5);
    expect(await world.story("starved")).toEqual(["set", "raised a"]);
    await world.happen("vm", "a", { type: "bioxen.vm.stop-requested.v1", data: { destroy: false } });
    await world.happen("vm", "a", { type: "bioxen.vm.stopped.v1", data: { reason: "test" } });
    await world.second({});
    expect(await world.story("starved")).toEqual(["set", "raised a", "cleared a"]);
    expect(world.published.at(-1)).toMatchObject({ state: "cleared", code: "TARGET_GONE", value: null });
    await verified(world);
  });

  it("speaks of its scope only", async () => {
    const world = await worldOf();
    await world.runningVm("b", { tier: "gold" });
    const one = await world.start();
    await one.ask("alertSetRule", { ...STARVED, ruleId: "gold", scope: { label: "tier=gold" } });
    await one.ask("alertSetRule", { ...STARVED, ruleId: "one", scope: { vmId: "a" } });
    await one.ask("alertSetRule", { ...STARVED, ruleId: "elsewhere", scope: { chassisId: "d" } });
    await one.ask("alertSetRule", { ...STARVED, ruleId: "here", scope: { chassisId: "c" } });
    await world.second({ a: 700, b: 700 }, 2);
    expect(await world.story("gold")).toEqual(["set", "raised b"]);
    expect(await world.story("one")).toEqual(["set", "raised a"]);
    expect(await world.story("elsewhere")).toEqual(["set"]);
    expect((await world.story("here")).sort()).toEqual(["raised a", "raised b", "set"]);
  });

  it("a rule set anew judges what is raised; a removed one ends its alerts, and says so", async () => {
    const world = await worldOf();
    const one = await world.start();
    await one.ask("alertSetRule", STARVED);
    expect(await one.ask("alertSetRule", STARVED)).toMatchObject({ changed: false });
    await world.second({ a: 700 }, 2);
    await one.ask("alertSetRule", { ...STARVED, below: 600 });
    await world.second({ a: 700 }, 2);
    expect(await world.story("starved")).toEqual(["set", "raised a", "set", "cleared a"]);
    await one.ask("alertSetRule", STARVED);
    await world.second({ a: 700 }, 2);
    expect(await one.ask("alertRemoveRule", { ruleId: "starved" })).toEqual({ changed: true, rule: null });
    expect(await one.ask("alertRemoveRule", { ruleId: "starved" })).toMatchObject({ changed: false });
    expect(await one.ask("alertRemoveRule", { ruleId: "never" })).toMatchObject({
      code: "ALERT_RULE_NOT_FOUND",
    });
    await world.second({ a: 700 }, 2);
    expect(world.published.at(-1)).toMatchObject({ state: "cleared", target: "a", code: "RULE_REMOVED" });
    await verified(world);
  });

  it("default rules are there, stand in the log from their first alert on, and stay away once removed", async () => {
    const world = await worldOf();
    const one = await world.start();
    const { rules } = await one.ask("alertList", {});
    expect(rules.map((r: AlertRule & { ruleId: string }) => r.ruleId)).toContain("chassis-suspect");
    expect(rules.every((r: { isDefault: boolean }) => r.isDefault)).toBe(true);
    await world.chassis("silent");
    await world.clock.advance(10_000);
    expect(await world.story("chassis-suspect")).toEqual(["set", "raised silent"]);
    expect(await one.ask("alertRemoveRule", { ruleId: "chassis-lost" })).toMatchObject({ changed: true });
    await world.clock.advance(30_000);
    expect(await world.story("chassis-lost")).toEqual(["removed"]);
  });

  it("a long wait raises without any event, and a place clears", async () => {
    const world = await worldOf();
    const one = await world.start();
    await one.ask("alertSetRule", {
      ruleId: "waits",
      metric: "vm.pendingMs",
      above: 5_000,
      severity: "info",
    });
    await world.happen("vm", "a", { type: "bioxen.vm.stop-requested.v1", data: { destroy: false } });
    await world.happen("vm", "a", { type: "bioxen.vm.stopped.v1", data: { reason: "test" } });
    await world.happen("vm", "a", { type: "bioxen.vm.start-requested.v1", data: { automatic: false } });
    await world.clock.advance(8_000);
    expect(await world.story("waits")).toEqual(["set", "raised a"]);
    const place = { chassisId: "c", fence: 9, allocation: {} };
    await world.happen("vm", "a", { type: "bioxen.vm.placed.v1", data: place });
    await world.happen("vm", "a", { type: "bioxen.vm.started.v1", data: { fence: 9 } });
    await world.clock.advance(2_000);
    expect(await world.story("waits")).toEqual(["set", "raised a", "cleared a"]);
  });

  it("there are no more rules than the limit", async () => {
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

  it("a webhook is tried again with growing waits until it takes the notification, in order", async () => {
    const world = await worldOf(1, ["ops"]);
    const one = await world.start();
    await one.ask("alertSetRule", STARVED);
    world.answers.push(refusal, refusal);
    await world.second({ a: 700 }, 2);
    await world.second({ a: 1_000 }, 10);
    expect(world.posted.map(({ notification: n }) => n.state)).toEqual([
      "raised",
      "raised",
      "raised",
      "cleared",
    ]);
    expect(await one.ask("alertDead", {})).toEqual({ dead: [], total: 0 });
    expect(world.notifications()).toEqual(["raised a", "cleared a"]);
  });

  it("what it never takes is a dead letter in the log; tried again, it is delivered to that webhook alone", async () => {
    const world = await worldOf(1, ["ops", "chat"]);
    const one = await world.start();
    await one.ask("alertSetRule", STARVED);
    // Both are tried in turns: `chat` takes it, `ops` never does.
    world.answers.push(
      refusal,
      { kind: "taken" },
      ...Array.from({ length: MAX_ATTEMPTS - 1 }, () => refusal),
    );
    await world.second({ a: 700 }, 2);
    await world.second({ a: 700 }, (FIRST_WAIT_MS * 2 ** MAX_ATTEMPTS) / 1_000);
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
    await world.second({ a: 700 }, 2);
    expect(world.posted.slice(before)).toMatchObject([{ webhook: "ops", notification: { notificationId } }]);
    expect(await one.ask("alertDead", {})).toMatchObject({ total: 0 });
    expect(world.notifications()).toEqual(["raised a"]);
    expect(await one.ask("alertRetry", { ruleId: "starved", notificationId })).toMatchObject({
      code: "JOB_NOT_FOUND",
    });
    await verified(world);
  });

  it("a refusal that will not change is not repeated", async () => {
    const world = await worldOf(1, ["ops"]);
    const one = await world.start();
    await one.ask("alertSetRule", STARVED);
    world.answers.push({ kind: "failed", reason: "HTTP 404", permanent: true });
    await world.second({ a: 700 }, 5);
    expect(await one.ask("alertDead", {})).toMatchObject({ dead: [{ attempts: 1, reason: "HTTP 404" }] });
  });

  it("what is owed when the one that delivers dies is delivered by the next, under the same id", async () => {
    const world = new AlertWorld();
    world.webhookNames = ["ops"];
    await world.livingChassis("c");
    await world.runningVm("a");
    const [first, second] = [await world.start(), await world.start()];
    await world.second({ a: 1_000 }, 6);
    await second.ask("alertSetRule", STARVED);
    world.answers.push(refusal);
    await world.second({ a: 700 });
    first.kill();
    await world.second({ a: 700 }, 10);
    expect(world.posted.length).toBeGreaterThanOrEqual(2);
    expect(new Set(world.posted.map(({ notification: n }) => n.notificationId)).size).toBe(1);
    expect(new Set(world.notifications())).toEqual(new Set(["raised a"]));
    await verified(world);
  });
});
