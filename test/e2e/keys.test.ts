/**
 * A stack with keys: the whole life of a VM through the command, no request that the server refuses, and the limits of an
 * observer.
 */
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type LocalStack, startLocalStack } from "@bioxen/local-stack";
import { eventually } from "@bioxen/testkit/eventually";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CliProcess, environmentIn } from "./cli-process.ts";

let home: string;
let stack: LocalStack;
let cli: CliProcess;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "bioxen-e2e-keys-"));
  const dataDir = join(home, "data");
  stack = await startLocalStack({
    dataDir,
    home,
    chassis: "ecoli:2",
    timeScale: 60,
    logLevel: "warn",
  });
  cli = new CliProcess(environmentIn(home));
});
afterAll(async () => {
  cli.end();
  await stack.stop();
  await rm(home, { recursive: true, force: true });
});

const done = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await cli.run(args);
  expect(code, `bioxen ${args.join(" ")}: ${stdout}${stderr}`).toBe(0);
  return stdout;
};
const keys = () => join(stack.dataDir, "keys");
/** The requests and subscriptions that the server refused, without those of the observer. */
const refused = async (): Promise<string[]> => {
  const text = await readFile(join(stack.dataDir, "log", "nats-server.log"), "utf8");
  return (text.match(/.*Violation.*/g) ?? []).filter((line) => !line.includes("P-observer"));
};

it("runs the life of a VM, with the admin's key by default", async () => {
  await done("vm", "create", "cell", "--type", "syn3a", "--start");
  await done("vm", "wait", "cell", "--for", "running");
  expect(await done("vm", "exec", "cell", "-e", "return 6 * 7")).toContain("42");
  const { snapshotId } = JSON.parse(await done("vm", "snapshot", "cell", "--json")).snapshot;
  await done("vm", "resize", "cell", "--ribosomes", "300");
  await done("vm", "fork", "cell", "copy", "--from", snapshotId);
  await done("vm", "restore", "cell", snapshotId);
  await done("vm", "wait", "cell", "--for", "running");
  await done("vm", "migrate", "cell");
  await done("quota", "set", "team=a", "--ribosomes", "100000");
  await done("chassis", "cordon", "ecoli-1");
  await done("jobs", "submit", "vm.create", '{"vmId":"by-job","biologicalType":"syn3a"}');
  await eventually("the job is done", async () => {
    const { vms } = JSON.parse(await done("vm", "ls", "--json"));
    return vms.some(({ vmId }: { vmId: string }) => vmId === "by-job") || undefined;
  });
  await done("vm", "destroy", "cell", "copy");
  await done("doctor");
  await done("report");
  expect(JSON.parse(await done("events", "verify", "--json")).violations).toEqual([]);
});

it("records who decided each event", async () => {
  const history = await done("vm", "history", "cell", "--json");
  expect(history).toContain('"principal":"admin"');
  expect(history).toContain('"principal":"agent:local"');
});

it("keeps the keys for their owner", async () => {
  expect(((await stat(keys())).mode & 0o777).toString(8)).toBe("700");
  for (const name of ["admin.creds", "admin.json", "services/lifecycle.creds", "agents/local.creds"])
    expect(((await stat(join(keys(), name))).mode & 0o777).toString(8), name).toBe("600");
  expect(((await stat(join(stack.dataDir, "nats-server.conf"))).mode & 0o777).toString(8)).toBe("600");
});

it("lets in no user without a key, and the admin with its password", async () => {
  await expect(connect({ servers: stack.url, reconnect: false })).rejects.toThrow(/Authorization/i);
  const { url, user, password } = JSON.parse(await readFile(join(keys(), "admin.json"), "utf8"));
  const nats = await connect({ servers: url, user, pass: password });
  expect((await nats.request("bioxen.qry.vm.list", "{}")).json()).toMatchObject({ ok: true });
  await nats.close();
});

it("restarts with the same keys and streams, and no request was refused in all of this", async () => {
  await eventually("the monitor has inspected the store", async () => {
    const { services } = JSON.parse(await done("status", "--json"));
    return services.every(({ ready }: { ready: boolean }) => ready) || undefined;
  });
  expect(await refused()).toEqual([]);
  const before = await readFile(join(keys(), "admin.creds"), "utf8");
  await stack.stop();
  const dataDir = join(home, "data");
  stack = await startLocalStack({
    dataDir,
    home,
    chassis: "ecoli:2",
    timeScale: 60,
    logLevel: "warn",
  });
  expect(await readFile(join(keys(), "admin.creds"), "utf8")).toBe(before);
  expect(await done("vm", "show", "by-job")).toContain("by-job");
  expect(await refused()).toEqual([]);
});

it("lets an observer look and not act, and says so at once", async () => {
  const creds = ["--creds", join(keys(), "observer.creds")];
  expect(await done("vm", "ls", ...creds)).toContain("by-job");
  const startedAtMs = Date.now();
  const { code, stderr } = await cli.run(["vm", "destroy", "by-job", ...creds]);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("FORBIDDEN") });
  expect(Date.now() - startedAtMs).toBeLessThan(5_000);
});

it("goes on with its log without keys, and with keys again", async () => {
  const dataDir = join(home, "data");
  const options = { dataDir, home, chassis: "ecoli:2", timeScale: 60, logLevel: "warn" };
  for (const keys of [false, true]) {
    await stack.stop();
    stack = await startLocalStack({ ...options, keys });
    expect(await done("vm", "show", "by-job")).toContain("by-job");
    await done("vm", "create", `later-${keys}`, "--type", "syn3a");
    expect(JSON.parse(await done("events", "verify", "--json")).violations).toEqual([]);
  }
  expect(await done("events", "tail", "--from", "1", "--json", "--no-follow")).toContain("later-false");
  expect(await refused()).toEqual([]);
});
