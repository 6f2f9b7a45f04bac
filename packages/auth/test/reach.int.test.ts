/**
 * What the generated configuration lets through, on a real server: each request reaches its service under the name of
 * its caller, and the streams work through the imports.
 */
import { accessOf, ENDPOINTS, mappedSubject, serviceAccess } from "@bioxen/contracts";
import { openExistingEventLog } from "@bioxen/nats";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { AGENTS, KeyedServer, PRINCIPALS } from "./keyed-server.ts";

/** Longest wait for messages that the server passes on, ms. */
const HEARD_WITHIN_MS = 10_000;

const TIMEOUT = { timeout: 5_000 };
const SERVICES = ["lifecycle", "allocator", "chassis-scheduler", "monitor", "experiments"] as const;

let keyed: KeyedServer;
const connections = new Map<string, NatsConnection>();
const as = (name: string): NatsConnection => {
  const found = connections.get(name);
  if (found === undefined) throw new Error(`no user ${name}`);
  return found;
};

beforeAll(async () => {
  keyed = await KeyedServer.start();
  const names = [...SERVICES, ...AGENTS.map((id) => `agent-${id}`), ...PRINCIPALS.map(({ name }) => name)];
  for (const name of names) connections.set(name, await keyed.as(name));
  for (const { subject, owner } of Object.values(ENDPOINTS)) {
    const rest = subject.slice("bioxen.".length);
    for (const pattern of [subject, `bioxen.as.*.*.${rest}`, `bioxen.from.*.${rest}`]) {
      as(owner).subscribe(pattern, {
        callback: (_error, message) => {
          message.respond(`${owner} ${message.subject} ${message.headers?.get("Nats-Request-Info")}`);
        },
      });
    }
  }
  await Promise.all([...connections.values()].map((connection) => connection.flush()));
});
afterAll(() => keyed.stop());

const ask = async (name: string, subject: string) => (await as(name).request(subject, "", TIMEOUT)).string();

describe.each(PRINCIPALS)("a request of $name ($role)", ({ name, role }) => {
  it("reaches the owner of each endpoint that the role may call, under role and name", async () => {
    const allowed = Object.values(ENDPOINTS).filter((endpoint) => accessOf(role, endpoint) !== "none");
    expect(allowed.length).toBeGreaterThan(10);
    for (const { subject, owner } of allowed) {
      const [by, heard, info = "{}"] = (await ask(name, subject)).split(" ");
      expect([by, heard]).toEqual([owner, mappedSubject({ role, name }, subject)]);
      expect(JSON.parse(info)).toMatchObject({ acc: `P-${name}` });
    }
  });
});

it("requests of agents reach the services under the id of the agent, and of services under their own subject", async () => {
  for (const id of AGENTS) {
    for (const subject of serviceAccess("chassis-agent").calls) {
      expect(await ask(`agent-${id}`, subject)).toContain(
        mappedSubject({ role: "agent", name: id }, subject),
      );
    }
  }
  for (const service of SERVICES) {
    const calls = serviceAccess(service).calls.filter((subject) => !subject.includes("*"));
    for (const subject of calls) {
      const [, heard, info = "{}"] = (await ask(service, subject)).split(" ");
      expect([heard, JSON.parse(info).acc]).toEqual([subject, `S-${service}`]);
    }
  }
});

it("services call each agent by its id, and get its answer", async () => {
  for (const id of AGENTS) {
    for (const verb of ["exec", "checkpoint", "orphans"]) {
      const subject = `bioxen.agent.${id}.${verb}`;
      as(`agent-${id}`).subscribe(subject, {
        max: 1,
        callback: (_error, message) => void message.respond(id),
      });
      await as(`agent-${id}`).flush();
      expect(await ask(verb === "orphans" ? "chassis-scheduler" : "lifecycle", subject)).toBe(id);
    }
  }
});

it("a service appends with an expected sequence, holds its lease, and works on its jobs", async () => {
  const js = jetstream(as("lifecycle"));
  const subject = "bioxen.evt.vm.worked";
  const { seq } = await js.publish(subject, "{}", { msgID: "w-1", expect: { lastSubjectSequence: 0 } });
  await expect(js.publish(subject, "{}", { expect: { lastSubjectSequence: 0 } })).rejects.toThrow(
    /last sequence/,
  );
  expect((await js.publish(subject, "{}", { msgID: "w-1" })).duplicate).toBe(true);
  expect(seq).toBeGreaterThan(0);
  const leases = await new Kvm(js).open("bioxen-leases", { bindOnly: true, allow_direct: true });
  const revision = await leases.create("lifecycle", "1");
  await expect(leases.update("lifecycle", "2", revision)).resolves.toBeGreaterThan(revision);
  await expect(leases.update("lifecycle", "3", revision)).rejects.toThrow();
  expect((await leases.get("lifecycle"))?.string()).toBe("2");
  await jetstream(as("olga")).publish("bioxen.job.chassis.cordon", "{}", { msgID: "job" });
  const scheduler = jetstream(as("chassis-scheduler"));
  const jsm = await jetstreamManager(as("chassis-scheduler"));
  const { config } = await jsm.streams.info("BIOXEN_COMMANDS");
  const filter = config.subjects.find((pattern) => pattern.startsWith("bioxen.as.operator.")) ?? "";
  const filter_subject = filter.replace(/>$/, "chassis.>");
  await jsm.consumers.add("BIOXEN_COMMANDS", {
    durable_name: "jobs-chassis",
    filter_subject,
    ack_policy: "explicit",
  });
  const job = await (await scheduler.consumers.get("BIOXEN_COMMANDS", "jobs-chassis")).next({
    expires: 3_000,
  });
  expect(job?.subject).toBe("bioxen.as.operator.olga.job.chassis.cordon");
  expect(await job?.ackAck()).toBe(true);
  expect((await jsm.streams.info("BIOXEN_COMMANDS")).state.messages).toBe(0);
});

it.each(["allocator", "agent-local", "otto"])("%s follows the log from any sequence", async (name) => {
  const bus = await keyed.bus(name);
  const log = await openExistingEventLog(bus);
  const last = await jetstream(as("lifecycle")).publish(`bioxen.evt.vm.for-${name}`, "{}");
  const seen: number[] = [];
  const following = await new Promise<{ stop(): Promise<void> }>((resolve, reject) => {
    const take = ({ seq }: { readonly seq: number }) => {
      seen.push(seq);
      if (seq === last.seq) void started.then(resolve, reject);
    };
    const started = log.follow({
      fromSeq: 1,
      onEvent: take,
      onUnreadable: take,
      onCaughtUp: () => undefined,
      onStop: reject,
    });
  });
  await following.stop();
  expect(seen).toEqual(Array.from({ length: last.seq }, (_, i) => i + 1));
});

it("observers hear stored events and all telemetry, and the services theirs under the id of the agent", async () => {
  const heard = new Map<string, string[]>();
  const hear = async (name: string, ...subjects: string[]) => {
    const own: string[] = [];
    heard.set(name, own);
    for (const subject of subjects) {
      as(name).subscribe(subject, { callback: (_error, message) => void own.push(message.subject) });
    }
    await as(name).flush();
  };
  await hear(
    "otto",
    "bioxen.evt.vm.*",
    "bioxen.tel.vm.*",
    "bioxen.log.vm.*",
    "bioxen.alert.*.*",
    "bioxen.tel.service.*",
  );
  await hear("monitor", "bioxen.from.*.tel.vm.*", "bioxen.tel.service.*");
  await hear("chassis-scheduler", "bioxen.from.*.tel.chassis.*", "bioxen.tel.scheduler.*");
  await jetstream(as("lifecycle")).publish("bioxen.evt.vm.heard", "{}");
  for (const subject of ["bioxen.tel.vm.a", "bioxen.tel.chassis.c", "bioxen.log.vm.a"])
    as("agent-far").publish(subject, "{}");
  as("monitor").publish("bioxen.alert.info.r", "{}");
  as("allocator").publish("bioxen.tel.service.allocator", "{}");
  as("chassis-scheduler").publish("bioxen.tel.scheduler.one", "{}");
  for (const name of ["agent-far", "monitor", "allocator", "chassis-scheduler"]) await as(name).flush();
  const asExpected = () =>
    expect(Object.fromEntries([...heard].map(([name, subjects]) => [name, subjects.toSorted()]))).toEqual({
      otto: [
        "bioxen.alert.info.r",
        "bioxen.evt.vm.heard",
        "bioxen.log.vm.a",
        "bioxen.tel.service.allocator",
        "bioxen.tel.vm.a",
      ],
      monitor: ["bioxen.from.far.tel.vm.a", "bioxen.tel.service.allocator"],
      "chassis-scheduler": ["bioxen.from.far.tel.chassis.c", "bioxen.tel.scheduler.one"],
    });
  await vi.waitFor(asExpected, { timeout: HEARD_WITHIN_MS });
  // The server has routed all messages: after a round trip of the listeners, none is on its way to them.
  for (const name of heard.keys()) await as(name).flush();
  asExpected();
});

it("a second run of the provisioners changes nothing", async () => {
  const before = await (await jetstreamManager(await keyed.as("inspector"))).streams.info("BIOXEN_EVENTS");
  await keyed.provision();
  const after = await (await jetstreamManager(await keyed.as("inspector"))).streams.info("BIOXEN_EVENTS");
  expect(after.config).toEqual(before.config);
  expect(after.created).toBe(before.created);
});
