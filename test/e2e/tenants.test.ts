/**
 * Tenants on a stack with keys: each follows its own VMs by its feed, which is complete, in order, and survives the death
 * of its writer; a transfer moves later events to the new owner; and no tenant learns anything of another one.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bioxen, connect, type WatchedEvent } from "@bioxen/client";
import { type LocalStack, startLocalStack } from "@bioxen/local-stack";
import { eventually } from "@bioxen/testkit/eventually";
import { connect as connectNats, headers, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CliProcess, environmentIn } from "./cli-process.ts";
import { loginOf } from "./raw-connection.ts";

/** Longest time in which an event of the log comes to its feed, also while the writer restarts, ms. */
const FEED_TIMEOUT_MS = 30_000;

let home: string;
let stack: LocalStack;
let cli: CliProcess;
const clients = new Map<string, Bioxen>();
const raw = new Map<string, NatsConnection>();

const credsOf = (name: string) => join(stack.dataDir, "keys", `${name}.creds`);
const as = (name: string): Bioxen => {
  const client = clients.get(name);
  if (client === undefined) throw new Error(`no client ${name}`);
  return client;
};
const natsOf = (name: string): NatsConnection => {
  const connection = raw.get(name);
  if (connection === undefined) throw new Error(`no connection ${name}`);
  return connection;
};

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "bioxen-e2e-tenants-"));
  const dataDir = join(home, "data");
  stack = await startLocalStack({
    dataDir,
    home,
    keys: true,
    chassis: "ecoli:2",
    timeScale: 60,
    logLevel: "warn",
  });
  cli = new CliProcess(environmentIn(home));
  for (const name of ["alice", "bob"]) {
    const { code, stdout, stderr } = await cli.run(["auth", "add", name, "--role", "tenant"]);
    expect(code, stdout + stderr).toBe(0);
  }
  for (const name of ["admin", "alice", "bob"]) {
    clients.set(name, await connect({ servers: stack.url, creds: credsOf(name), timeoutMs: 30_000 }));
    raw.set(name, await connectNats({ servers: stack.url, ...(await loginOf(credsOf(name))) }));
  }
}, 120_000);
afterAll(async () => {
  cli.end();
  await Promise.all([...clients.values(), ...raw.values()].map((one) => one.close()));
  await stack.stop();
  await rm(home, { recursive: true, force: true });
});

const run = async (name: string, ...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await cli.run([...args, "--creds", credsOf(name)]);
  expect(code, `${name}: bioxen ${args.join(" ")}: ${stdout}${stderr}`).toBe(0);
  return stdout;
};

/** Returns the events of a watch up to the first one that `isLast` accepts. */
async function read(
  name: string,
  isLast: (event: WatchedEvent) => boolean,
  options: { readonly from?: number; readonly vmId?: string } = {},
): Promise<WatchedEvent[]> {
  const found: WatchedEvent[] = [];
  const signal = AbortSignal.timeout(FEED_TIMEOUT_MS);
  for await (const event of as(name).watchEvents({ from: 1, signal, ...options })) {
    found.push(event);
    if (isLast(event)) return found;
  }
  throw new Error(`${name} got no such event, but ${found.map(({ type }) => type).join(", ")}`);
}

/** Returns the ids of the events of VMs in the log, which only the admin reads. */
async function logged(isOf: (vmId: string) => boolean): Promise<string[]> {
  const text = await run("admin", "events", "tail", "--from", "1", "--json", "--no-follow");
  const events = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as WatchedEvent);
  return events
    .filter(({ subject }) => subject.startsWith("vm/") && isOf(subject.slice(3)))
    .map(({ id }) => id);
}

/** Creates a consumer with the request that clients of JetStream send. */
async function createConsumer(name: string, filter_subject: string): Promise<{ readonly name: string }> {
  const consumer = `${name}_1`;
  const config = { name: consumer, filter_subject, ack_policy: "none", deliver_policy: "all" };
  const subject = `$JS.API.CONSUMER.CREATE.BIOXEN_FEED.${consumer}.${filter_subject}`;
  const payload = JSON.stringify({ stream_name: "BIOXEN_FEED", config });
  return (await natsOf(name).request(subject, payload, { timeout: 10_000 })).json();
}

/** Returns the process id of a service; undefined while none answers. */
async function pidOf(service: string): Promise<number | undefined> {
  const options = { strategy: "timer", maxWait: 500 } as const;
  for await (const answer of await natsOf("admin").requestMany("$SRV.PING", "", options)) {
    const { name, metadata } = answer.json<{ name: string; metadata: { pid: string } }>();
    if (name === service) return Number(metadata.pid);
  }
  return undefined;
}

const refusalsOf = async (account: string): Promise<string[]> => {
  const text = await readFile(join(stack.dataDir, "log", "nats-server.log"), "utf8");
  return (text.match(/.*Violation.*/g) ?? []).filter((line) => line.includes(account));
};

it("a tenant uses its VM by the command, and sees its events, measurements and output", async () => {
  const lines: string[] = [];
  const { log, telemetry } = {
    log: "bioxen.feed.alice.log.alice-1",
    telemetry: "bioxen.feed.alice.tel.alice-1",
  };
  const samples: string[] = [];
  natsOf("alice").subscribe(log, { callback: (_error, message) => void lines.push(message.string()) });
  natsOf("alice").subscribe(telemetry, {
    callback: (_error, message) => void samples.push(message.string()),
  });
  await natsOf("alice").flush();
  await run("alice", "vm", "create", "alice-1", "--type", "syn3a", "--start");
  await run("alice", "vm", "wait", "alice-1", "--for", "running", "--timeout", "60000");
  await eventually("a measurement", async () => samples.length > 0 || undefined);
  expect(JSON.parse(samples[0] ?? "")).toMatchObject({ vmId: "alice-1" });
  expect(await run("alice", "vm", "exec", "alice-1", "-e", 'print("hello") return 1')).toContain("1");
  expect(JSON.parse(await run("alice", "vm", "show", "alice-1", "--json")).sample).toMatchObject({
    vmId: "alice-1",
  });
  const events = await run("alice", "events", "tail", "--no-follow", "--json");
  expect(events).toContain("bioxen.vm.started.v1");
});

it("a tenant that repeats a command gets its first outcome, also when the VM is destroyed by then", async () => {
  const send = async (verb: string, id: string) => {
    const h = headers();
    h.set("Nats-Msg-Id", id);
    const payload = JSON.stringify({
      vmId: "alice-again",
      ...(verb === "create" ? { biologicalType: "syn3a" } : {}),
    });
    const options = { headers: h, timeout: 20_000 };
    return (await natsOf("alice").request(`bioxen.cmd.vm.${verb}`, payload, options)).json();
  };
  const created = await send("create", "again-1");
  expect(created).toMatchObject({ ok: true, changed: true });
  expect(await send("create", "again-1")).toEqual(created);
  const destroyed = await send("destroy", "again-2");
  expect(destroyed).toMatchObject({ ok: true, changed: true });
  expect(await send("destroy", "again-2")).toEqual(destroyed);
  expect(await send("create", "again-1")).toEqual(created);
});

it("its job has an outcome, and another tenant does not find it", async () => {
  const payload = '{"vmId":"alice-job","biologicalType":"syn3a"}';
  const outcome = await run(
    "alice",
    "jobs",
    "submit",
    "vm.create",
    payload,
    "--id",
    "j1",
    "--wait",
    "--json",
  );
  expect(JSON.parse(outcome)).toMatchObject({ ok: true, vm: { vmId: "alice-job", owner: "alice" } });
  expect(await as("alice").jobs.outcome("j1")).toMatchObject({ ok: true });
  expect(await as("bob").jobs.outcome("j1")).toBeUndefined();
});

it("an operator sees and drops the dead letter of a tenant, and cannot retry it under another name", async () => {
  const h = headers();
  h.set("Nats-Msg-Id", "broken");
  await natsOf("alice").request("bioxen.job.vm.create", "{", { headers: h, timeout: 20_000 });
  const { id } = await eventually("the job is a dead letter", async () => {
    const { jobs } = JSON.parse(await run("admin", "jobs", "ls", "--failed", "--json"));
    return (jobs as { id: string }[]).find((job) => job.id.includes("alice"));
  });
  const { code, stderr } = await cli.run(["jobs", "retry", id, "--creds", credsOf("admin")]);
  expect({ code, stderr }).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("job broken is one of the tenant alice"),
  });
  await run("admin", "jobs", "drop", id);
});

it("the feed has each event of the owner's VMs once and in order, and continues after any sequence", async () => {
  await run("bob", "vm", "create", "bob-1", "--type", "syn3a");
  await run("alice", "vm", "pause", "alice-1");
  const all = await read("alice", ({ type }) => type === "bioxen.vm.paused.v1");
  expect(all.map(({ subject }) => subject)).not.toContain("vm/bob-1");
  expect(all.map(({ id }) => id)).toEqual(
    (await logged((vmId) => vmId.startsWith("alice-"))).slice(0, all.length),
  );
  const third = all[2];
  const rest = await read("alice", ({ type }) => type === "bioxen.vm.paused.v1", {
    from: (third?.seq ?? 0) + 1,
  });
  expect(rest.map(({ id }) => id)).toEqual(all.slice(3).map(({ id }) => id));
  const created = await createConsumer("alice", "bioxen.feed.alice.vm.alice-1");
  expect(created).toMatchObject({ stream_name: "BIOXEN_FEED" });
  const next = `$JS.API.CONSUMER.MSG.NEXT.BIOXEN_FEED.${created.name}`;
  const first = await natsOf("alice").request(next, '{"batch":1,"expires":5000000000}', {
    timeout: 10_000,
    noMux: true,
  });
  expect(first.json()).toMatchObject({ type: "bioxen.vm.created.v1", subject: "vm/alice-1" });
});

it("no event is lost or repeated when the writer is killed again and again", async () => {
  for (let round = 0; round < 3; round += 1) {
    const pid = await eventually("the monitor answers", () => pidOf("monitor"));
    await as("alice").call("vmResume", { vmId: "alice-1" });
    process.kill(pid, "SIGKILL");
    await as("alice").call("vmPause", { vmId: "alice-1" });
    await as("alice").call("vmCreate", { vmId: `alice-round-${round}`, biologicalType: "syn3a" });
  }
  const all = await read("alice", ({ subject }) => subject === "vm/alice-round-2");
  const ids = all.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual((await logged((vmId) => vmId.startsWith("alice-"))).slice(0, ids.length));
}, 180_000);

it("a transfer moves the later events to the new owner", async () => {
  await as("admin").call("vmTransfer", { vmId: "alice-1", owner: "bob" });
  await as("bob").call("vmResume", { vmId: "alice-1" });
  const [first, ...later] = await read("bob", ({ type }) => type === "bioxen.vm.resumed.v1", {
    vmId: "alice-1",
  });
  expect(first).toMatchObject({ type: "bioxen.vm.transferred.v1", data: { owner: "bob" } });
  expect(later.map(({ type }) => type)).toContain("bioxen.vm.resumed.v1");
  await as("alice").call("vmCreate", { vmId: "alice-last", biologicalType: "syn3a" });
  const ofAlice = await read("alice", ({ subject }) => subject === "vm/alice-last");
  expect(ofAlice.filter(({ type }) => type === "bioxen.vm.transferred.v1")).toEqual([]);
});

it("another tenant gets nothing, and the server refused no request of a tenant until then", async () => {
  expect(await refusalsOf("P-alice")).toEqual([]);
  expect(await refusalsOf("P-bob")).toEqual([]);
  await expect(createConsumer("bob", "bioxen.feed.alice.vm.alice-last")).rejects.toThrow(/permission/i);
  const heard: string[] = [];
  natsOf("bob").subscribe("bioxen.feed.alice.>", {
    callback: (error, message) => void (error === null && heard.push(message.subject)),
  });
  await as("alice").call("vmStart", { vmId: "alice-last" });
  await read("alice", ({ type, subject }) => type === "bioxen.vm.started.v1" && subject === "vm/alice-last");
  expect(heard).toEqual([]);
  const info = (
    await natsOf("bob").request("$JS.API.STREAM.INFO.BIOXEN_FEED", '{"subjects_filter":">"}')
  ).string();
  expect(info).not.toContain("alice");
});
