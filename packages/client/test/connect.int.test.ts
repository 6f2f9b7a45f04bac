/**
 * The server of a program that names none: the environment, else the local stack, as for the `bioxen` command.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { TestServer } from "@bioxen/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from "vitest";
import { connect } from "../src/index.ts";

let server: TestServer;
let home: string;
beforeAll(async () => {
  server = await TestServer.start();
  home = await mkdtemp(join(tmpdir(), "bioxen-connect-"));
});
afterAll(async () => {
  await server.stop();
  await rm(home, { recursive: true, force: true });
});
beforeEach(() => {
  vi.stubEnv("BIOXEN_NATS_URL", "");
  vi.stubEnv("BIOXEN_HOME", home);
});
afterEach(() => vi.unstubAllEnvs());

async function connectedUrl(): Promise<string> {
  const bioxen = await connect();
  const url = `nats://${bioxen.bus.connection.getServer()}`;
  await bioxen.close();
  return url;
}

it("is that of BIOXEN_NATS_URL", async () => {
  vi.stubEnv("BIOXEN_NATS_URL", server.url);
  expect(await connectedUrl()).toBe(server.url);
});

it("is that of the local stack, if the process that wrote its pointer still runs", async () => {
  await writeFile(join(home, "stack.json"), JSON.stringify({ url: server.url, pid: process.pid }));
  expect(await connectedUrl()).toBe(server.url);
  // This pid is above the kernel's limit, so that no process has it.
  await writeFile(join(home, "stack.json"), JSON.stringify({ url: server.url, pid: 2 ** 22 + 1 }));
  await expect(connect()).rejects.toMatchObject({ code: "UNAVAILABLE", retryable: false });
});

it("is refused with every problem of the options, and at once when it refuses the login", async () => {
  const wrong = connect({ servers: "nats://alice:s3cret@h:x", creds: "/absent.creds", domain: "a.b" });
  await expect(wrong).rejects.toMatchObject({
    code: "BAD_REQUEST",
    details: { problems: [{ path: "servers" }, { path: "creds" }, { path: "domain" }] },
  });
  const guarded = await TestServer.start(`authorization { users: [ { user: alice, password: "s3cret" } ] }`);
  try {
    const url = (login: string) => `nats://${login}@127.0.0.1:${guarded.port}`;
    await expect(connect({ servers: url("alice:wr0ng") })).rejects.toMatchObject({
      code: "UNAVAILABLE",
      retryable: false,
      details: { reason: "login" },
      message: expect.stringMatching(/refused the login of user alice: check user and password in servers$/),
    });
    vi.stubEnv("BIOXEN_NATS_URL", url("alice:s3cret"));
    const bioxen = await connect();
    expect(inspect(bioxen, { depth: 9, showHidden: true })).not.toContain("s3cret");
    expect(bioxen.bus.servers).toBe(`nats://127.0.0.1:${guarded.port}`);
    await bioxen.close();
  } finally {
    await guarded.stop();
  }
});
