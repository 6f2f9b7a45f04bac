/**
 * The actions of the console that change more than one VM's state, with keys: each works for an admin, and neither its
 * button nor its request works for an observer or for a tenant.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasBrowser, open, openBrowser, shows, type Visitor, violations, visit } from "./browser.ts";
import { eventually, type Json, World } from "./world.ts";

let world: World;
let browser: Browser;
let admin: Visitor;
let receiver: Server;
/** The HTTP status that the receiver of webhooks answers. */
let status = 404;
const received: Json[] = [];

/** The principals that may not do what the admin does. */
const OTHERS = [
  ["con-olga", "observer"],
  ["con-tom", "tenant"],
] as const;

const headButton = (page: Page, name: string) =>
  page.locator(".page-head").getByRole("button", { name, exact: true });
const vmOf = async (vmId: string): Promise<Json> => (await world.done("qry.vm.get", { vmId })).vm;

async function running(vmId: string): Promise<void> {
  await world.done("cmd.vm.create", { vmId, biologicalType: "syn3a" });
  await world.done("cmd.vm.start", { vmId });
  await world.reach(vmId, "running");
}

/** The text of a file that a click downloads. */
async function downloaded(page: Page, button: string): Promise<string> {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: button }).click(),
  ]);
  const chunks: Buffer[] = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

describe.runIf(hasBrowser)("the actions of the console", () => {
  beforeAll(async () => {
    receiver = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        if (status === 200) received.push(JSON.parse(body));
        response.writeHead(status).end();
      });
    }).listen(0, "127.0.0.1");
    await once(receiver, "listening");
    const { port } = receiver.address() as AddressInfo;
    process.env["BIOXEN_ALERT_WEBHOOKS"] = `ops=http://127.0.0.1:${port}/alerts`;
    world = await World.open({ chassis: "ecoli:1,yeast:1", gateway: { port: 0 } });
    browser = await openBrowser();
    for (const [name, role] of OTHERS) {
      const { code, stderr } = await world.bioxen("auth", "add", name, "--role", role);
      if (code !== 0) throw new Error(stderr);
    }
    await running("con-1");
    admin = await visit(browser, world);
  });
  afterAll(async () => {
    delete process.env["BIOXEN_ALERT_WEBHOOKS"];
    await browser.close();
    await world.close();
    receiver.closeAllConnections();
    receiver.close();
  });

  it("changes the medium, and takes a pause and a resize back", async () => {
    const { page } = admin;
    const dialog = page.getByRole("dialog");
    const undo = page.locator(".messages").getByRole("button", { name: /^Undo/ });
    await open(page, "/vms/con-1", "con-1");
    await headButton(page, "Medium").click();
    await dialog.getByLabel("Nutrient quality").fill("0.25");
    await dialog.getByRole("button", { name: "Medium" }).click();
    await eventually("the medium is changed", async () => {
      const { events } = await world.done("qry.vm.history", { vmId: "con-1" });
      const changed = events.find(({ type }: Json) => type === "bioxen.vm.environment-changed.v1");
      return changed?.data.environment.nutrientQuality === 0.25 ? true : undefined;
    });
    await headButton(page, "Pause").click();
    await world.reach("con-1", "paused");
    await undo.last().click();
    await world.reach("con-1", "running");
    const { ribosomes } = (await vmOf("con-1")).allocation;
    await headButton(page, "Resize").click();
    await dialog.getByLabel("Ribosomes").fill("50%");
    await dialog.getByRole("button", { name: "Resize" }).click();
    await eventually("it is smaller", async () =>
      (await vmOf("con-1")).allocation.ribosomes < ribosomes ? true : undefined,
    );
    await undo.last().click();
    await eventually("it has its ribosomes again", async () =>
      (await vmOf("con-1")).allocation.ribosomes === ribosomes ? true : undefined,
    );
  });

  it("forks a snapshot into a VM, and deletes it", async () => {
    const { page } = admin;
    await world.done("cmd.vm.snapshot", { vmId: "con-1", snapshotId: "one" });
    await open(page, "/vms/con-1?tab=snapshots", "con-1");
    await page.getByRole("button", { name: "Fork one" }).click();
    await world.reach("con-1-one", "created");
    await page.getByRole("button", { name: "Delete one" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await shows(page, "This VM has no snapshot");
    expect((await vmOf("con-1")).snapshots).toEqual([]);
  });

  it("cancels a move that waits for room", async () => {
    const { page } = admin;
    const { chassisId } = await vmOf("con-1");
    const other = chassisId === "ecoli-1" ? "yeast-1" : "ecoli-1";
    await open(page, `/chassis/${other}`, other);
    await headButton(page, "Cordon").click();
    await page.locator(".page-head").getByText("cordoned").waitFor();
    await open(page, "/vms/con-1", "con-1");
    await headButton(page, "Migrate").click();
    await page.getByRole("dialog").getByRole("button", { name: "Migrate" }).click();
    await headButton(page, "Cancel the move").click();
    await eventually("it does not move", async () =>
      (await vmOf("con-1")).migration === null ? true : undefined,
    );
    await open(page, `/chassis/${other}`, other);
    await headButton(page, "Uncordon").click();
    await page.locator(".page-head").getByText("ready").waitFor();
  });

  it("removes a chassis", async () => {
    const { page } = admin;
    const spare = { chassisId: "spare-1", chassisType: "ecoli", agentId: "local" };
    await world.done("cmd.chassis.register", spare);
    await open(page, "/chassis/spare-1", "spare-1");
    await headButton(page, "Remove").click();
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await shows(page, "This chassis is not registered");
    expect(await world.ask("qry.chassis.get", { chassisId: "spare-1" })).toMatchObject({
      error: { code: "CHASSIS_NOT_FOUND" },
    });
  });

  it("sets a quota, and takes it back", async () => {
    const { page } = admin;
    const limit = async () => {
      const { quotas } = await world.done("qry.quota.list", {});
      return quotas.find(({ label }: Json) => label === "team")?.resources.ribosomes;
    };
    await world.done("cmd.quota.set", { label: "team", resources: { ribosomes: 7_000 } });
    await open(page, "/quotas", "Quotas");
    await page.getByLabel("Label or owner").fill("team");
    await page.getByRole("spinbutton", { name: "Ribosomes" }).fill("9000");
    await page.getByRole("button", { name: "Set", exact: true }).click();
    await eventually("the quota is set", async () => ((await limit()) === 9_000 ? true : undefined));
    // Older messages have an undo too.
    await page.getByRole("button", { name: "Undo: the quota of team is set" }).click();
    await eventually("it is as before", async () => ((await limit()) === 7_000 ? true : undefined));
  });

  it("sets an alert rule, delivers its dead letter, removes the rule and sets it again", async () => {
    const { page } = admin;
    await open(page, "/alerts", "Alerts");
    await page.getByLabel("Id of the rule").fill("con-slow");
    await page.getByLabel("Metric").selectOption("vm.growthPermille");
    await page.getByLabel(/^Limit/).fill("2000");
    await page.getByLabel("Scope").selectOption("vmId");
    await page.getByLabel("Its id").fill("con-1");
    await page.getByRole("button", { name: "Set the rule" }).click();
    await page.getByRole("table", { name: "Active alerts" }).getByText("con-slow").waitFor();
    expect(await violations(page)).toEqual([]);
    await eventually("a dead letter", async () => {
      const { total } = await world.done("qry.alert.dead", {});
      return total > 0 ? true : undefined;
    });
    status = 200;
    await open(page, "/jobs", "Jobs and dead letters");
    await page.getByRole("button", { name: "Retry" }).click();
    await eventually("it is delivered", async () =>
      received.some(({ ruleId }) => ruleId === "con-slow") ? true : undefined,
    );
    await open(page, "/alerts", "Alerts");
    await page.getByRole("button", { name: "Remove con-slow" }).click();
    const rules = async () =>
      (await world.done("qry.alert.list", {})).rules.map(({ ruleId }: Json) => ruleId);
    await eventually("it is removed", async () => ((await rules()).includes("con-slow") ? undefined : true));
    await page
      .getByRole("button", { name: /^Undo: .*con-slow/ })
      .last()
      .click();
    await eventually("it is there again", async () =>
      (await rules()).includes("con-slow") ? true : undefined,
    );
  });

  it("starts an experiment from a file, downloads its results and its file, and cancels it", async () => {
    const { page } = admin;
    const file = {
      experiment: "con-file",
      base: { biologicalType: "syn3a" },
      sweep: { "resources.ribosomes": ["50%", "100%"] },
      seed: 1,
      // At one hour a second it runs for a day: it is cancelled.
      untilMinute: 5_000_000,
      record: { everyMinutes: 10_000 },
    };
    await open(page, "/experiments/new", "Start an experiment");
    await page.getByLabel("Read a JSON file").setInputFiles({
      name: "con-file.json",
      mimeType: "application/json",
      buffer: Buffer.from(JSON.stringify(file)),
    });
    await eventually("the file is read", async () =>
      (await page.getByLabel("Contents").inputValue()).includes("con-file") ? true : undefined,
    );
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "con-file" }).waitFor();
    expect(JSON.parse(await downloaded(page, "Download file"))).toMatchObject(file);
    const [header = "", ...rows] = (await downloaded(page, "Download results")).trim().split("\n");
    expect(header).toContain("ribosomes");
    expect(rows).toHaveLength(2);
    await headButton(page, "Cancel").click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel it" }).click();
    await page.locator(".page-head").getByText("cancelled").waitFor();
  });

  it("replays the demand under another policy as `bioxen replay` does", async () => {
    const { page, complaints } = admin;
    const { events } = await world.done("qry.vm.history", { vmId: "con-1" });
    const toSeq = events.at(-1).seq;
    await open(page, `/time?at=${toSeq}`, "Time travel");
    await page.getByLabel("Policy").selectOption("spread");
    await shows(page, `bioxen replay --policy spread --to ${toSeq}`);
    await page.getByRole("button", { name: "Replay", exact: true }).click();
    const table = page.getByRole("table", { name: "Placement as recorded, decided again, and what if" });
    await table.waitFor();
    const expected = await world.bioxenJson("replay", "--policy", "spread", "--to", String(toSeq));
    const cells = async (name: string) =>
      table.getByRole("row").filter({ hasText: name }).first().getByRole("cell").allTextContents();
    const { recorded, baseline, alternative } = expected;
    const three = (field: string) =>
      [recorded, baseline, alternative].map((one) => one[field].toLocaleString("en"));
    expect(await cells("Requests for a place")).toEqual(["Requests for a place", ...three("demands")]);
    expect(await cells("Placed")).toEqual(["Placed", ...three("placed")]);
    expect(await violations(page)).toEqual([]);
    expect(complaints).toEqual([]);
  });

  /** Each action with its view; the name of its button or its field. */
  const ACTIONS: readonly [address: string, heading: string, control: RegExp][] = [
    ["/vms/con-1", "con-1", /^(Pause|Resume|Resize|Medium|Snapshot|Fork|Migrate|Stop|Destroy)$/],
    ["/vms/con-1?tab=snapshots", "con-1", /^(Restore|Fork|Delete) kept$/],
    ["/chassis/ecoli-1", "ecoli-1", /^(Cordon|Uncordon|Drain|Remove)$/],
    ["/alerts", "Alerts", /^(Set the rule|Remove .*)$/],
    ["/quotas", "Quotas", /^Set$/],
    ["/jobs", "Jobs and dead letters", /^(Retry|Cancel it)$/],
    ["/experiments/con-file", "con-file", /^Cancel$/],
    ["/create", "Create a VM", /^Create/],
    ["/experiments/new", "Start an experiment", /^Start$/],
  ];
  /** The request of each action. */
  const REQUESTS: readonly [path: string, payload: object][] = [
    ["vm/set-environment", { vmId: "con-1", environment: { nutrientQuality: 0.5 } }],
    ["vm/cancel-migration", { vmId: "con-1" }],
    ["vm/fork", { vmId: "con-1", newVmId: "con-2" }],
    ["vm/delete-snapshot", { vmId: "con-1", snapshotId: "kept" }],
    ["vm/destroy", { vmId: "con-1" }],
    ["chassis/remove", { chassisId: "ecoli-1" }],
    ["chassis/drain", { chassisId: "ecoli-1" }],
    ["quota/set", { label: "team", resources: {} }],
    ["alert/set-rule", { ruleId: "con-x", metric: "vm.health", below: 5, severity: "info" }],
    ["alert/remove-rule", { ruleId: "con-slow" }],
    ["alert/retry", { ruleId: "con-slow" }],
    ["experiment/cancel", { experimentId: "con-file" }],
  ];

  it("has each of these actions for an admin", async () => {
    await world.done("cmd.vm.snapshot", { vmId: "con-1", snapshotId: "kept" });
    const { page } = admin;
    // A dead letter and a running experiment were cases of their own.
    const without = /^\/(experiments\/con-file)/;
    for (const [address, heading, control] of ACTIONS) {
      if (without.test(address)) continue;
      await open(page, address, heading);
      await page.getByRole("button", { name: control }).first().waitFor();
    }
  });

  it.each(OTHERS)("gives %s (%s) neither the buttons nor the requests", async (name, role) => {
    const { page, context, complaints } = await visit(browser, world, { as: name });
    const own = /^\/(create|experiments\/new|jobs)/;
    for (const [address, , control] of ACTIONS) {
      // A tenant creates VMs and experiments of its own, and cancels its jobs.
      if (role === "tenant" && own.test(address)) continue;
      await open(page, address, /./);
      await page.locator(".loading").first().waitFor({ state: "detached" });
      const buttons = await page.locator("#main").getByRole("button", { name: control }).allTextContents();
      expect(buttons, address).toEqual([]);
    }
    if (role === "observer") expect(complaints).toEqual([]);
    for (const [path, payload] of REQUESTS) {
      const answer = (await page.evaluate(`fetch("api/v1/${path}", {
        method: "POST",
        headers: { "content-type": "application/json", "x-bioxen": "1" },
        body: ${JSON.stringify(JSON.stringify(payload))},
      }).then(async (response) => (await response.json()).error?.code)`)) as string;
      expect(["FORBIDDEN", "VM_NOT_FOUND", "EXPERIMENT_NOT_FOUND"], `${role} ${path}: ${answer}`).toContain(
        answer,
      );
    }
    expect((await vmOf("con-1")).state).toBe("running");
    await context.close();
  });
});
