/**
 * What `status`, `doctor` and `events verify` say of a server in states that need no service: without JetStream, without
 * streams, with a stream of another owner, with fewer copies than asked for, with a full log, with another log than the
 * one on record, and away.
 * docs/how-to/when-something-is-wrong.md quotes these sentences.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectBus, openEventLog, openLogGuard } from "@bioxen/nats";
import { TestServer } from "@bioxen/testkit";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { bioxenHere } from "./in-process.ts";
import type { Json } from "./json.ts";

const EXIT_REFUSED = 1;
const EXIT_UNREACHABLE = 3;
/** Largest size of the event log, bytes: three of the events below exceed 80 % of it, and four do not fit. */
const LOG_BYTES = 4_000;
const EVENT_BYTES = 1_100;

beforeAll(() => vi.stubEnv("NO_COLOR", "1"));
afterAll(() => vi.unstubAllEnvs());

const run = (server: TestServer, ...args: string[]) =>
  bioxenHere([...args, "--server", server.url, "--timeout", "2000"]);

/** Returns what `doctor` finds, by check. It must fail. */
async function findings(server: TestServer): Promise<ReadonlyMap<string, Json>> {
  const { code, stdout } = await run(server, "doctor", "--json");
  expect(code).toBe(EXIT_REFUSED);
  return new Map(JSON.parse(stdout).findings.map((finding: Json) => [finding.check, finding]));
}

it("a server without JetStream is named with the remedy", async () => {
  const server = await TestServer.start("", { hasJetStream: false });
  try {
    expect((await findings(server)).get("streams")).toMatchObject({
      verdict: "fail",
      found: "jetstream is not enabled",
      remedy: "enable JetStream with file storage, for the account of this login (docs/how-to/server.md)",
    });
    const verify = await run(server, "events", "verify");
    expect(verify.code).toBe(EXIT_UNREACHABLE);
    expect(verify.stderr).toContain("cannot open the event log: jetstream is not enabled");
  } finally {
    await server.stop();
  }
});

it("an account without JetStream is named with the same remedy", async () => {
  const server = await TestServer.start(
    "accounts: { LAB: { users: [{ user: a, password: a }] } }\nno_auth_user: a",
  );
  try {
    const found = await findings(server);
    expect(found.get("streams")).toMatchObject({
      verdict: "fail",
      remedy: expect.stringContaining("enable JetStream with file storage, for the account of this login"),
    });
    expect(found.get("access")).toMatchObject({
      found: expect.stringMatching(/^no login: every process of this machine/),
    });
  } finally {
    await server.stop();
  }
});

describe("a server without services", () => {
  let server: TestServer;
  let nats: NatsConnection;
  beforeAll(async () => {
    server = await TestServer.start();
    nats = await connect({ servers: server.url });
  });
  afterAll(async () => {
    await nats.close();
    await server.stop();
  });

  const api = async (verb: string, request: object): Promise<Json> =>
    (await nats.request(`$JS.API.STREAM.${verb}`, JSON.stringify(request))).json<Json>();

  it("and without streams: every service is away, streams and buckets are missing", async () => {
    const status = await run(server, "status");
    expect(status.code).toBe(EXIT_UNREACHABLE);
    expect(status.stdout).toMatch(/lifecycle +0 +away/);
    expect(status.stdout).toContain("none: the server has no event log");
    const found = await findings(server);
    expect(found.get("lifecycle")).toMatchObject({
      verdict: "fail",
      found: "0 running",
      remedy: "start it, or see its log in the data directory",
    });
    expect(found.get("log")).toMatchObject({
      found: "cannot be asked for: lifecycle does not reply",
      remedy: "start lifecycle",
    });
    expect(found.get("chassis")).toMatchObject({
      found: "cannot be listed: the chassis-scheduler does not reply",
      remedy: "start the chassis-scheduler",
    });
    expect(found.get("streams").found).toContain("BIOXEN_EVENTS is missing");
    expect(found.get("buckets").found).toContain("KV_bioxen-leases is missing");
    expect(found.get("access").found).toMatch(/^no login: every process of this machine/);
    const verify = await run(server, "events", "verify");
    expect(verify.code).toBe(EXIT_UNREACHABLE);
    expect(verify.stderr).toContain("cannot open the event log: the server has no stream BIOXEN_EVENTS");
  });

  it("whose streams were changed, are nearly full, lack copies and share their subjects", async () => {
    const bus = await connectBus({ servers: server.url, name: "states" });
    await openEventLog(bus, { maxBytes: { BIOXEN_EVENTS: LOG_BYTES } });
    await bus.close();
    const publish = () =>
      nats.request("bioxen.evt.vm.a", "x".repeat(EVENT_BYTES)).then((ack) => ack.json<Json>());
    for (let i = 0; i < 3; i += 1) expect((await publish()).error).toBeUndefined();
    expect((await publish()).error, "the log is full").toBeDefined();
    const audit = { name: "AUDIT", subjects: ["bioxen.cmd.>"] };
    expect((await api("CREATE.AUDIT", audit)).error).toBeUndefined();
    const { config } = await api("INFO.BIOXEN_EVENTS", {});
    const changed = { ...config, num_replicas: 3, max_msgs: 1_000 };
    expect((await api("UPDATE.BIOXEN_EVENTS", changed)).error).toBeUndefined();

    const found = await findings(server);
    expect(found.get("streams").found).toContain("max_msgs is 1000 instead of -1");
    expect(found.get("copies")).toMatchObject({ verdict: "fail", found: "BIOXEN_EVENTS has 1 of 3" });
    expect(found.get("sizes")).toMatchObject({
      verdict: "warn",
      found: expect.stringMatching(/^BIOXEN_EVENTS uses 8\d % of 4000 bytes$/),
      remedy: "raise BIOXEN_STREAM_MAX_BYTES: a full event stream refuses every command",
    });
    expect(found.get("foreign streams")).toMatchObject({
      verdict: "fail",
      found: "stream AUDIT takes bioxen.cmd.>",
    });
    expect((await run(server, "status")).stdout).toMatch(/copies +1 of 3/);
  });

  it("that is away: each tool names its address, and the exit codes differ", async () => {
    const away = await TestServer.start();
    await away.stop();
    for (const args of [["status"], ["events", "verify"]]) {
      const { code, stderr } = await run(away, ...args);
      expect([args, code]).toEqual([args, EXIT_UNREACHABLE]);
      expect(stderr).toContain(`no NATS server answers at ${away.url}`);
    }
    expect((await findings(away)).get("server").found).toContain("no NATS server answers at");
  });
});

describe("a log that is not the one on record", () => {
  const EVENTS = 5;
  let server: TestServer;
  let nats: NatsConnection;
  beforeEach(async () => {
    server = await TestServer.start();
    nats = await connect({ servers: server.url });
    const bus = await connectBus({ servers: server.url, name: "states" });
    await openEventLog(bus);
    const unexpected = () => expect.unreachable("the log is whole");
    const repair = async () => undefined;
    const options = { bus, writes: true, onDamage: unexpected, onDrift: unexpected, repair };
    const guard = await openLogGuard(options);
    for (let i = 0; i < EVENTS; i += 1) await nats.request("bioxen.evt.vm.a", "{}");
    await guard.end();
    await bus.close();
  });
  afterEach(async () => {
    await nats.close();
    await server.stop();
  });

  const api = async (verb: string, request: object = {}): Promise<Json> => {
    const reply = (await nats.request(`$JS.API.STREAM.${verb}`, JSON.stringify(request))).json<Json>();
    expect(reply.error).toBeUndefined();
    return reply;
  };
  /** Expects that `doctor` fails with this sentence, and that `events verify` has it too. */
  const expectSentence = async (sentence: RegExp, ofVerify = sentence) => {
    const finding = (await findings(server)).get("event log");
    expect(finding).toMatchObject({ verdict: "fail", found: expect.stringMatching(sentence) });
    expect(finding.remedy).toContain("bioxen up --accept-older-log");
    const { code, stdout, stderr } = await run(server, "events", "verify");
    expect(code).toBe(EXIT_REFUSED);
    expect(stdout + stderr).toMatch(ofVerify);
  };

  it("but was deleted, and made again", async () => {
    const { config } = await api("INFO.BIOXEN_EVENTS");
    await api("DELETE.BIOXEN_EVENTS");
    await expectSentence(/the event log is gone: the log known here \(created .*\) has 5 events/);
    await api("CREATE.BIOXEN_EVENTS", config);
    await expectSentence(/this is another event log, created .*: the log known here/);
  });

  it("but lost its first events to a lowered limit", async () => {
    const { config } = await api("INFO.BIOXEN_EVENTS");
    await api("UPDATE.BIOXEN_EVENTS", { ...config, max_msgs: 2, discard: "old" });
    await expectSentence(
      /events 1 to 3 are missing in the event log \(its limits were changed: .*max_msgs is 2 instead of -1/,
      /events 1 to 3 are missing/,
    );
  });

  it("but an older copy of it", async () => {
    const key = "$KV.bioxen-log-record.log";
    const stored = await api("MSG.GET.KV_bioxen-log-record", { last_by_subj: key });
    const record = JSON.parse(Buffer.from(stored.message.data, "base64").toString());
    await nats.request(key, JSON.stringify({ ...record, lastSeq: EVENTS + 3 }));
    await expectSentence(
      /acknowledged events are lost: events 6 to 8 were stored, and the event log ends at 5/,
    );
  });
});

it("without a server to ask, every tool says how to start or name one", async () => {
  const home = await mkdtemp(join(tmpdir(), "bioxen-no-stack-"));
  vi.stubEnv("BIOXEN_HOME", home);
  vi.stubEnv("BIOXEN_NATS_URL", undefined);
  try {
    for (const args of [["status"], ["events", "verify"]]) {
      const { code, stderr } = await bioxenHere(args);
      expect([args, code]).toEqual([args, EXIT_UNREACHABLE]);
      expect(stderr).toContain("no BioXen is reachable: start one with `bioxen up`");
    }
    const doctor = await bioxenHere(["doctor"]);
    expect(doctor.code).toBe(EXIT_REFUSED);
    expect(doctor.stdout).toContain("no BioXen is reachable");
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});
