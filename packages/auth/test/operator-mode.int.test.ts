/**
 * The generated accounts on a server in operator mode: requests reach the services under the names of their callers, the
 * streams and the mirror of the log work through the imports, and what the roles leave out is refused.
 */
import { accountsFor, FEED_DELIVERY, LOG_API, STORED_EVENTS } from "@bioxen/auth";
import { accessOf, ENDPOINTS, EVENT_STREAM, mappedSubject } from "@bioxen/contracts";
import { connectBus, newUserKey, provisionMirror, provisionStreams, type UserKey } from "@bioxen/nats";
import { TestServer } from "@bioxen/testkit";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, credsAuthenticator, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PRINCIPALS, ringOf, USERS } from "./keyed-server.ts";
import { type OperatorMode, operatorMode } from "./operator-mode.ts";

const TIMEOUT = { timeout: 5_000 };

const keys = new Map<string, UserKey>(
  ["system", "provisioner", "feed", ...USERS].map((name) => [name, newUserKey()]),
);
const connections = new Map<string, NatsConnection>();
let server: TestServer;
let mode: OperatorMode;

const credsOf = (name: string) => mode.credsOf(keys.get(name) as UserKey);
async function as(name: string): Promise<NatsConnection> {
  const found = connections.get(name);
  if (found !== undefined) return found;
  const authenticator = credsAuthenticator(new TextEncoder().encode(credsOf(name)));
  const made = await connect({ servers: server.url, name, authenticator });
  connections.set(name, made);
  return made;
}

beforeAll(async () => {
  mode = operatorMode(accountsFor(ringOf(keys)));
  server = await TestServer.start(mode.configuration);
  const busOf = (name: string) => connectBus({ servers: server.url, creds: credsOf(name), name });
  const [provisioner, feed] = [await busOf("provisioner"), await busOf("feed")];
  await provisionStreams({ bus: provisioner, republishTo: STORED_EVENTS });
  await provisionMirror(feed, { api: LOG_API, deliver: FEED_DELIVERY });
  await Promise.all([provisioner.close(), feed.close()]);
  for (const { subject, owner } of Object.values(ENDPOINTS)) {
    const rest = subject.slice("bioxen.".length);
    for (const pattern of [subject, `bioxen.as.*.*.${rest}`]) {
      (await as(owner)).subscribe(pattern, {
        callback: (_error, message) => {
          message.respond(`${owner} ${message.subject}`, {
            ...(message.headers === undefined ? {} : { headers: message.headers }),
          });
        },
      });
    }
    await (await as(owner)).flush();
  }
});
afterAll(async () => {
  await Promise.all([...connections.values()].map((one) => one.close()));
  await server.stop();
});

describe.each(PRINCIPALS)("a request of $name ($role)", ({ name, role }) => {
  it("reaches the endpoints of its role under role and name, and no other", async () => {
    const caller = await as(name);
    const all = Object.values(ENDPOINTS).filter(({ internal }) => !internal);
    for (const endpoint of all) {
      const { subject, owner } = endpoint;
      if (accessOf(role, endpoint) === "none") {
        await expect(caller.request(subject, "", TIMEOUT), subject).rejects.toThrow(/[Pp]ermission/);
        continue;
      }
      const answer = (await caller.request(subject, "", TIMEOUT)).string();
      expect(answer).toBe(`${owner} ${mappedSubject({ role, name }, subject)}`);
    }
  });
});

it("a call of a service arrives, under the public key of its account instead of its name", async () => {
  const { subject } = ENDPOINTS.ledgerReserve;
  const answer = await (await as("chassis-scheduler")).request(subject, "", TIMEOUT);
  expect(answer.string()).toBe(`allocator ${subject}`);
  const info = JSON.parse(answer.headers?.get("Nats-Request-Info") ?? "{}");
  expect(info.acc).toMatch(/^A[A-Z2-7]{55}$/);
});

it("a service appends to its own events, and to no others, and readers follow the mirror", async () => {
  const lifecycle = jetstream(await as("lifecycle"));
  const { seq } = await lifecycle.publish("bioxen.evt.vm.cell-1", "{}", {
    expect: { lastSubjectSequence: 0 },
  });
  const allocator = jetstream(await as("allocator"));
  await expect(allocator.publish("bioxen.evt.vm.cell-2", "{}", TIMEOUT)).rejects.toThrow();
  const consumer = await jetstream(await as("otto")).consumers.get(EVENT_STREAM, {
    filter_subjects: "bioxen.evt.vm.cell-1",
  });
  const stored = await consumer.next({ expires: TIMEOUT.timeout });
  expect(stored?.seq).toBe(seq);
  const manager = await jetstreamManager(await as("alice"), { checkAPI: false });
  await expect(manager.streams.purge(EVENT_STREAM)).rejects.toThrow();
});

it("lets in no user of another operator", async () => {
  const foreign = operatorMode(accountsFor(ringOf(keys)));
  const creds = foreign.credsOf(keys.get("admin") as UserKey);
  await expect(connectBus({ servers: server.url, creds, name: "foreign" })).rejects.toMatchObject({
    details: { reason: "login" },
  });
});
