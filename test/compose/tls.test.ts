/**
 * docker-compose.tls.yml: every process of the stack and of the cluster connects with TLS, and the server accepts no
 * client without its authority.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initCertificates } from "@bioxen/certs";
import { connect } from "@bioxen/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort, whyNoEngine } from "./engine.ts";
import { ComposeProject } from "./project.ts";

const SERVERS = ["nats", "nats-1", "nats-2", "nats-3"];
/** Containers that connect to no NATS server. */
const UNCONNECTED = ["fake-pool", "keys", "cluster-keys"];

interface ComposeService {
  readonly environment?: Readonly<Record<string, string>>;
  readonly secrets?: readonly { readonly source: string }[];
}

const whyNot = await whyNoEngine();
if (whyNot !== undefined) console.log(`the compose stack with TLS is skipped: ${whyNot}`);

describe.skipIf(whyNot !== undefined)("the compose stack with TLS", () => {
  let dir: string;
  let certs: string;
  let project: ComposeProject;
  const compose = (...args: string[]) => project.compose(...args);

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "bioxen-compose-tls-"));
    certs = join(dir, "certs");
    const files = ["docker-compose.yml", "docker-compose.tls.yml"];
    project = new ComposeProject(
      await freePort(),
      { BIOXEN_CERTS: certs, BIOXEN_CONSOLE_PORT: String(await freePort()) },
      files,
    );
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

  it("serves clients with its authority and a key, in containers and on the host, and refuses others", async () => {
    await project.up("nats", "lifecycle");
    const admin = await project.copyKeys(dir);
    const servers = `tls://127.0.0.1:${project.port}`;
    const tls = { ca: join(certs, "ca.pem") };
    const bioxen = await connect({ servers, tls, creds: admin });
    expect(await bioxen.list()).toEqual([]);
    await bioxen.close();
    await expect(connect({ servers, creds: admin })).rejects.toThrow("its certificate is not accepted");
    await expect(connect({ servers, tls })).rejects.toMatchObject({ details: { reason: "login" } });
    const listed = await project.inContainer("vm", "ls", "--json");
    expect(JSON.parse(listed)).toMatchObject({ ok: true, vms: [] });
    expect(JSON.parse(await readFile(join(dir, "keys", "admin.json"), "utf8"))).toMatchObject({
      url: servers,
    });
  });

  it("has three servers that form a cluster over TLS", async () => {
    // A server is healthy once it has joined the others.
    await project.up("nats-1", "nats-2", "nats-3");
    await compose("rm", "--stop", "--force", "nats-1", "nats-2", "nats-3");
  });
});
