/**
 * docker-compose.tls.yml: every process of the stack and of the cluster connects with TLS, and the server accepts no
 * client without its authority.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { initCertificates } from "@bioxen/certs";
import { connect } from "@bioxen/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort, whyNoEngine } from "./engine.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** The compose project. `lane.sh` removes what a killed test leaves by this label. */
const PROJECT = "bioxen-suite";
const FILES = ["--file", "docker-compose.yml", "--file", "docker-compose.tls.yml"];
const SERVERS = ["nats", "nats-1", "nats-2", "nats-3"];
/** Services that connect to no NATS server. */
const UNCONNECTED = ["fake-pool"];

interface ComposeService {
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly { readonly source: string }[];
}

const whyNot = await whyNoEngine();
if (whyNot !== undefined) console.log(`the compose stack with TLS is skipped: ${whyNot}`);

describe.skipIf(whyNot !== undefined)("the compose stack with TLS", () => {
  let dir: string;
  let certs: string;
  let port: number;

  async function compose(...args: string[]): Promise<string> {
    const env = { ...process.env, BIOXEN_CERTS: certs, BIOXEN_NATS_PORT: String(port) };
    const words = ["compose", "--project-name", PROJECT, ...FILES, ...args];
    return (await promisify(execFile)("docker", words, { cwd: ROOT, env })).stdout;
  }

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "bioxen-compose-tls-"));
    certs = join(dir, "certs");
    port = await freePort();
    await initCertificates({ dir: certs, hosts: SERVERS });
  });
  afterAll(async () => {
    await compose("down", "--volumes", "--remove-orphans");
    await rm(dir, { recursive: true, force: true });
  });

  it.each(["cli", "xcpng", "cluster"])(
    "gives the authority to all clients of profile %s",
    async (profile) => {
      const { services } = JSON.parse(await compose("--profile", profile, "config", "--format", "json")) as {
        readonly services: Readonly<Record<string, ComposeService>>;
      };
      const clients = Object.entries(services).filter(
        ([name]) => !SERVERS.includes(name) && !UNCONNECTED.includes(name),
      );
      expect(clients.length).toBeGreaterThan(4);
      for (const [name, { environment = {}, secrets = [] }] of clients) {
        const urls = environment["BIOXEN_NATS_URL"]?.split(",") ?? [];
        expect(
          urls.filter((url) => !url.startsWith("tls://nats")),
          name,
        ).toEqual([]);
        expect(environment["BIOXEN_NATS_CA"], name).toBe("/run/secrets/nats-ca");
        expect(
          secrets.map(({ source }) => source),
          name,
        ).toEqual(["nats-ca"]);
      }
    },
  );

  it("serves clients with its authority, in containers and on the host, and refuses others", async () => {
    await compose("up", "--detach", "--wait", "--wait-timeout", "240", "nats", "lifecycle");
    const servers = `tls://127.0.0.1:${port}`;
    const bioxen = await connect({ servers, tls: { ca: join(certs, "ca.pem") } });
    expect(await bioxen.list()).toEqual([]);
    await bioxen.close();
    await expect(connect({ servers })).rejects.toThrow("its certificate is not accepted");
    const listed = await compose("run", "--rm", "-T", "cli", "vm", "ls", "--json");
    expect(JSON.parse(listed)).toMatchObject({ ok: true, vms: [] });
  });

  it("has three servers that form a cluster over TLS", async () => {
    // A server is healthy once it has joined the others.
    await compose("up", "--detach", "--wait", "--wait-timeout", "240", "nats-1", "nats-2", "nats-3");
    await compose("rm", "--stop", "--force", "nats-1", "nats-2", "nats-3");
  });
});
