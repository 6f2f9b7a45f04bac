/**
 * The WebSocket listener of a local stack's server: which pages get in, in plain text, with TLS and with mutual TLS.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initCertificates } from "@bioxen/certs";
import { findServerBinary, startServer } from "@bioxen/local-stack";
import { wsconnect } from "@nats-io/transport-node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const ORIGIN = "http://console.example:8080";

let dir: string;
let port: number;
const running: { stop(): Promise<void> }[] = [];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-websocket-"));
  port = await freePort();
});
afterEach(async () => {
  for (const child of running.splice(0)) await child.stop();
  await rm(dir, { recursive: true, force: true });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

type Options = Parameters<typeof startServer>[0];

async function started(more: Pick<Options, "tls" | "websocket">): Promise<string> {
  const binary = await findServerBinary();
  const { child, url } = await startServer({
    binary,
    dataDir: dir,
    port: undefined,
    durability: "relaxed",
    onChange: () => undefined,
    ...more,
  });
  running.push(child);
  return url;
}

interface Page {
  readonly origin?: string;
  /** Name by which the page calls the listener. */
  readonly host?: string;
}

/** Asks for a WebSocket as a page would, and resolves with the status of the answer; 101 when the page gets in. */
function statusFor(
  { origin, host = `127.0.0.1:${port}` }: Page,
  tls?: { readonly ca: string },
): Promise<number> {
  const headers = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
    Host: host,
    ...(origin === undefined ? {} : { Origin: origin }),
  };
  const options = { host: "127.0.0.1", port, path: "/", headers };
  return new Promise((resolve, reject) => {
    const request =
      tls === undefined ? plainRequest(options) : tlsRequest({ ...options, ca: readFileSync(tls.ca) });
    request.once("upgrade", (_response, socket) => {
      socket.destroy();
      resolve(101);
    });
    request.once("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.once("error", reject);
    request.end();
  });
}

describe("a WebSocket listener", () => {
  const websocket = () => ({ port, allowedOrigins: [ORIGIN, "https://other.example"] });

  it("admits pages of the allowed origins only, and refuses all others with 403", async () => {
    await started({ websocket: websocket() });
    for (const origin of [ORIGIN, "https://other.example", "https://other.example:443"])
      expect([origin, await statusFor({ origin })]).toEqual([origin, 101]);
    const others = [
      "http://evil.example",
      "https://console.example:8080",
      "http://console.example",
      "http://console.example:8080.evil.example",
      "http://sub.console.example:8080",
      `http://127.0.0.1:${port}`,
      "null",
    ];
    for (const origin of others) expect([origin, await statusFor({ origin })]).toEqual([origin, 403]);
  });

  it("refuses a page whose host name was pointed to this machine (DNS rebinding)", async () => {
    await started({ websocket: websocket() });
    const host = `evil.example:${port}`;
    expect(await statusFor({ host, origin: `http://${host}` })).toBe(403);
  });

  it("admits a program without an origin, which is no browser", async () => {
    await started({ websocket: websocket() });
    expect(await statusFor({})).toBe(101);
    const connection = await wsconnect({ servers: `ws://127.0.0.1:${port}`, reconnect: false });
    const heard = connection.subscribe("greeting", { max: 1 });
    connection.publish("greeting", "hello");
    for await (const message of heard) expect(message.string()).toBe("hello");
    await connection.close();
  });

  it("is on the loopback interface only, and has no origin-free form", async () => {
    await started({ websocket: websocket() });
    const configuration = await readFile(join(dir, "nats-server.conf"), "utf8");
    expect(configuration).toContain(`listen: "127.0.0.1:${port}"`);
    await running.pop()?.stop();
    await expect(started({ websocket: { port, allowedOrigins: [] } })).rejects.toThrow(
      "needs an allowed origin",
    );
  });

  it("refuses a port that is in use", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
    await expect(started({ websocket: websocket() })).rejects.toMatchObject({
      code: "CONFLICT",
      message: `port ${port} is in use: choose another with --websocket`,
    });
    other.close();
  });

  it("is encrypted on a server with TLS, and asks for a certificate where the server does", async () => {
    const certs = join(dir, "certs");
    await initCertificates({ dir: certs });
    const ca = join(certs, "ca.pem");
    const tls = { cert: join(certs, "server.pem"), key: join(certs, "server.key") };
    const url = await started({ tls, websocket: websocket() });
    expect(url).toMatch(/^tls:/);
    expect(await statusFor({ origin: ORIGIN }, { ca })).toBe(101);
    expect(await statusFor({ origin: "http://evil.example" }, { ca })).toBe(403);
    // The server answers plain text with the 400 of Go's TLS listener.
    expect(await statusFor({ origin: ORIGIN })).toBe(400);
    await running.pop()?.stop();
    await started({ tls: { ...tls, clientAuthority: ca }, websocket: websocket() });
    await expect(statusFor({ origin: ORIGIN }, { ca })).rejects.toThrow();
  });
});

describe("the configuration of the server", () => {
  it("is checked by the server before its start", async () => {
    const [cert, key] = [join(dir, "server.pem"), join(dir, "server.key")];
    await Promise.all([writeFile(cert, "no certificate"), writeFile(key, "no key")]);
    await expect(started({ tls: { cert, key } })).rejects.toMatchObject({
      code: "BAD_REQUEST",
      message: expect.stringMatching(/^nats-server does not accept its configuration: .*certificate/s),
    });
  });
});
