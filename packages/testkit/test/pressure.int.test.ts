/**
 * Back-pressure on a real server: a flood is refused at once, another caller is served, and the refusals are counted.
 */
import { ENDPOINTS, type ServedEndpoint, serve } from "@bioxen/contracts";
import { type Bus, connectBus, type Inbox, openInbox, openOutcomes } from "@bioxen/nats";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually, TestServer } from "../src/index.ts";

/** Requests of one caller under way, and waiting, before it is refused. */
const UNDER_WAY = 16;
const WAITING = 2_048;
const VM = JSON.stringify({ vmId: "a" });

let server: TestServer;
let bus: Bus;
let inbox: Inbox;
let client: NatsConnection;
/** Ends the commands under way, and all later ones at once. */
let release: () => void;
let released: Promise<void>;
let begun: string[] = [];

const endpoints: ServedEndpoint[] = [
  serve(ENDPOINTS.vmPause, async ({ vmId }) => {
    begun.push(vmId);
    await released;
    return { ok: true, result: { changed: false, vm: { vmId } as never } };
  }),
  serve(ENDPOINTS.vmHistory, () => ({ ok: true, result: { events: [], cursor: null } })),
  serve(ENDPOINTS.vmDefer, () => ({ ok: true, result: {} })),
];

async function open(callerLimit?: number): Promise<Inbox> {
  return openInbox({
    bus,
    name: callerLimit === undefined ? "pressed" : "limited",
    version: "1.0.0",
    description: "an inbox under pressure",
    endpoints,
    outcomes: await openOutcomes(bus),
    newId: () => crypto.randomUUID(),
    unavailable: () => undefined,
    onFault: (_subject, thrown) => {
      throw thrown;
    },
    callerLimit,
  });
}

beforeAll(async () => {
  server = await TestServer.start();
  bus = await connectBus({ servers: server.url, name: "pressure" });
  client = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  inbox = await open();
});
beforeEach(() => {
  begun = [];
  released = new Promise((resolve) => {
    release = resolve;
  });
});
afterAll(async () => {
  await inbox.stop();
  await client.close();
  await bus.close();
  await server.stop();
});

interface Answer {
  readonly ok: boolean;
  readonly error?: {
    readonly code: string;
    readonly retryable: boolean;
    readonly details: { retryAfterMs: number };
  };
}

/** A caller with reply subjects of its own. */
class TestCaller {
  readonly answers: Answer[] = [];
  readonly statuses = new Set<string | undefined>();
  readonly #name: string;
  #sent = 0;

  constructor(name: string) {
    this.#name = name;
    client.subscribe(`_INBOX.${name}.*`, {
      callback: (_error, message) => {
        this.answers.push(message.json<Answer>());
        this.statuses.add(message.headers?.get("Nats-Service-Error-Code"));
      },
    });
  }

  send(
    count: number,
    subject: string = ENDPOINTS.vmPause.subject,
    payload = JSON.stringify({ vmId: this.#name }),
  ): void {
    for (let i = 0; i < count; i += 1) {
      this.#sent += 1;
      client.publish(subject, payload, { reply: `_INBOX.${this.#name}.${this.#sent}` });
    }
  }

  async answered(count: number): Promise<void> {
    await eventually(`${this.#name} has ${count} answers`, () => this.answers.length >= count || undefined);
    expect(this.answers).toHaveLength(count);
  }

  countOf(code: string): number {
    return this.answers.filter(({ error }) => error?.code === code).length;
  }
}

describe("a service under a flood of one caller", () => {
  it("refuses what exceeds its places, serves another caller and other lanes, and answers everything", async () => {
    const [a, b] = [new TestCaller("a"), new TestCaller("b")];
    const refused = 1_000;
    a.send(UNDER_WAY + WAITING + refused);
    await a.answered(refused);
    expect(a.countOf("UNAVAILABLE")).toBe(refused);
    expect(a.answers[0]?.error).toMatchObject({
      retryable: true,
      details: { retryAfterMs: expect.any(Number), lane: "commands" },
    });
    expect(a.statuses).toEqual(new Set(["503"]));

    // The caller `b` has nothing under way, and begins beside all places.
    b.send(1);
    await eventually("the request of b has begun", () => begun.includes("b") || undefined);
    expect(begun.filter((vmId) => vmId === "a")).toHaveLength(UNDER_WAY);

    // The next requests of `b` find room, at the cost of the newest ones of `a`.
    b.send(9);
    await a.answered(refused + 9);
    expect(a.countOf("RATE_LIMITED")).toBe(9);
    a.send(1);
    await a.answered(refused + 10);
    expect(a.countOf("RATE_LIMITED")).toBe(10);
    expect(a.statuses).toEqual(new Set(["503", "429"]));

    const query = await client.request(ENDPOINTS.vmHistory.subject, VM, { timeout: 2_000 });
    expect(query.json()).toMatchObject({ ok: true });
    const deferrals = JSON.stringify({ deferrals: [{ vmId: "a", reasons: [] }] });
    const internal = await client.request(ENDPOINTS.vmDefer.subject, deferrals, { timeout: 2_000 });
    expect(internal.json()).toMatchObject({ ok: true });

    const commands = inbox.load().lanes.find(({ lane }) => lane === "commands");
    expect(commands).toMatchObject({
      underWay: UNDER_WAY + 1,
      waiting: WAITING,
      refused: { UNAVAILABLE: refused, RATE_LIMITED: 10 },
    });
    const stats = await client.request("$SRV.STATS.pressed", "", { timeout: 2_000 });
    const { endpoints: shown } = stats.json<{ endpoints: { data: unknown; num_requests: number }[] }>();
    // A request counts once it is answered; the requests under way and waiting are in `data`.
    expect(shown[0]).toMatchObject({
      num_requests: refused + 10,
      num_errors: refused + 10,
      last_error: expect.stringMatching(/^RATE_LIMITED: /),
      data: { lane: "commands", waiting: WAITING, refused: { RATE_LIMITED: 10 }, connectionLosses: 0 },
    });

    release();
    await b.answered(10);
    await a.answered(UNDER_WAY + WAITING + refused + 1);
    expect(b.answers.every(({ ok }) => ok)).toBe(true);
    expect(a.answers.filter(({ ok }) => ok)).toHaveLength(UNDER_WAY + WAITING - 9);
    expect(inbox.load().lanes).toContainEqual(
      expect.objectContaining({ lane: "commands", underWay: 0, waiting: 0 }),
    );
  });

  it("does not exceed its memory by requests of half a megabyte", async () => {
    const large = new TestCaller("large");
    const payload = `{"vmId":"large"${" ".repeat(500_000)}}`;
    large.send(UNDER_WAY);
    large.send(40, undefined, payload);
    await large.answered(24);
    // A request of 500 000 bytes counts as 123 small ones, so that 16 of them fill the waiting room.
    await eventually(
      "16 wait",
      () => inbox.load().lanes.find(({ lane }) => lane === "commands")?.waiting === 16 || undefined,
    );
    expect(large.answers.every(({ error }) => error?.code === "UNAVAILABLE")).toBe(true);
    release();
    await eventually("all are answered", () => large.answers.length === UNDER_WAY + 40 || undefined);
  });

  it("answers few discoveries at once, and counts the others", async () => {
    const before = inbox.load().dropped.discovery;
    for (let i = 0; i < 300; i += 1) client.publish("$SRV.PING", "", { reply: "_INBOX.discovery.1" });
    await client.flush();
    await eventually("some are dropped", () => inbox.load().dropped.discovery >= before + 150 || undefined);
    expect(inbox.load().dropped.discovery).toBeLessThanOrEqual(before + 201);
  });

  it("counts lost connections, and serves again after them", async () => {
    await server.kill();
    await server.startAgain();
    await eventually("it answers again", () =>
      client.request(ENDPOINTS.vmHistory.subject, VM, { timeout: 200 }).catch(() => undefined),
    );
    expect(inbox.load().connectionLosses).toEqual({ commands: 1, queries: 1, internal: 1 });
  });
});

describe("a ceiling for each caller", () => {
  it("refuses the commands of a caller above it with the time to wait, but no queries and no other caller", async () => {
    await inbox.stop();
    inbox = await open(5);
    release();
    const [c, d] = [new TestCaller("c"), new TestCaller("d")];
    c.send(8);
    d.send(1);
    await c.answered(8);
    await d.answered(1);
    expect(c.countOf("RATE_LIMITED")).toBe(3);
    expect(c.answers.find(({ error }) => error !== undefined)?.error).toMatchObject({
      retryable: true,
      details: { retryAfterMs: 200 },
    });
    expect(d.answers[0]?.ok).toBe(true);
    c.send(20, ENDPOINTS.vmHistory.subject, VM);
    await c.answered(28);
    expect(c.countOf("RATE_LIMITED")).toBe(3);
  });
});
