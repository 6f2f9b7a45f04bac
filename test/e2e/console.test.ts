/**
 * The console in a real browser on a real stack: every view, every action, a lost connection, and time travel.
 */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  freePort,
  hasBrowser,
  live,
  open,
  openBrowser,
  shows,
  type Visitor,
  violations,
  visit,
} from "./browser.ts";
import { eventually, World } from "./world.ts";

let world: World;
let browser: Browser;
let admin: Visitor;

async function running(vmId: string, fields: object = {}): Promise<void> {
  await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a", ...fields });
  await world.done("cmd.vm.start", { vmId });
  await world.reach(vmId, "running");
}

/** Every view of the console with its heading. */
const VIEWS: readonly [address: string, heading: string | RegExp][] = [
  ["/", "Fleet"],
  ["/vms", "VMs"],
  ["/vms/con-1", "con-1"],
  ["/vms/con-1?tab=course", "con-1"],
  ["/vms/con-1?tab=history", "con-1"],
  ["/vms/con-1?tab=snapshots", "con-1"],
  ["/vms/con-1?tab=prompt", "con-1"],
  ["/vms/con-1?tab=settings", "con-1"],
  ["/create", "Create a VM"],
  ["/chassis", "Chassis"],
  ["/chassis/ecoli-1", "ecoli-1"],
  ["/experiments", "Experiments"],
  ["/experiments/new", "Start an experiment"],
  ["/experiments/con-law", "con-law"],
  ["/log", "Log"],
  ["/log/10", "Event #10"],
  ["/time?at=10", "Time travel"],
  ["/alerts", "Alerts"],
  ["/jobs", "Jobs and dead letters"],
  ["/quotas", "Quotas"],
  ["/principals", "Principals"],
  ["/nowhere", "No such view"],
];

describe.runIf(hasBrowser)("the console", () => {
  beforeAll(async () => {
    const gateway = { port: await freePort() };
    // Without keys: views and actions are those of an admin, and a login is no part of these tests.
    world = await World.open({ keys: false, chassis: "ecoli:1,yeast:1", gateway });
    browser = await openBrowser();
    await running("con-1", { record: { everyMinutes: 10 }, labels: { team: "red" } });
    await world.done("cmd.vm.snapshot", { vmId: "con-1", snapshotId: "first" });
    await world.done("cmd.quota.set", { label: "team", resources: { ribosomes: 9_000 } });
    const file = {
      experiment: "con-law",
      base: { biologicalType: "syn3a" },
      sweep: { "resources.ribosomes": ["50%", "100%"] },
      seed: 1,
      untilMinute: 60,
      record: { everyMinutes: 10 },
    };
    await world.done("cmd.experiment.start", { file });
    admin = await visit(browser, world);
  });
  afterAll(async () => {
    await browser.close();
    await world.close();
  });

  it.each(["light", "dark"] as const)("has no violation of WCAG 2.2 AA in any view, %s", async (scheme) => {
    const { page, context, complaints } = await visit(browser, world, { scheme });
    const wrong: string[] = [];
    for (const [address, heading] of VIEWS) {
      await open(page, address, heading);
      await page.locator(".loading").first().waitFor({ state: "detached" });
      wrong.push(...(await violations(page)).map((violation) => `${address} ${violation}`));
    }
    expect(wrong).toEqual([]);
    expect(complaints).toEqual([]);
    await context.close();
  });

  it("fits a phone of 320 px: no view scrolls sideways", async () => {
    const { page, context } = await visit(browser, world, { width: 320, height: 640 });
    for (const [address, heading] of VIEWS) {
      await open(page, address, heading);
      const width = await page.evaluate("document.documentElement.scrollWidth");
      expect(width, address).toBeLessThanOrEqual(320);
    }
    await context.close();
  });

  it("creates and starts a VM, with the growth that the model predicts and the placement that the plan names", async () => {
    const { page } = admin;
    await open(page, "/create", "Create a VM");
    await page.getByLabel("Id").fill("con-made");
    await page.getByLabel("Ribosomes").fill("50");
    await shows(page, "150 min");
    await shows(page, /on (ecoli|yeast)-1/);
    await shows(page, /bioxen vm create con-made/);
    await page.getByRole("button", { name: "Create and start" }).click();
    await page.getByRole("heading", { level: 1, name: "con-made" }).waitFor();
    expect((await world.reach("con-made", "running")).request.ribosomes).toBe(252);
    await page.locator(".page-head").getByText("running").waitFor();
  });

  it("opens a VM that was created and whose start is refused, with the reason", async () => {
    const { page } = admin;
    await open(page, "/create", "Create a VM");
    await page.getByLabel("Id").fill("con-large");
    await page.getByText("E. coli K-12").click();
    await page.getByLabel("Chassis").selectOption("ecoli-1");
    await page.getByRole("button", { name: "Create and start" }).click();
    await page.getByRole("heading", { level: 1, name: "con-large" }).waitFor();
    await page
      .locator(".messages")
      .getByText(/INFEASIBLE/)
      .waitFor();
    await page.locator(".page-head").getByRole("button", { name: "Start" }).waitFor();
  });

  it("shows every problem of a refused command with its path", async () => {
    const { page } = admin;
    await open(page, "/create", "Create a VM");
    await page.getByLabel("Seed").fill("seven");
    await page.getByRole("button", { name: "Create and start" }).click();
    await page.getByRole("alert").getByText("BAD_REQUEST").first().waitFor();
    await page.getByRole("alert").getByText("seed").first().waitFor();
  });

  it("pauses, resumes, resizes, snapshots, restores, forks, migrates, stops and destroys", async () => {
    const { page } = admin;
    await running("con-act");
    await open(page, "/vms/con-act", "con-act");
    const button = (name: string) => page.locator(".page-head").getByRole("button", { name, exact: true });
    const dialog = page.getByRole("dialog");
    await button("Pause").click();
    await world.reach("con-act", "paused");
    await button("Resume").click();
    await world.reach("con-act", "running");
    await button("Resize").click();
    await dialog.getByLabel("Ribosomes").fill("300");
    await dialog.getByRole("button", { name: "Resize" }).click();
    await eventually("it is resized", async () => {
      const { vm } = await world.look("qry.vm.get", { vmId: "con-act" });
      return vm?.allocation?.ribosomes === 300 ? true : undefined;
    });
    await button("Snapshot").click();
    await dialog.getByLabel("Name of the snapshot").fill("one");
    await dialog.getByRole("button", { name: "Snapshot" }).click();
    await dialog.waitFor({ state: "detached" });
    await page.getByRole("link", { name: "Snapshots" }).click();
    await page.getByRole("button", { name: "Restore one" }).click();
    await dialog.getByRole("button", { name: "Restore" }).click();
    await page.getByText("con-act continues from one").waitFor();
    await button("Fork").click();
    await dialog.getByRole("button", { name: "Fork" }).click();
    await world.reach("con-act-fork", "created");
    await world.reach("con-act", "running");
    await button("Migrate").click();
    await dialog.getByRole("button", { name: "Migrate" }).click();
    await dialog.waitFor({ state: "detached" });
    await button("Stop").click();
    await dialog.getByRole("button", { name: "Stop" }).click();
    await world.reach("con-act", "stopped");
    await button("Destroy").click();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    expect((await world.done("qry.vm.get", { vmId: "con-act" })).vm.state).toBe("stopped");
    await button("Destroy").click();
    await dialog.getByRole("button", { name: "Destroy" }).click();
    await world.reach("con-act", "destroyed");
  });

  it("runs Lua in the guest and shows its value; output and labels are text, never HTML", async () => {
    const { page } = admin;
    await open(page, "/vms/con-1?tab=prompt", "con-1");
    const evil = "<img src=x onerror=document.title='owned'>";
    await page.getByLabel(/Program/).fill(`print("${evil}") return 6 * 7`);
    await page.keyboard.press("Control+Enter");
    await page.getByRole("log").getByText(evil).last().waitFor();
    await page.getByRole("log").getByText(/^42 /).waitFor();
    expect(await page.locator("#main img").count()).toBe(0);
    expect(await page.title()).not.toContain("owned");
  });

  it("cordons, drains with progress, and opens a chassis again", async () => {
    const { page } = admin;
    await open(page, "/chassis/yeast-1", "yeast-1");
    const button = (name: string) => page.locator(".page-head").getByRole("button", { name });
    await button("Cordon").click();
    await page.locator(".page-head").getByText("cordoned").waitFor();
    await button("Drain").click();
    await page.getByRole("dialog").getByRole("button", { name: "Drain" }).click();
    await page.locator("#main").getByText("VMs have left").waitFor();
    await button("Uncordon").click();
    await page.locator(".page-head").getByText("ready").waitFor();
  });

  it("starts an experiment from a form, and draws its figure", async () => {
    const { page } = admin;
    await open(page, "/experiments/new", "Start an experiment");
    await page.getByLabel("Id").fill("con-form");
    await page.getByLabel("Until minute").fill("40");
    await page.getByRole("button", { name: "Start" }).click();
    await page.getByRole("heading", { level: 1, name: "con-form" }).waitFor();
    await page.locator(".page-head").getByText("finished").waitFor({ timeout: 90_000 });
    await page.locator("img.plot").waitFor();
  });

  it("shows an event with its cause and its effects", async () => {
    const { page } = admin;
    const { events } = await world.done("qry.vm.history", { vmId: "con-1" });
    const placed = events.find(({ type }: { type: string }) => type === "bioxen.vm.placed.v1");
    await open(page, `/log/${placed.seq}`, `Event #${placed.seq}`);
    await shows(page, /placed on/);
    await page
      .locator(".facts")
      .getByText(/reserved for con-1/)
      .waitFor();
    await page.getByText(/^Effects \([1-9]/).waitFor();
  });

  it("shows the fleet at a sequence as `bioxen state --at` does", async () => {
    const { page } = admin;
    const { events } = await world.done("qry.vm.history", { vmId: "con-1" });
    for (const { seq } of [events[0], events.at(-1)]) {
      const state = JSON.parse((await world.bioxen("state", "--at", String(seq), "--json")).stdout);
      await open(page, `/time?at=${seq}`, "Time travel");
      await shows(page, `The fleet after event #${seq}`);
      await page.getByRole("heading", { name: /^\d+ VMs$/ }).waitFor();
      const rows = page.locator(".vlist tbody tr:not(.spacer)");
      const expected = state.vms.filter((vm: { state: string }) => vm.state !== "destroyed");
      await eventually("the table has its VMs", async () =>
        (await rows.count()) === expected.length ? true : undefined,
      );
      for (const vm of expected) {
        const text = await rows
          .filter({ has: page.getByRole("link", { name: vm.vmId, exact: true }) })
          .textContent();
        expect(text).toContain(vm.state);
        expect(text).toContain(vm.chassisId ?? "–");
      }
    }
  });

  it("goes back and forward, and filters in the address", async () => {
    const { page } = admin;
    await open(page, "/vms?q=team%3Dred", "VMs");
    await page.getByRole("link", { name: "con-1" }).click();
    await page.getByRole("heading", { level: 1, name: "con-1" }).waitFor();
    await page.goBack();
    await page.getByRole("heading", { level: 1, name: "VMs" }).waitFor();
    expect(await page.getByRole("searchbox").inputValue()).toBe("team=red");
  });

  it("moves over the map and the list with the keyboard alone", async () => {
    const { page } = admin;
    await open(page, "/", "Fleet");
    await page.locator("canvas").first().focus();
    await page.keyboard.press("End");
    await page
      .locator(".map-cell")
      .getByText(/con-.+running/)
      .first()
      .waitFor();
    await page.keyboard.press("Enter");
    await eventually("a VM is open", async () => (/#\/vms\/con-/.test(page.url()) ? true : undefined));
    await open(page, "/vms", "VMs");
    await page.locator(".vlist a").first().focus();
    await page.keyboard.press("ArrowDown");
    await page.locator('.vlist a[data-row="1"]:focus').waitFor();
  });

  it("says that its state is old when the gateway is silent, and heals without a loss", async () => {
    const { page, context, complaints } = await visit(browser, world);
    await open(page, "/vms/con-1", "con-1");
    const gateway = world.stack.services().find(({ name }) => name === "gateway");
    process.kill(gateway?.pid ?? 0, "SIGSTOP");
    await page.locator(".stale-note").waitFor({ timeout: 60_000 });
    await world.done("cmd.vm.pause", { vmId: "con-1" });
    process.kill(gateway?.pid ?? 0, "SIGCONT");
    await live(page);
    await page.locator(".page-head").getByText("paused").waitFor();
    await world.done("cmd.vm.resume", { vmId: "con-1" });
    await page.locator(".page-head").getByText("running").waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  });

  it("goes on after the gateway was killed", async () => {
    const { page, context } = await visit(browser, world);
    await open(page, "/vms/con-1", "con-1");
    const gateway = world.stack.services().find(({ name }) => name === "gateway");
    process.kill(gateway?.pid ?? 0, "SIGKILL");
    await page.locator(".link-state", { hasText: "Reconnecting" }).waitFor();
    await live(page);
    await world.done("cmd.vm.pause", { vmId: "con-1" });
    await page.locator(".page-head").getByText("paused").waitFor();
    await context.close();
  });
});
