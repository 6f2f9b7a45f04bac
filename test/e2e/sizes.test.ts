/**
 * A large fleet on a server with small messages: every query answers in pages, and every command of the command line
 * shows the whole.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MAX_PAGE } from "@bioxen/contracts";
import { TestServer } from "@bioxen/testkit";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { bioxenHere } from "./in-process.ts";
import type { Json } from "./json.ts";
import { BIG, chassisIdOf, vmIdOf, writeLargeLog } from "./large-log.ts";

const MAX_PAYLOAD = 65_536;
const VMS = 5_000;
const CHASSIS = 1_500;
const CHECKPOINTS = 5_000;
/** The four events before its checkpoints: created, start-requested, placed, started. */
const HISTORY = CHECKPOINTS + 4;
const SERVICES = ["lifecycle", "allocator", "chassis-scheduler", "monitor"] as const;

let server: TestServer;
let nats: NatsConnection;
let home: string;
let children: ChildProcess[];
let lastSeq: number;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "bioxen-sizes-"));
  server = await TestServer.start(`max_payload: ${MAX_PAYLOAD}`);
  lastSeq = await writeLargeLog(server.url, { vms: VMS, chassis: CHASSIS, checkpoints: CHECKPOINTS });
  const env = {
    ...process.env,
    BIOXEN_NATS_URL: server.url,
    BIOXEN_LOG_LEVEL: "warn",
    // There is no agent, and its silence is not the subject of this file.
    BIOXEN_LOST_AFTER_MS: "3600000",
  };
  children = SERVICES.map((name) => {
    const main = fileURLToPath(new URL(`../../services/${name}/main.ts`, import.meta.url));
    return spawn(process.execPath, [main], { env, stdio: ["ignore", "inherit", "inherit", "ipc"] });
  });
  await Promise.all(children.map((child) => new Promise((resolve) => child.once("message", resolve))));
  vi.stubEnv("BIOXEN_HOME", home);
  vi.stubEnv("BIOXEN_NATS_URL", server.url);
  vi.stubEnv("NO_COLOR", "1");
  nats = await connect({ servers: server.url });
}, 120_000);
afterAll(async () => {
  vi.unstubAllEnvs();
  await nats?.close();
  for (const child of children ?? []) child.kill("SIGKILL");
  await server?.stop();
  await rm(home, { recursive: true, force: true });
});

async function ask(subject: string, request: object): Promise<Json> {
  const message = await nats.request(`bioxen.${subject}`, JSON.stringify(request), { timeout: 10_000 });
  expect(message.data.byteLength).toBeLessThanOrEqual(MAX_PAYLOAD);
  return message.json();
}

/** Asks for all pages; returns them. Every page must fit and belong to the state of the first one. */
async function pagesOf(subject: string, request: object, between?: () => Promise<unknown>): Promise<Json[]> {
  const pages: Json[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await ask(subject, cursor === undefined ? request : { ...request, cursor });
    expect(page, `${subject} ${cursor}`).toMatchObject({ ok: true });
    pages.push(page);
    if (cursor === undefined) await between?.();
    // A query for one thing has no cursor on its last page.
    cursor = page.cursor ?? null;
  }
  return pages;
}

async function json(...args: string[]): Promise<Json> {
  const { stdout, stderr, code } = await bioxenHere([...args, "--json"]);
  expect(code, `bioxen ${args.join(" ")}: ${stderr}${stdout.slice(0, 500)}`).toBe(0);
  return JSON.parse(stdout);
}

describe("queries of a large fleet", () => {
  it("list every VM once, in the state of the first page, whatever happens between the pages", async () => {
    const pages = await pagesOf("qry.vm.list", {}, async () => {
      expect(await ask("cmd.vm.create", { vmId: "vm-00001-new", biologicalType: "syn3a" })).toMatchObject({
        ok: true,
      });
      expect(await ask("cmd.vm.destroy", { vmId: vmIdOf(VMS - 1) })).toMatchObject({ ok: true });
    });
    expect(pages.length).toBeGreaterThan(20);
    const vms = pages.flatMap((page) => page.vms);
    expect(vms.map(({ vmId }) => vmId)).toEqual(Array.from({ length: VMS }, (_, i) => vmIdOf(i)));
    expect(vms.at(-1)).toMatchObject({ state: "running" });
  });

  it.each([
    ["qry.chassis.list", {}, (page: Json) => page.chassis, CHASSIS + 1],
    ["qry.vm.history", { vmId: vmIdOf(0) }, (page: Json) => page.events, HISTORY],
    ["qry.ledger.get", { chassisId: BIG }, (page: Json) => page.ledger.entries, VMS],
    ["qry.ledger.get", { chassisId: BIG, limit: 100 }, (page: Json) => page.ledger.entries, VMS],
    ["qry.vm.get", { vmId: vmIdOf(1), atSeq: 4 * VMS }, (page: Json) => page.ledger.entries, undefined],
    ["qry.placement.explain", { vmId: vmIdOf(1) }, (page: Json) => page.candidates, CHASSIS + 1],
  ])("%s %j answers in pages that fit", async (subject, request, itemsOf, count) => {
    const pages = await pagesOf(subject as string, request as object);
    expect(pages.length).toBeGreaterThan(1);
    const items = pages.flatMap((page) => (itemsOf as (page: Json) => Json[])(page));
    if (count !== undefined) expect(items.length).toBeGreaterThanOrEqual((count as number) - 1);
    if (count !== undefined) expect(items.length).toBeLessThanOrEqual(count as number);
    expect(new Set(items.map((item) => JSON.stringify(item))).size).toBeGreaterThan(1);
  });

  it("a plan for as many VMs as a request may name has a place or reasons for each of them", async () => {
    const vmIds = Array.from({ length: MAX_PAGE }, (_, i) => vmIdOf(i));
    const pages = await pagesOf("qry.placement.plan", { vmIds });
    expect(pages.length).toBeGreaterThan(1);
    const named = pages.flatMap(({ placements, deferrals }) => [...placements, ...deferrals]);
    expect(new Set(named.map(({ vmId }) => vmId))).toEqual(new Set(vmIds));
  });

  it("qry.ledger.list continues a ledger on the next page", async () => {
    const pages = await pagesOf("qry.ledger.list", {});
    const ledgers = pages.flatMap((page) => page.ledgers);
    const entries = ledgers.filter(({ chassisId }) => chassisId === BIG).flatMap((one) => one.entries);
    expect(new Set(entries.map(({ vmId }) => vmId)).size).toBe(entries.length);
    expect(entries.length).toBeGreaterThanOrEqual(VMS - 1);
    expect(new Set(ledgers.map(({ chassisId }) => chassisId)).size).toBe(CHASSIS + 1);
  });

  it("a quota on a label that all VMs carry is enforced, and has all of them as holders", async () => {
    const set = await ask("cmd.quota.set", { label: "team", resources: { ribosomes: 10_000 } });
    expect(set).toMatchObject({ ok: true, quota: { label: "team" } });
    await vi.waitFor(
      async () => {
        const { quota } = await ask("qry.quota.get", { label: "team", limit: 1 });
        expect(quota.enforced).toBe(true);
      },
      { timeout: 30_000, interval: 200 },
    );
    const { quota } = await json("quota", "get", "team");
    expect(quota.holders.length).toBeGreaterThanOrEqual(VMS - 1);
    const quotas = (await pagesOf("qry.quota.list", {})).flatMap((page) => page.quotas);
    expect(quotas.flatMap(({ holders }) => holders)).toEqual(quota.holders);
  });

  it("an event that the server would not store is TOO_LARGE for good, and changes nothing", async () => {
    const program = `-- ${"x".repeat(64_000)}`;
    const reply = await ask("cmd.vm.create", { vmId: "too-large", biologicalType: "syn3a", program });
    expect(reply.error).toMatchObject({ code: "TOO_LARGE", retryable: false });
    expect(reply.error.details).toEqual({ limit: MAX_PAYLOAD - 1_024, bytes: expect.any(Number) });
    expect((await ask("qry.vm.get", { vmId: "too-large" })).error.code).toBe("VM_NOT_FOUND");
  });
});

describe("commands on a large fleet", () => {
  it.each([
    [["vm", "ls"], (out: Json) => out.vms, VMS - 1],
    [["vm", "history", vmIdOf(0)], (out: Json) => out.events, HISTORY],
    [["chassis", "ls"], (out: Json) => out.chassis, CHASSIS + 1],
    [["ledger", "show"], (out: Json) => out.ledgers, CHASSIS + 1],
    [["ledger", "show", BIG], (out: Json) => out.ledger.entries, VMS - 1],
    [["vm", "explain", vmIdOf(3)], (out: Json) => out.candidates, CHASSIS + 1],
  ])("bioxen %j shows all of it", async (args, itemsOf, least) => {
    const out = await json(...args);
    expect(out.cursor).toBeNull();
    expect((itemsOf as (out: Json) => Json[])(out).length).toBeGreaterThanOrEqual(least);
  });

  it.each([
    [["vm", "ls"], vmIdOf(VMS - 2)],
    [["chassis", "ls"], chassisIdOf(CHASSIS - 1)],
    [["chassis", "show", BIG], "ribosomes"],
    [["ledger", "show"], chassisIdOf(CHASSIS - 1)],
    [["vm", "show", vmIdOf(5), "--at", "4000"], vmIdOf(5)],
    [["vm", "plan", "--type", "syn3a"], "chassis"],
    [["top", "--once"], "VMs"],
    [["alerts", "ls"], ""],
    [["report"], ""],
    [["__ids", "vm"], vmIdOf(VMS - 2)],
    [["__ids", "chassis"], chassisIdOf(CHASSIS - 1)],
  ])("bioxen %j ends with exit code 0", async (args, text) => {
    const { code, stdout, stderr } = await bioxenHere(args);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(text);
  });

  it("doctor warns of the small messages, and does not fail for them", async () => {
    const { stdout } = await bioxenHere(["doctor"]);
    expect(stdout).toContain("max_payload");
    expect(stdout).not.toContain("INTERNAL");
  });

  it("the log is whole", async () => {
    expect(lastSeq).toBeGreaterThan(5_000);
    const { stdout } = await bioxenHere(["events", "verify", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ violations: [] });
  });
});
