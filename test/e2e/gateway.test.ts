/**
 * The HTTP API of a stack with keys: principals, tokens, sessions, streams, and what attackers try.
 */
import { eventually } from "@bioxen/testkit/eventually";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { blocksOf } from "../examples/blocks.ts";
import { eventsIn, GatewayWorld } from "./gateway-world.ts";

let world: GatewayWorld;
const tokens: Record<string, string> = {};
const as = (name: string) => ({ authorization: `Bearer ${tokens[name]}` });
beforeAll(async () => {
  world = await GatewayWorld.open();
  for (const name of ["alice", "bob"]) await world.bioxen("auth", "add", name, "--role", "tenant");
  for (const name of ["admin", "operator", "observer", "alice", "bob"]) {
    tokens[name] = await world.bioxen("auth", "token", name);
  }
  for (const owner of ["alice", "bob"]) {
    const body = { vmId: `${owner}-1`, biologicalType: "syn3a" };
    expect((await world.ask("/api/v1/vm/create", { method: "POST", headers: as(owner), body })).status).toBe(
      200,
    );
  }
});
afterAll(() => world.close());

const code = async (...args: string[]) =>
  /#code=(.+)$/.exec(JSON.parse(await world.bioxen("console", "--json", ...args)).url)?.[1] ?? "";
const own = () => ({ origin: world.url, "x-bioxen": "1" });
const logIn = async (...args: string[]) => {
  const body = { code: await code(...args) };
  const { status, headers } = await world.ask("/api/v1/session", { method: "POST", headers: own(), body });
  expect(status).toBe(200);
  const [cookie = ""] = headers["set-cookie"] ?? [];
  expect(cookie).toMatch(/^bioxen-session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  return { cookie: cookie.split(";")[0] ?? "" };
};

describe("a principal over HTTP", () => {
  it("acts under its own name, and events say that the gateway spoke", async () => {
    const { json } = await world.ask("/api/v1/vm/history?vmId=alice-1", { headers: as("alice") });
    expect(json.events[0]).toMatchObject({ principal: "alice", via: "gateway" });
    await world.bioxen("vm", "create", "direct", "--type", "syn3a");
    const direct = JSON.parse(await world.bioxen("vm", "history", "direct", "--json"));
    expect(direct.events[0]).toMatchObject({ principal: "admin" });
    expect(direct.events[0].via).toBeUndefined();
  });

  it("stores jobs under its own name too", async () => {
    const headers = { ...as("alice"), "idempotency-key": "start-1" };
    const job = { method: "POST", headers, body: { vmId: "alice-1" } };
    const first = await world.ask("/api/v1/job/vm/start", job);
    expect([first.status, first.json]).toEqual([202, { ok: true, id: "start-1", duplicate: false }]);
    expect((await world.ask("/api/v1/job/vm/start", job)).json.duplicate).toBe(true);
    const outcome = await eventually("the job ends", async () => {
      const { json } = await world.ask("/api/v1/job/outcome?id=start-1", { headers: as("alice") });
      return json.outcome ?? undefined;
    });
    expect(outcome).toMatchObject({ ok: true, changed: true });
    const { json } = await world.ask("/api/v1/vm/history?vmId=alice-1", { headers: as("alice") });
    expect(json.events[1]).toMatchObject({ principal: "alice", via: "gateway" });
    expect((await world.ask("/api/v1/job/outcome?id=start-1", { headers: as("bob") })).json.error.code).toBe(
      "JOB_NOT_FOUND",
    );
  });

  it("sees only its own, as on NATS", async () => {
    const get = await world.ask("/api/v1/vm/get?vmId=alice-1", { headers: as("bob") });
    expect([get.status, get.json.error.code]).toEqual([404, "VM_NOT_FOUND"]);
    const list = await world.ask("/api/v1/vm/list", { headers: as("bob") });
    expect(list.json.vms.map(({ vmId }: { vmId: string }) => vmId)).toEqual(["bob-1"]);
    const create = { method: "POST", headers: as("bob"), body: { vmId: "alice-2", biologicalType: "syn3a" } };
    expect((await world.ask("/api/v1/vm/create", create)).json.error.code).toBe("FORBIDDEN");
    const text = await world.stream("/api/v1/events?from=1", as("alice"), (all) => eventsIn(all).length >= 2);
    expect(new Set(eventsIn(text).map(({ data }) => data["subject"]))).toEqual(new Set(["vm/alice-1"]));
    for (const path of ["/api/v1/state", "/api/v1/telemetry?chassis=ecoli-1", "/api/v1/ledger/list"]) {
      expect((await world.ask(path, { headers: as("alice") })).status, path).toBe(403);
    }
  });

  it("has the telemetry and the output of its own VMs only", async () => {
    const samples = await world.stream("/api/v1/telemetry", as("alice"), (all) => eventsIn(all).length >= 2);
    expect(new Set(eventsIn(samples).map(({ data }) => data["vmId"]))).toEqual(new Set(["alice-1"]));
    const lines = world.stream("/api/v1/logs", as("alice"), (all) => eventsIn(all).length >= 1);
    const exec = {
      method: "POST",
      headers: as("alice"),
      body: { vmId: "alice-1", source: 'print("hello")' },
    };
    let isThere = false;
    void lines.then(() => {
      isThere = true;
    });
    await eventually("the line arrives", async () => {
      expect((await world.ask("/api/v1/vm/exec", exec)).status).toBe(200);
      return isThere || undefined;
    });
    expect(eventsIn(await lines)[0]).toMatchObject({
      type: "line",
      data: { vmId: "alice-1", line: "hello" },
    });
  });

  it("cannot command as an observer, nor set quotas as an operator", async () => {
    const body = { vmId: "bob-1" };
    for (const path of ["/api/v1/vm/start", "/api/v1/job/vm/start", "/api/v1/vm/destroy"]) {
      const answer = await world.ask(path, { method: "POST", headers: as("observer"), body });
      expect([answer.status, answer.json.error.code], path).toEqual([403, "FORBIDDEN"]);
    }
    const quota = { method: "POST", headers: as("operator"), body: { owner: "bob", resources: {} } };
    expect((await world.ask("/api/v1/quota/set", quota)).status).toBe(403);
  });
});

describe("events", () => {
  it("resume after the last one, and are those that the command shows", async () => {
    const text = await world.stream(
      "/api/v1/events?from=1",
      as("observer"),
      (part) => eventsIn(part).length >= 4,
    );
    const [first, second, third] = eventsIn(text);
    expect([first?.id, second?.id]).toEqual([1, 2]);
    expect(first?.data).toMatchObject({ seq: 1, specversion: "1.0", type: first?.type });
    const resumed = await world.stream(
      "/api/v1/events?from=1",
      { ...as("observer"), "last-event-id": "2" },
      (part) => eventsIn(part).length >= 1,
    );
    expect(eventsIn(resumed)[0]).toEqual(third);
    expect(JSON.parse(await world.bioxen("events", "show", "3", "--json"))).toMatchObject(third?.data ?? {});
  });

  it("show the fleet of a past as the command does", async () => {
    const { json } = await world.ask("/api/v1/state?at=5", { headers: as("observer") });
    expect(json).toEqual(JSON.parse(await world.bioxen("state", "--at", "5", "--json")));
    const beyond = await world.ask("/api/v1/state?at=99999", { headers: as("observer") });
    expect([beyond.status, beyond.json.error.code]).toEqual([400, "BAD_REQUEST"]);
  });
});

describe("a session", () => {
  it("begins with a code that works once, and ends by logging out", async () => {
    const used = await code();
    const session = { method: "POST", headers: own(), body: { code: used } };
    expect((await world.ask("/api/v1/session", session)).json).toMatchObject({
      ...{ ok: true, principal: "admin", role: "admin", keys: true, version: "0.2.0" },
      clusterId: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    expect((await world.ask("/api/v1/session", session)).status).toBe(401);
    const cookie = await logIn("--as", "observer");
    expect((await world.ask("/api/v1/session", { headers: cookie })).json.principal).toBe("observer");
    await world.ask("/api/v1/session", { method: "DELETE", headers: { ...cookie, ...own() } });
    expect((await world.ask("/api/v1/session", { headers: cookie })).status).toBe(401);
  });

  it("commands only from a page of the gateway", async () => {
    const cookie = await logIn();
    const send = (headers: Record<string, string>) =>
      world.ask("/api/v1/vm/start", {
        method: "POST",
        headers: { ...cookie, ...headers },
        body: { vmId: "direct" },
      });
    const evil = "http://evil.example";
    const wrong: Record<string, string>[] = [
      {},
      { "x-bioxen": "1" },
      { origin: world.url },
      { origin: evil, "x-bioxen": "1" },
      { origin: "null", "x-bioxen": "1" },
      { origin: `http://localhost:${world.port}`, "x-bioxen": "1" },
      { origin: world.url, "x-bioxen": "1", "sec-fetch-site": "cross-site" },
    ];
    for (const headers of wrong) expect((await send(headers)).status, JSON.stringify(headers)).toBe(403);
    expect((await world.bioxen("vm", "show", "direct", "--json")).includes('"state":"created"')).toBe(true);
    expect((await send(own())).status).toBe(200);
  });

  it("is in the cookie only: an id in the URL, and another id, are none", async () => {
    const { cookie } = await logIn();
    const id = cookie.split("=")[1] ?? "";
    for (const path of [`/api/v1/vm/list?session=${id}`, `/api/v1/vm/list?bioxen-session=${id}`]) {
      expect((await world.ask(path)).status, path).toBe(401);
    }
    const other = { cookie: `bioxen-session=${"A".repeat(43)}` };
    expect((await world.ask("/api/v1/vm/list", { headers: other })).status).toBe(401);
    expect((await world.ask(`/api/v1/vm/list?token=${tokens["admin"]}`)).status).toBe(401);
  });
});

describe("a token", () => {
  it("ends with its time and with the key of its principal, and so do session and stream", async () => {
    await world.bioxen("auth", "add", "carol", "--role", "observer");
    const token = {
      authorization: `Bearer ${await world.bioxen("auth", "token", "carol", "--expires", "1m")}`,
    };
    const cookie = await logIn("--as", "carol");
    const shown = JSON.parse(await world.bioxen("auth", "show", "carol", "--json"));
    expect(shown.tokens).toHaveLength(1);
    expect(JSON.stringify(shown)).not.toContain("bioxen_");
    expect((await world.ask("/api/v1/vm/list", { headers: token })).status).toBe(200);
    const stream = world.stream("/api/v1/events", token, () => false);
    await world.bioxen("auth", "rotate", "carol");
    await stream;
    for (const headers of [token, cookie]) {
      const answer = await eventually("the grant ends", async () => {
        const { status, headers: got } = await world.ask("/api/v1/vm/list", { headers });
        return status === 401 ? got : undefined;
      });
      expect(answer["www-authenticate"]).toBe("Bearer");
    }
    expect(JSON.parse(await world.bioxen("auth", "show", "carol", "--json")).tokens).toEqual([]);
    await world.bioxen("auth", "revoke", "carol");
    await world.bioxen("auth", "add", "carol", "--role", "admin");
    expect((await world.ask("/api/v1/vm/list", { headers: token })).status).toBe(401);
  });

  it.each(["", "Bearer", "Bearer x", "Basic YWRtaW46YWRtaW4=", `Bearer bioxen_${"A".repeat(43)}`])(
    "is not %j",
    async (authorization) => {
      expect((await world.ask("/api/v1/vm/list", { headers: { authorization } })).status).toBe(401);
    },
  );
});

describe("the documents", () => {
  it("have commands that succeed", async () => {
    const blocks = blocksOf("docs/how-to/http.md").filter(({ language }) => language === "sh");
    expect(blocks.length).toBeGreaterThan(2);
    const shown = await world.shell(blocks.map(({ text }) => text).join("\n"));
    expect(shown).not.toContain('"ok":false');
    expect(shown.match(/"ok":true/g)?.length).toBeGreaterThan(3);
  });
});
