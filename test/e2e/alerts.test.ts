/**
 * Alerts on a real stack. A starved VM raises its alert once, and the repair clears it once, even when the acting one
 * of three monitors is killed in between. Also tests webhooks, dead letters and the alert commands.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const MONITOR = fileURLToPath(new URL("../../services/monitor/main.ts", import.meta.url));
const RULE = {
  ruleId: "starved",
  metric: "vm.growthPermille",
  below: 800,
  forMs: 1_000,
  clearMarginPermille: 50,
  severity: "critical",
  scope: { vmId: "hungry" },
};

let world: World;
let receiver: Server;
const received: Json[] = [];
/** The HTTP status that the webhook receiver answers. */
let status = 200;
const extra: ChildProcess[] = [];
const published: { subject: string; message: Json }[] = [];

beforeAll(async () => {
  receiver = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      if (status === 200)
        received.push({ ...JSON.parse(body), header: request.headers["bioxen-notification-id"] });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  process.env["BIOXEN_ALERT_WEBHOOKS"] =
    `ops=http://127.0.0.1:${(receiver.address() as AddressInfo).port}/alerts`;
  // Without keys: the test reads the lease of the monitor, which no principal may.
  world = await World.open({ keys: false, chassis: "ecoli:1" });
  world.nats.subscribe("bioxen.alert.>", {
    callback: (_error, message) => void published.push({ subject: message.subject, message: message.json() }),
  });
});
afterAll(async () => {
  delete process.env["BIOXEN_ALERT_WEBHOOKS"];
  for (const child of extra) child.kill("SIGKILL");
  await world.close();
  receiver.closeAllConnections();
  await new Promise((resolve) => receiver.close(resolve));
});

/** Starts one more monitor and waits until it is ready. */
async function startMonitor(): Promise<void> {
  const env = { ...process.env, BIOXEN_NATS_URL: world.url, BIOXEN_LOG_LEVEL: "warn" };
  const child = spawn(process.execPath, [MONITOR], { env, stdio: ["ignore", "ignore", "ignore", "ipc"] });
  extra.push(child);
  await new Promise((resolve) => child.once("message", resolve));
}

/** The process id of the monitor that holds the lease. */
async function actingPid(): Promise<number> {
  const subject = "$JS.API.DIRECT.GET.KV_bioxen-leases.$KV.bioxen-leases.monitor";
  const { holder } = (await world.nats.request(subject, "", { timeout: 2_000 })).json<Json>();
  return Number(holder?.split("/")[1]);
}

const active = (ruleId: string) =>
  world.look("qry.alert.list", { ruleId }).then((reply) => reply.active?.map((one: Json) => one.target));
const whenActive = (ruleId: string, targets: string[]) =>
  eventually(`${ruleId} is raised on ${targets.join(" ") || "nothing"}`, async () =>
    JSON.stringify(await active(ruleId)) === JSON.stringify(targets) ? true : undefined,
  );

/** The event types of a rule in order, without the events about deliveries. */
async function eventsOf(ruleId: string): Promise<string[]> {
  const { stdout } = await world.bioxen("events", "tail", "--from", "1", "--no-follow", "--json");
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Json)
    .filter((event) => event.subject === `alert/${ruleId}`)
    .map((event) => event.type.replace(/^bioxen\.alert\.|\.v1$/g, ""))
    .filter((type) => !/notified|retry/.test(type));
}

describe("the alert of a starved VM", () => {
  it("is raised once and cleared once, although the acting one of three monitors is killed in between", async () => {
    await startMonitor();
    await startMonitor();
    await world.done("cmd.vm.create", { vmId: "hungry", biologicalType: "syn3a" });
    await world.done("cmd.vm.start", { vmId: "hungry" });
    await world.reach("hungry", "running");
    const set = await world.done("cmd.alert.set-rule", RULE);
    expect(set).toMatchObject({ changed: true, rule: RULE });
    await world.done("cmd.vm.resize", { vmId: "hungry", resources: { ribosomes: "25%" } });
    await whenActive("starved", ["hungry"]);
    process.kill(await actingPid(), "SIGKILL");
    await world.sample("hungry");
    expect(await eventsOf("starved")).toEqual(["rule-set", "raised"]);
    await world.done("cmd.vm.resize", { vmId: "hungry", resources: { ribosomes: "100%" } });
    await whenActive("starved", []);
    expect(await eventsOf("starved")).toEqual(["rule-set", "raised", "cleared"]);
    await eventually("the webhook receives both notifications", async () =>
      received.length >= 2 ? true : undefined,
    );
    const states = (all: Json[]) => [...new Map(all.map((one) => [one.notificationId, one.state])).values()];
    expect(states(received)).toEqual(["raised", "cleared"]);
    expect(states(published.map(({ message }) => message))).toEqual(["raised", "cleared"]);
    expect(published[0]?.subject).toBe("bioxen.alert.critical.starved");
    expect(received[0]).toMatchObject({
      ruleId: "starved",
      target: "hungry",
      header: received[0].notificationId,
    });
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });

  it("is still raised after a restart of the whole stack", async () => {
    // A cell that is resized while it runs has its earlier amounts again in the minutes since its checkpoint.
    await world.done("cmd.vm.stop", { vmId: "hungry" });
    await world.reach("hungry", "stopped");
    await world.done("cmd.vm.resize", { vmId: "hungry", resources: { ribosomes: "25%" } });
    await world.done("cmd.vm.start", { vmId: "hungry" });
    await world.reach("hungry", "running");
    await whenActive("starved", ["hungry"]);
    const before = await world.done("qry.alert.list", { ruleId: "starved" });
    for (const child of extra.splice(0)) child.kill("SIGKILL");
    await world.restart();
    const after = await world.done("qry.alert.list", { ruleId: "starved" });
    expect(after).toEqual(before);
    await world.done("cmd.vm.resize", { vmId: "hungry", resources: { ribosomes: "100%" } });
    await whenActive("starved", []);
    expect(await eventsOf("starved")).toEqual(["rule-set", "raised", "cleared", "raised", "cleared"]);
  });
});

describe("bioxen alerts", () => {
  it("sets, lists and removes rules, and rejects an invalid rule with a list of all problems", async () => {
    const line = ["--metric", "vm.health", "--below", "101", "--severity", "info", "--vm", "hungry"];
    expect(await world.bioxenJson("alerts", "set", "always", ...line)).toMatchObject({
      ok: true,
      changed: true,
      rule: { ruleId: "always", metric: "vm.health", below: 101, scope: { vmId: "hungry" } },
    });
    await whenActive("always", ["hungry"]);
    expect((await world.bioxen("alerts", "ls", "--rule", "always")).stdout).toMatch(
      /info +always +hungry +vm\.health = \d+/,
    );
    expect((await world.bioxen("alerts", "rules")).stdout).toMatch(/chassis-lost .* default/);
    expect((await world.bioxen("alerts", "set", "both", ...line, "--above", "1")).code).toBe(2);
    const wrong = await world.ask("cmd.alert.set-rule", {
      ruleId: "-",
      metric: "vm.joy",
      above: 0.5,
      severity: "bad",
      scope: { label: "=" },
    });
    expect(wrong.error.details.problems.map((p: Json) => p.path).sort()).toEqual([
      "above",
      "metric",
      "ruleId",
      "scope.label",
      "severity",
    ]);
    const neither = await world.ask("cmd.alert.set-rule", {
      ruleId: "x",
      metric: "chassis.heartbeatAgeMs",
      severity: "info",
      scope: { vmId: "a" },
    });
    expect(neither.error.details.problems.map((p: Json) => p.path)).toEqual(["above", "scope.vmId"]);
    expect((await world.bioxen("alerts", "remove", "always")).code).toBe(0);
    expect((await world.bioxen("alerts", "remove", "nothing")).code).toBe(1);
  });

  it("keeps a notification that the webhook rejects as a dead letter, and delivers it on `alerts retry`", async () => {
    status = 404;
    const before = received.length;
    await world.done("cmd.alert.set-rule", { ...RULE, ruleId: "dead", below: 2_000, forMs: 0 });
    const [letter] = await eventually("a dead letter", async () => {
      const { dead } = await world.bioxenJson("alerts", "dead");
      return dead?.length > 0 ? (dead as Json[]) : undefined;
    });
    expect(letter).toMatchObject({ ruleId: "dead", webhook: "ops", attempts: 1, reason: "HTTP 404" });
    status = 200;
    expect((await world.bioxen("alerts", "retry", "dead", letter.notificationId)).stdout).toContain(
      "1 queued for delivery",
    );
    await eventually("the webhook receives the notification", async () =>
      received.slice(before).some((one) => one.notificationId === letter.notificationId) ? true : undefined,
    );
    await eventually("no dead letter is left", async () => {
      const { total } = await world.bioxenJson("alerts", "dead");
      return total === 0 ? true : undefined;
    });
    expect((await world.bioxenJson("events", "verify")).violations).toEqual([]);
  });
});

describe("bioxen report and bioxen metrics export", () => {
  it("names a starved VM and the resource it lacks, and omits both after the repair", async () => {
    await world.done("cmd.vm.resize", { vmId: "hungry", resources: { ribosomes: "25%" } });
    await eventually("the report names the starved VM", async () => {
      const { stdout } = await world.bioxen("report");
      return /1 VM is starved: hungry; the worst, hungry, has 25 % of the ribosomes it needs/.test(stdout)
        ? true
        : undefined;
    });
    await world.done("cmd.vm.resize", { vmId: "hungry", resources: { ribosomes: "100%" } });
    await eventually("the report names no starved VM", async () => {
      const { findings } = await world.bioxenJson("report");
      return findings?.some((one: Json) => one.about === "starved") ? undefined : true;
    });
  });

  it("exports the fleet history as JSON Lines, one point per second, and --since omits earlier points", async () => {
    const { stdout } = await world.bioxen("metrics", "export");
    const points = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Json);
    expect(points.length).toBeGreaterThan(3);
    expect(points.every((point) => point.atMs % 1_000 === 0)).toBe(true);
    expect(points.some((point) => point.vmsRunning === 1 && point.vmsImpaired === 1)).toBe(true);
    const sinceMs = points[2].atMs;
    const later = await world.bioxen("metrics", "export", "--since", String(sinceMs));
    expect(JSON.parse(later.stdout.split("\n")[0] ?? "").atMs).toBe(sinceMs);
  });
});
