/**
 * Streams of the gateway that outlive the rights of their callers, clients that leave early, and clients that do not read:
 * on a stack with keys, with tokens of a few seconds.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { addCode, addToken, CODE_MS, KeyFiles } from "@bioxen/auth";
import { eventually } from "@bioxen/testkit/eventually";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { eventsIn, GatewayWorld } from "./gateway-world.ts";

/** Streams that one principal may have at the same time. */
const STREAMS_OF_ONE = 32;
/** Life of a token in these tests, ms: enough to open streams on a busy machine. */
const SHORT_MS = 6_000;
/** Events that fill the buffers of the kernel for a connection several times over, and their size. */
const LARGE_EVENTS = 400;
const LARGE_BYTES = 60_000;
const MIB = 2 ** 20;
/**
 * Most memory that unread streams may cost, MiB: their buffers, and what Node.js keeps of the messages that were dropped. Each of
 * them would otherwise hold the log, which is 24 MB.
 */
const MOST_GROWTH_MIB = 250;

let world: GatewayWorld;
let admin: Record<string, string>;
const sockets: Socket[] = [];
beforeAll(async () => {
  world = await GatewayWorld.open({ logLevel: "info" });
  admin = { authorization: `Bearer ${await world.bioxen("auth", "token", "admin")}` };
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(() => world.close());

const keys = () => new KeyFiles(world.stack.keysDir ?? "");
const principal = async (name: string) => {
  const all = JSON.parse(await readFile(keys().gatewayPrincipals, "utf8"));
  return all.find((one: { readonly name: string }) => one.name === name);
};
const own = () => ({ origin: world.url, "x-bioxen": "1" });
const logIn = async (code: string) => {
  const answer = await world.ask("/api/v1/session", { method: "POST", headers: own(), body: { code } });
  return { status: answer.status, cookie: String(answer.headers["set-cookie"]).split(";")[0] ?? "" };
};
const statusOf = async (headers: Record<string, string>) =>
  (await world.ask("/api/v1/vm/list", { headers })).status;

/** Opens streams of every kind. Resolves once all have begun; `ended` resolves when the gateway has ended them. */
async function openStreams(headers: Record<string, string>): Promise<{ readonly ended: Promise<unknown> }> {
  const paths = ["/api/v1/events", "/api/v1/telemetry", "/api/v1/logs"];
  let begun = 0;
  const ended = Promise.all(
    paths.map((path) => {
      let isNew = true;
      return world.stream(path, headers, () => {
        if (isNew) begun += 1;
        isNew = false;
        return false;
      });
    }),
  );
  await eventually("all streams have begun", () => begun === paths.length || undefined);
  return { ended };
}

describe("the end of a right ends its streams", () => {
  it("when the token expires", async () => {
    const nowMs = Date.now();
    const expiresAtMs = nowMs + SHORT_MS;
    const grant = { principal: await principal("observer"), nowMs, expiresAtMs };
    const { token } = await addToken(keys().gatewayDir, grant);
    const headers = { authorization: `Bearer ${token}` };
    await eventually(
      "the gateway knows the token",
      async () => (await statusOf(headers)) === 200 || undefined,
    );
    const { ended } = await openStreams(headers);
    expect(Date.now(), "the streams began before the expiry").toBeLessThan(expiresAtMs);
    await ended;
    expect(Date.now()).toBeGreaterThanOrEqual(expiresAtMs);
    expect(await statusOf(headers)).toBe(401);
  });

  it("when a session is logged out, and when its principal is revoked", async () => {
    await world.bioxen("auth", "add", "carol", "--role", "observer");
    const sessions = await Promise.all(
      [1, 2].map(async () => {
        const code = await addCode(keys().gatewayDir, {
          principal: await principal("carol"),
          nowMs: Date.now(),
        });
        const { status, cookie } = await logIn(code);
        expect(status).toBe(200);
        return { cookie };
      }),
    );
    const [first = { cookie: "" }, second = { cookie: "" }] = sessions;
    const [ofFirst, ofSecond] = [await openStreams(first), await openStreams(second)];
    await world.ask("/api/v1/session", { method: "DELETE", headers: { ...first, ...own() } });
    await ofFirst.ended;
    expect([await statusOf(first), await statusOf(second)]).toEqual([401, 200]);
    await world.bioxen("auth", "revoke", "carol");
    await ofSecond.ended;
    expect(await statusOf(second)).toBe(401);
  });

  it("and a one-time code does not work after its minute", async () => {
    const late = { principal: await principal("observer"), nowMs: Date.now() - CODE_MS };
    const { status } = await logIn(await addCode(keys().gatewayDir, late));
    expect(status).toBe(401);
  });
});

it("the gateway goes on when its own key is replaced", async () => {
  const file = join(world.stack.keysDir ?? "", "services", "gateway.creds");
  const former = await readFile(file, "utf8");
  const { ended } = await openStreams(admin);
  let [isOver, hasEnded] = [false, false];
  void ended.then(() => {
    hasEnded = true;
  });
  const statuses: number[] = [];
  const asking = Promise.all(
    Array.from({ length: 4 }, async () => {
      while (!isOver) statuses.push(await statusOf(admin));
    }),
  );
  const rotated = JSON.parse(await world.bioxen("auth", "rotate", "service:gateway", "--json"));
  isOver = true;
  await asking;
  expect(rotated).toMatchObject({ name: "service:gateway", role: "service", file, inForce: true });
  expect(await readFile(file, "utf8")).not.toBe(former);
  expect(new Set(statuses)).toEqual(new Set([200]));
  const shown = JSON.parse(await world.bioxen("auth", "show", "service:gateway", "--json"));
  expect(shown.publicKey).toBe(rotated.publicKey);
  // The gateway itself made its connections again; the server had none to cut.
  const log = await readFile(join(world.stack.dataDir, "log", "gateway.log"), "utf8");
  expect(log.match(/the connection uses the new credentials/g)).toHaveLength(2);
  const body = { vmId: "after-key", biologicalType: "syn3a" };
  const created = await world.ask("/api/v1/vm/create", { method: "POST", headers: admin, body });
  expect(created.json).toMatchObject({ ok: true, vm: { owner: "admin" } });
  const text = await world.stream(
    "/api/v1/events?from=1&vm=after-key",
    admin,
    (all) => eventsIn(all).length > 0,
  );
  expect(eventsIn(text)[0]?.data).toMatchObject({ principal: "admin", via: "gateway" });
  expect(hasEnded, "streams go on").toBe(false);
});

/** Asks for a stream on a connection of its own, and reads nothing of it. */
function openUnread(path: string, headers = admin): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(world.port, "127.0.0.1", () => {
      socket.pause();
      const lines = [`GET ${path} HTTP/1.1`, `Host: 127.0.0.1:${world.port}`];
      const text = `${[...lines, `Authorization: ${headers["authorization"]}`].join("\r\n")}\r\n\r\n`;
      socket.write(text, () => resolve(socket));
    });
    socket.once("error", reject);
    sockets.push(socket);
  });
}

/** Returns true when the gateway refuses another stream of the admin. */
async function isFull(): Promise<boolean> {
  let answer = "";
  await world.stream("/api/v1/events?from=1", admin, (text) => {
    answer = text;
    return true;
  });
  return answer.includes("RATE_LIMITED");
}

it("a client that leaves before its stream begins keeps no place", async () => {
  // No other test has streams of the observer open.
  const observer = { authorization: `Bearer ${await world.bioxen("auth", "token", "observer")}` };
  await eventually(
    "the gateway knows the token",
    async () => (await statusOf(observer)) === 200 || undefined,
  );
  for (let i = 0; i < 4 * STREAMS_OF_ONE; i += 1) (await openUnread("/api/v1/events", observer)).destroy();
  const statusOfStream = async () => {
    const socket = await openUnread("/api/v1/logs", observer);
    const [data] = await once(socket.resume(), "data");
    return String(data).slice("HTTP/1.1 ".length, "HTTP/1.1 200".length);
  };
  await eventually("all places are free", async () => {
    const statuses = await Promise.all(Array.from({ length: STREAMS_OF_ONE }, statusOfStream));
    for (const socket of sockets.splice(0)) socket.destroy();
    return statuses.every((status) => status === "200") || undefined;
  });
});

describe("clients that do not read", () => {
  beforeAll(async () => {
    const program = `-- ${"x".repeat(LARGE_BYTES)}`;
    let next = 0;
    const worker = async () => {
      for (let i = next; i < LARGE_EVENTS; i = next) {
        next += 1;
        const body = { vmId: `large-${i}`, biologicalType: "syn3a", program };
        const answer = await world.ask("/api/v1/vm/create", { method: "POST", headers: admin, body });
        expect(answer.status, answer.text).toBe(200);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
  }, 240_000);

  const residentBytes = async () => {
    const { pid } = world.stack.services().find(({ name }) => name === "gateway") ?? {};
    const status = await readFile(join("/proc", String(pid), "status"), "utf8");
    return 1_024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
  };

  it("cost a buffer each, not the log, stop no other caller, and lose their places", async () => {
    const before = await residentBytes();
    for (let i = 0; i < STREAMS_OF_ONE; i += 1) await openUnread("/api/v1/events?from=1");
    await eventually("all places are taken", async () => (await isFull()) || undefined);
    let peak = 0;
    await eventually(
      "places are free again",
      async () => {
        peak = Math.max(peak, await residentBytes());
        expect(await statusOf(admin)).toBe(200);
        return !(await isFull()) || undefined;
      },
      120_000,
    );
    expect((peak - before) / MIB).toBeLessThan(MOST_GROWTH_MIB);
    const log = await readFile(join(world.stack.dataDir, "log", "nats-server.log"), "utf8");
    expect(log).not.toContain("Slow Consumer");
  });

  it("go on without a loss, on the same connection or on a new one", async () => {
    const seen: number[] = [];
    const note = (id: number) => {
      expect(id, "each event follows the one before").toBe(seen.length + 1);
      seen.push(id);
    };
    while (seen.length < LARGE_EVENTS) {
      const fast = new Reader({});
      // The other reader reaches the end of the log before this one reads anything, so the buffer of this one is full.
      const slow = new Reader(
        seen.length === 0 ? {} : { "last-event-id": String(seen.length) },
        note,
        fast.done,
      );
      await Promise.all([fast.done, slow.done]);
    }
    expect(seen.slice(0, LARGE_EVENTS)).toEqual(Array.from({ length: LARGE_EVENTS }, (_, n) => n + 1));
  });
});

/** Reads the events of the log up to the last large one, or until the gateway ends the stream. */
class Reader {
  readonly done: Promise<void>;

  constructor(
    headers: Record<string, string>,
    onEvent: (id: number) => void = () => undefined,
    after?: Promise<void>,
  ) {
    const options = { host: "127.0.0.1", port: world.port, path: "/api/v1/events?from=1" };
    this.done = new Promise((resolve, reject) => {
      const sent = request({ ...options, headers: { ...admin, ...headers } }, (response) => {
        response.setEncoding("utf8");
        let rest = "";
        response.on("data", (part: string) => {
          const blocks = `${rest}${part}`.split("\n\n");
          rest = blocks.pop() ?? "";
          for (const { id } of blocks.flatMap(eventsIn)) {
            onEvent(id);
            if (id >= LARGE_EVENTS) sent.destroy();
          }
        });
        response.on("close", resolve);
        response.pause();
        void Promise.resolve(after).then(() => response.resume());
      });
      sent.once("error", reject);
      sent.end();
    });
  }
}
