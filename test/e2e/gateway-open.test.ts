/**
 * The HTTP API of a stack without keys, and what pages of other sites and hostile clients try.
 */
import { MAX_PAYLOAD_BYTES } from "@bioxen/contracts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventsIn, GatewayWorld } from "./gateway-world.ts";

let world: GatewayWorld;
beforeAll(async () => {
  // Without keys: this is the mode under test.
  world = await GatewayWorld.open({ keys: false });
});
afterAll(() => world.close());

const create = (vmId: string, headers: Record<string, string> = {}) =>
  world.ask("/api/v1/vm/create", { method: "POST", headers, body: { vmId, biologicalType: "syn3a" } });
const exists = async (vmId: string) => (await world.ask(`/api/v1/vm/get?vmId=${vmId}`)).status === 200;

describe("a program of this machine", () => {
  it("commands and reads without a token, as the anonymous caller", async () => {
    expect((await create("mine")).json).toMatchObject({ ok: true, vm: { owner: "anonymous" } });
    const { json } = await world.ask("/api/v1/session");
    expect([json.principal, json.keys]).toEqual(["anonymous", false]);
    const text = await world.stream("/api/v1/events?from=1&vm=mine", {}, (all) => eventsIn(all).length >= 1);
    expect(eventsIn(text)[0]).toMatchObject({
      type: "bioxen.vm.created.v1",
      data: { principal: "anonymous" },
    });
    expect(eventsIn(text)[0]?.data["via"]).toBeUndefined();
  });

  it("gets the status of the error code, and the error as on NATS", async () => {
    const again = await create("mine");
    expect([again.status, again.json.error.code]).toEqual([409, "VM_ALREADY_EXISTS"]);
    const wrong = await world.ask("/api/v1/vm/list?limit=0");
    expect([wrong.status, wrong.json.error.details.problems[0].path]).toEqual([400, "limit"]);
    const unknown = await world.ask("/api/v1/vm/create", { method: "POST", body: { vmid: "x" } });
    expect(unknown.json.error.message).toContain("did you mean vmId?");
  });

  it("repeats a command under one key without a second effect", async () => {
    const key = { "idempotency-key": "once" };
    const [first, second] = [await create("once", key), await create("once", key)];
    expect(second.json).toEqual(first.json);
    const body = { vmId: "once", biologicalType: "minimal_cell" };
    const other = await world.ask("/api/v1/vm/create", { method: "POST", headers: key, body });
    expect([other.status, other.json.error.code]).toEqual([409, "CONFLICT"]);
  });

  it("finds a description of every route", async () => {
    const { status, json } = await world.ask("/api/v1/openapi.json");
    expect([status, json.openapi]).toEqual([200, "3.1.0"]);
    expect(json.paths["/api/v1/vm/create"].post.requestBody).toBeDefined();
  });

  it("cannot forge the gateway: on an open stack no event says via", async () => {
    await create("forged", {
      via: "gateway",
      "bioxen-via": "gateway",
      "nats-request-info": '{"acc":"GATEWAY"}',
    });
    const { json } = await world.ask("/api/v1/vm/history?vmId=forged");
    expect(json.events[0].principal).toBe("anonymous");
    expect(json.events[0].via).toBeUndefined();
  });
});

describe("a page of another site", () => {
  it.each([
    { origin: "http://evil.example" },
    { origin: "null" },
    { origin: "http://localhost:1" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
  ])("cannot command with %j", async (headers) => {
    expect((await create("stolen", headers as Record<string, string>)).status).toBe(403);
    expect(await exists("stolen")).toBe(false);
  });

  it.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])(
    "cannot send a form of type %s",
    async (type) => {
      const body = JSON.stringify({ vmId: "form", biologicalType: "syn3a" });
      const headers = { "content-type": type };
      const answer = await world.ask("/api/v1/vm/create", { method: "POST", headers, body });
      expect([answer.status, answer.json.ok]).toEqual([415, false]);
      expect(await exists("form")).toBe(false);
    },
  );

  it("gets no permission of CORS", async () => {
    const headers = { origin: "http://evil.example", "access-control-request-method": "POST" };
    for (const method of ["OPTIONS", "GET"]) {
      const answer = await world.ask("/api/v1/vm/create", { method, headers });
      expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
      expect(answer.status).toBeGreaterThanOrEqual(400);
    }
  });

  it.each(["evil.example", "evil.example:7480", "127.0.0.1.evil.example", "localhost", "127.0.0.1:1", ""])(
    "cannot reach it as %j (DNS rebinding)",
    async (host) => {
      for (const path of ["/api/v1/vm/list", "/", "/ready"]) {
        const answer = await world.raw(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
        expect(answer).toMatch(/^HTTP\/1\.1 (?:403|400) /);
        expect(answer).not.toContain('"vms"');
      }
    },
  );
});

describe("a hostile client", () => {
  it.each([
    "/../../../../etc/passwd",
    "/..%2f..%2f..%2fetc/passwd",
    "/%2e%2e/%2e%2e/package.json",
    "/....//....//etc/passwd",
    "/.env",
    "/assets/..%5c..%5cpackage.json",
    "//etc/passwd",
    "/%00",
    "/api/v1/../../../../etc/passwd",
  ])("gets no file by %s", async (path) => {
    const answer = await world.raw(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${world.port}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer).not.toMatch(/root:|"name":/);
  });

  it("cannot send a payload above the limit, nor JSON that is too deep, nor bytes that are no JSON", async () => {
    const send = (body: string) =>
      world.ask("/api/v1/vm/create", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
    const large = await send(`{"vmId":"${"a".repeat(MAX_PAYLOAD_BYTES)}"}`).catch(() => undefined);
    if (large !== undefined) expect([large.status, large.json.error.code]).toEqual([413, "TOO_LARGE"]);
    for (const body of ["[".repeat(10_000), "{", '"\\ud800', "null x", "\u0000"]) {
      const answer = await send(body);
      expect([answer.status, answer.json.error.code], body.slice(0, 20)).toEqual([400, "BAD_REQUEST"]);
      expect(answer.text).not.toMatch(/\.ts:|node_modules/);
    }
    expect((await send('{"__proto__": {"vmId": "proto"}, "biologicalType": "syn3a"}')).status).toBe(400);
    expect((await world.ask("/ready")).json.ready).toBe(true);
  });

  it("cannot hold a connection with slow headers, or with a slow body", async () => {
    const startedMs = performance.now();
    const host = `Host: 127.0.0.1:${world.port}`;
    const [headers, body] = await Promise.all([
      world.raw(`GET /api/v1/vm/list HTTP/1.1\r\n${host}\r\nX-Slow: `),
      world.raw(
        `POST /api/v1/vm/create HTTP/1.1\r\n${host}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
      ),
    ]);
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    expect(headers).toMatch(/^HTTP\/1\.1 408 /);
    expect(body).toMatch(/^(?:HTTP\/1\.1 408 |$)/);
  }, 60_000);

  it("cannot send headers above the limit, or a request that is no HTTP", async () => {
    const host = `Host: 127.0.0.1:${world.port}`;
    const many = await world.raw(`GET / HTTP/1.1\r\n${host}\r\nX-Large: ${"a".repeat(20_000)}\r\n\r\n`);
    expect(many).toMatch(/^(?:HTTP\/1\.1 4\d\d |$)/);
    expect(await world.raw("HELLO\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);
    const smuggled = `POST /api/v1/vm/create HTTP/1.1\r\n${host}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
    expect(await world.raw(smuggled)).toMatch(/^HTTP\/1\.1 400 /);
  });

  it("cannot open more streams than a caller may have", async () => {
    const open: Promise<string>[] = [];
    let enough = false;
    for (let i = 0; i < 32; i += 1) open.push(world.stream("/api/v1/logs", {}, () => enough));
    const statuses: number[] = [];
    while (!statuses.includes(429)) {
      statuses.push((await world.ask("/api/v1/state?at=1")).status);
      const answer = await Promise.race([
        world.ask("/api/v1/logs").then(({ status }) => status),
        new Promise<number>((resolve) => setTimeout(() => resolve(200), 500)),
      ]);
      statuses.push(answer);
      if (statuses.length > 40) break;
    }
    expect(statuses).toContain(429);
    enough = true;
  }, 60_000);

  it("finds every answer with the headers that protect a page", async () => {
    for (const path of ["/", "/api/v1/vm/list", "/api/v1/nothing", "/nothing"]) {
      const { headers } = await world.ask(path);
      expect(headers, path).toMatchObject({
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "content-security-policy": expect.stringMatching(/default-src 'none'.*frame-ancestors 'none'/),
      });
    }
  });
});
