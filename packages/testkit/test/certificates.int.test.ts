/**
 * The certificates of `@bioxen/certs` at a real server and at other TLS libraries, and the words for each certificate
 * that is refused.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkServerIdentity, connect as connectTls, createServer, type TLSSocket } from "node:tls";
import { addCertificates, DAY_MS, initCertificates } from "@bioxen/certs";
import { type BusOptions, ConnectionRefused, connectBus } from "@bioxen/nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { certificateAuthority } from "../src/certificates.ts";
import { TestServer } from "../src/index.ts";

/** Longest time of a refused connection, ms: less than its deadline of 10 s, because a retry would not help. */
const REFUSED_WITHIN_MS = 8_000;

let parent: string;
let own: string;
let other: string;
/** Its certificates expired yesterday, and its authority is valid. */
let expired: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "bioxen-certificates-"));
  own = join(parent, "own");
  other = join(parent, "other");
  expired = join(parent, "expired");
  await initCertificates({ dir: own, hosts: ["nats.example"], clients: ["bob"] });
  await initCertificates({ dir: other, clients: ["bob"] });
  await initCertificates({ dir: expired, clients: ["bob"], days: 1, nowMs: Date.now() - 2 * DAY_MS });
});
afterAll(() => rm(parent, { recursive: true, force: true }));

const serverTls = (dir: string, more = "") =>
  `tls { cert_file: "${join(dir, "server.pem")}", key_file: "${join(dir, "server.key")}"${more} }`;
const mutualTls = (dir: string) => serverTls(dir, `, ca_file: "${join(dir, "ca.pem")}", verify: true`);
const client = (dir: string, name = "bob") => ({
  cert: join(dir, `client-${name}.pem`),
  key: join(dir, `client-${name}.key`),
});

/** Connects, and returns the sentence of the refusal; undefined when the server accepts. */
async function refusalOf(options: Omit<BusOptions, "name">): Promise<string | undefined> {
  const startedAtMs = performance.now();
  const result = await connectBus({ ...options, name: "certificates" }).catch((cause: unknown) => cause);
  if (!(result instanceof Error)) {
    await (result as { close(): Promise<void> }).close();
    return undefined;
  }
  expect(result).toBeInstanceOf(ConnectionRefused);
  expect(performance.now() - startedAtMs).toBeLessThan(REFUSED_WITHIN_MS);
  expect(result.message).not.toContain("\n");
  return result.message;
}

/** Starts a server with this configuration, and returns the refusal, if any, of a connection with each of the options. */
async function answers(
  configuration: string,
  all: readonly { readonly host: string; readonly tls: BusOptions["tls"] }[],
): Promise<(string | undefined)[]> {
  const server = await TestServer.start(configuration);
  try {
    const said: (string | undefined)[] = [];
    for (const { host, tls } of all)
      said.push(await refusalOf({ servers: `tls://${host}:${server.port}`, tls }));
    return said;
  } finally {
    await server.stop();
  }
}

describe("a nats-server with TLS", () => {
  it("is accepted by each name of its certificate", async () => {
    const tls = { ca: join(own, "ca.pem") };
    const hosts = ["127.0.0.1", "localhost"];
    expect(
      await answers(
        serverTls(own),
        hosts.map((host) => ({ host, tls })),
      ),
    ).toEqual([undefined, undefined]);
  });

  it("is refused in one sentence when its certificate is of another authority, expired, or for another host", async () => {
    const [unknown] = await answers(serverTls(own), [
      { host: "127.0.0.1", tls: { ca: join(other, "ca.pem") } },
    ]);
    expect(unknown).toMatch(
      /its certificate is not accepted \(.+\): name the authority that signed it with tls\.ca$/,
    );
    const [late] = await answers(serverTls(expired), [
      { host: "127.0.0.1", tls: { ca: join(expired, "ca.pem") } },
    ]);
    expect(late).toMatch(/\(certificate has expired\): renew the certificate of the server$/);
    const elsewhere = certificateAuthority("elsewhere");
    const { cert, key } = elsewhere.issue({ commonName: "nats", names: ["nats.example"] });
    await mkdir(join(parent, "elsewhere"));
    await writeFile(join(parent, "elsewhere", "server.pem"), cert);
    await writeFile(join(parent, "elsewhere", "server.key"), key);
    const [named] = await answers(serverTls(join(parent, "elsewhere")), [
      { host: "127.0.0.1", tls: { ca: elsewhere.ca } },
    ]);
    expect(named).toMatch(/127\.0\.0\.1 .+: name the server in servers as its certificate does$/);
  });
});

describe("a nats-server with mutual TLS", () => {
  it("accepts its clients, and refuses the others in one sentence", async () => {
    const host = "127.0.0.1";
    const ca = join(own, "ca.pem");
    await addCertificates({ dir: own, clients: ["late"], days: 1, nowMs: Date.now() - 2 * DAY_MS });
    const said = await answers(mutualTls(own), [
      { host, tls: { ca, ...client(own) } },
      { host, tls: { ca } },
      { host, tls: { ca, ...client(other) } },
      { host, tls: { ca, ...client(own, "late") } },
    ]);
    expect(said).toEqual([
      undefined,
      expect.stringMatching(
        /asks for a client certificate: name certificate and key with tls\.cert and tls\.key$/,
      ),
      expect.stringMatching(/ended the TLS handshake \(.+\): check the client certificate of tls\.cert$/),
      expect.stringMatching(
        /ended the TLS handshake \(.*expired.*\): check the client certificate of tls\.cert$/,
      ),
    ]);
  });
});

describe("other TLS libraries", () => {
  it("Node accepts both certificates, and the name of the client", async () => {
    const pem = (dir: string, name: string) => readFileSync(join(dir, name), "utf8");
    const server = createServer({
      ca: pem(own, "ca.pem"),
      cert: pem(own, "server.pem"),
      key: pem(own, "server.key"),
      requestCert: true,
      rejectUnauthorized: true,
    });
    const peer = new Promise<TLSSocket>((resolve) => server.once("secureConnection", resolve));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const { cert, key } = client(own);
    const socket = connectTls({
      host: "127.0.0.1",
      port,
      servername: "nats.example",
      ca: pem(own, "ca.pem"),
      cert: readFileSync(cert),
      key: readFileSync(key),
      checkServerIdentity,
    });
    const accepted = await peer;
    expect([accepted.authorized, accepted.getPeerCertificate().subject.CN]).toEqual([true, "bob"]);
    socket.destroy();
    accepted.destroy();
    server.close();
  });

  it("openssl verifies the chain, the purpose and the names strictly", () => {
    const verify = (file: string, ...more: string[]) => {
      const args = ["verify", "-x509_strict", "-CAfile", join(own, "ca.pem"), ...more, join(own, file)];
      return execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    };
    expect(verify("server.pem", "-purpose", "sslserver", "-verify_hostname", "nats.example")).toContain(
      ": OK",
    );
    expect(verify("server.pem", "-purpose", "sslclient", "-verify_ip", "::1")).toContain(": OK");
    expect(verify("client-bob.pem", "-purpose", "sslclient")).toContain(": OK");
    expect(() => verify("client-bob.pem", "-purpose", "sslserver")).toThrow(
      /unsuitable certificate purpose|unsupported certificate purpose/,
    );
    expect(() => verify("server.pem", "-verify_hostname", "other.example")).toThrow(/hostname mismatch/i);
  });
});
