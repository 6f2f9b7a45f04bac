/**
 * Attacks on a running stack with the key of every principal, service and agent: a forged event, report, reservation,
 * lease, outcome and guest state, and answers that are sent into the log. None leaves a trace. What each user may
 * do on which subject is in packages/auth/test; here the services are there, and answer.
 */
import { glob, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type LocalStack, startLocalStack } from "@bioxen/local-stack";
import { eventually } from "@bioxen/testkit/eventually";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { CliProcess, environmentIn } from "./cli-process.ts";
import { loginOf } from "./raw-connection.ts";

/** A word in every forged payload, which must be nowhere afterwards. */
const MARK = "f0rged";
const EVENT = `bioxen.evt.vm.${MARK}`;
/** A proposer token of this moment, as a lease could have, but none has. */
const TOKEN = Date.now();
const RESERVATION = { vmId: "cell", incarnation: 1, amounts: { ribosomes: 1 } };

/**
 * The user that owns a subject may publish on it. What an owner that has turned hostile may record is another question;
 * for internal requests, which the log contradicts, no user is excepted.
 */
interface Forgery {
  readonly subject: string;
  readonly payload: object;
  readonly owner: RegExp;
}
const REQUESTS = ["$JS.API.INFO", "$SRV.PING", "bioxen.qry.vm.list", "bioxen.cmd.vm.report"];
const FORGERIES: readonly Forgery[] = [
  { subject: EVENT, payload: { specversion: "1.0", id: MARK }, owner: /^lifecycle$/ },
  { subject: `bioxen.evt.ledger.${MARK}`, payload: { id: MARK }, owner: /^allocator$/ },
  { subject: `bioxen.evt.alert.${MARK}`, payload: { id: MARK }, owner: /^monitor$/ },
  { subject: `bioxen.evt.chassis.${MARK}`, payload: { id: MARK }, owner: /^chassis-scheduler$/ },
  { subject: "$KV.bioxen-leases.lifecycle", payload: { holder: MARK, token: TOKEN }, owner: /^lifecycle$/ },
  { subject: "$KV.bioxen-leases.agent.local", payload: { holder: MARK, token: TOKEN }, owner: /^local$/ },
  {
    subject: `bioxen.job-outcome.${MARK}`,
    payload: { ok: true, result: MARK },
    owner: /^(?:lifecycle|allocator|monitor|chassis-scheduler|experiments)$/,
  },
  { subject: `bioxen.blob.cell.local.${MARK}`, payload: { MARK }, owner: /^local$/ },
  { subject: `bioxen.blob.cell.${MARK}`, payload: { MARK }, owner: /^lifecycle$/ },
  { subject: "bioxen.feed.alice.vm.alice-1", payload: { id: MARK }, owner: /^monitor$/ },
  {
    subject: "bioxen.cmd.vm.report",
    payload: { vmId: "cell", fence: 1, observed: "failed", reason: MARK },
    owner: /^none$/,
  },
  {
    subject: "bioxen.cmd.ledger.reserve",
    payload: { chassisId: "ecoli-1", planId: MARK, proposerToken: TOKEN, reservations: [RESERVATION] },
    owner: /^none$/,
  },
];

let home: string;
let stack: LocalStack;
let cli: CliProcess;
const users = new Map<string, NatsConnection>();

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "bioxen-e2e-hostile-"));
  const dataDir = join(home, "data");
  stack = await startLocalStack({
    dataDir,
    home,
    keys: true,
    chassis: "ecoli:1",
    timeScale: 60,
    logLevel: "warn",
  });
  cli = new CliProcess(environmentIn(home));
  await done("auth", "add", "alice", "--role", "tenant");
  await done("auth", "add", "far", "--role", "agent");
  for await (const path of glob("**/*.creds", { cwd: join(dataDir, "keys") })) {
    const login = await loginOf(join(dataDir, "keys", path));
    users.set(basename(path, ".creds"), await connect({ servers: stack.url, ...login }));
  }
  await done("vm", "create", "cell", "--type", "syn3a", "--start");
  await done("vm", "wait", "cell", "--for", "running", "--timeout", "60000");
}, 120_000);
afterAll(async () => {
  cli.end();
  await Promise.all([...users.values()].map((one) => one.close()));
  await stack.stop();
  await rm(home, { recursive: true, force: true });
});

async function done(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cli.run(args);
  expect(code, `bioxen ${args.join(" ")}: ${stdout}${stderr}`).toBe(0);
  return stdout;
}

it("has the keys of every kind of user", () => {
  const names = [
    "admin",
    "alice",
    "allocator",
    "chassis-scheduler",
    "experiments",
    "far",
    "lifecycle",
    "local",
    "monitor",
    "observer",
    "provisioner",
    "system",
    "feed",
  ];
  expect([...users.keys()]).toEqual(expect.arrayContaining(names));
});

it.each([
  ["local", "bioxen.cmd.vm.report"],
  ["chassis-scheduler", "bioxen.cmd.ledger.reserve"],
])("the log refuses a well-formed forgery of %s", async (name, subject) => {
  const forgery = FORGERIES.find((one) => one.subject === subject);
  const reply = (
    await users.get(name)?.request(subject, JSON.stringify(forgery?.payload), { timeout: 10_000 })
  )?.json<{ ok: boolean; changed?: boolean; reserved?: string[]; error?: { code: string } }>();
  // Not BAD_REQUEST: what refuses it is the fence, or the lease.
  expect(reply).toSatisfy((one: typeof reply) =>
    one?.ok === true
      ? one.changed === false || one.reserved?.length === 0
      : ["CONFLICT", "UNAVAILABLE"].includes(one?.error?.code ?? ""),
  );
});

it("none leaves an event, an unreadable message or a changed VM", async () => {
  for (const [name, user] of users) {
    for (const { subject, payload, owner } of FORGERIES) {
      if (owner.test(name)) continue;
      const text = JSON.stringify(payload);
      user.publish(subject, text);
      user.publish(subject, text, { reply: EVENT });
    }
    // Requests that this user may send, whose answer is to become an event. The provisioner is in the account of the log,
    // where JetStream answers on every subject (docs/security.md, what is left).
    const requests = name === "provisioner" ? [] : REQUESTS;
    for (const request of requests) user.publish(request, "{}", { reply: EVENT });
    await user.flush();
  }
  // A later command has its event, so that every earlier message has arrived.
  await done("vm", "pause", "cell");
  await eventually("the pause is in the log", async () => {
    const { events } = JSON.parse(await done("vm", "history", "cell", "--json"));
    return JSON.stringify(events).includes("bioxen.vm.paused.v1") || undefined;
  });
  const log = await done("events", "tail", "--from", "1", "--json", "--no-follow");
  expect(log).not.toContain(MARK);
  for (const stream of ["EVENTS", "COMMANDS", "OUTCOMES", "DEAD_LETTERS", "GUEST_STATE", "FEED", "COURSES"]) {
    const request = `$JS.API.STREAM.INFO.BIOXEN_${stream}`;
    const info = await users.get("admin")?.request(request, '{"subjects_filter":">"}', { timeout: 10_000 });
    expect(info?.string(), stream).toContain(`BIOXEN_${stream}`);
    expect(info?.string(), stream).not.toMatch(/f0rged|alice-1/);
  }
  const verified = JSON.parse(await done("events", "verify", "--json"));
  expect(verified.violations).toEqual([]);
  expect(JSON.parse(await done("vm", "show", "cell", "--json")).vm).toMatchObject({ state: "paused" });
  // The leases and ledgers are usable: a new VM gets its place.
  await done("vm", "create", "later", "--type", "syn3a", "--start");
  await done("vm", "wait", "later", "--for", "running", "--timeout", "60000");
});

it("a service does not write the name of another service into an event", async () => {
  const h = headers();
  const claims = { "Bioxen-Service": "allocator", "Nats-Request-Info": '{"acc":"S-allocator"}' };
  for (const [name, value] of Object.entries(claims)) h.append(name, value);
  h.append("Nats-Request-Info", '{"acc":"S-allocator"}');
  const move = { vmId: "later", fromChassisId: "ecoli-1", code: "REBALANCE", reason: "asked by the test" };
  const options = { timeout: 10_000, headers: h };
  const answer = await users
    .get("chassis-scheduler")
    ?.request("bioxen.cmd.vm.move", JSON.stringify(move), options);
  expect(answer?.json()).toMatchObject({ ok: true, changed: true });
  const { events } = JSON.parse(await done("vm", "history", "later", "--json"));
  const moved = events.find(({ type }: { type: string }) => type === "bioxen.vm.migration-requested.v1");
  expect(moved).toMatchObject({ principal: "service:chassis-scheduler" });
});

it("no agent makes the chassis of another agent its own", async () => {
  const request = JSON.stringify({ chassisId: "ecoli-1", chassisType: "ecoli", agentId: "far" });
  const answer = await users.get("far")?.request("bioxen.cmd.chassis.register", request, { timeout: 10_000 });
  expect(answer?.json()).toMatchObject({ ok: false, error: { code: "FORBIDDEN" } });
  const { chassis } = JSON.parse(await done("chassis", "show", "ecoli-1", "--json"));
  expect(chassis).toMatchObject({ agentId: "local" });
});
