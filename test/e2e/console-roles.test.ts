/**
 * The console with keys: the one-time code, the session, and what an observer and a tenant see.
 */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasBrowser, open, openBrowser, shows, type Visitor, visit } from "./browser.ts";
import { World } from "./world.ts";

let world: World;
let browser: Browser;
let admin: Visitor;

describe.runIf(hasBrowser)("the console with keys", () => {
  beforeAll(async () => {
    world = await World.open({ chassis: "ecoli:1", gateway: { port: 0 } });
    browser = await openBrowser();
    await world.done("cmd.vm.create", { vmId: "con-1", biologicalType: "syn3a" });
    await world.done("cmd.vm.start", { vmId: "con-1" });
    await world.reach("con-1", "running");
    admin = await visit(browser, world);
  });
  afterAll(async () => {
    await browser.close();
    await world.close();
  });

  it("takes the code out of the address, and shows a browser without a session what to do", async () => {
    expect(admin.page.url()).not.toContain("code");
    const stranger = await browser.newPage();
    await stranger.goto(new URL("/", admin.page.url()).href);
    await stranger.getByText("bioxen console").waitFor();
    await stranger.close();
  });

  it("lets an observer look and not act, and shows a tenant nothing of others", async () => {
    for (const [name, role] of [
      ["con-olga", "observer"],
      ["con-tom", "tenant"],
    ] as const) {
      const { code, stderr } = await world.bioxen("auth", "add", name, "--role", role);
      expect(code, stderr).toBe(0);
    }
    const observer = await visit(browser, world, { as: "con-olga" });
    await open(observer.page, "/vms/con-1", "con-1");
    await shows(observer.page, "Where, and why there");
    expect(await observer.page.locator(".page-head button").count()).toBe(0);
    expect(observer.complaints).toEqual([]);
    await observer.context.close();
    const tenant = await visit(browser, world, { as: "con-tom" });
    await open(tenant.page, "/vms", "VMs");
    await shows(tenant.page, "There is no VM yet");
    await open(tenant.page, "/create", "Create a VM");
    await tenant.page.getByLabel("Id").fill("con-tom-1");
    await tenant.page.getByRole("button", { name: "Create and start" }).click();
    await tenant.page.getByRole("heading", { level: 1, name: "con-tom-1" }).waitFor();
    await tenant.page.locator(".page-head").getByText("running").waitFor();
    await open(tenant.page, "/vms", "VMs");
    await tenant.page.getByRole("link", { name: "con-tom-1" }).waitFor();
    expect(await tenant.page.locator("#main").getByText("con-1", { exact: true }).count()).toBe(0);
    expect(tenant.complaints).toEqual([]);
    await tenant.context.close();
  });
});
