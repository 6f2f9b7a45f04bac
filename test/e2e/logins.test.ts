/**
 * A service, the command line and the library as processes at servers that ask for a login: the right one works, a wrong
 * one ends the process at once, and nothing that leaves a process contains a secret.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Bioxen, connect } from "@bioxen/client";
import { SETTING_VARIABLES } from "@bioxen/nats";
import { TestServer } from "@bioxen/testkit";
import { certificateAuthority } from "@bioxen/testkit/certificates";
import { eventually } from "@bioxen/testkit/eventually";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type GuardedServer,
  guardedServers,
  type Values,
  withPort,
} from "../../packages/testkit/test/guarded-servers.ts";
import { newUser } from "../../packages/testkit/test/nats-identities.ts";
import { blocksOf } from "../examples/blocks.ts";

const LIFECYCLE = fileURLToPath(new URL("../../services/lifecycle/main.ts", import.meta.url));
const CLI = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));
const KINDS = ["user and password", "token", "nkey", "credentials file", "TLS", "mutual TLS"];

interface Ended {
  readonly code: number;
  readonly output: string;
}

let dir: string;
let guarded: readonly GuardedServer[];
const children: ChildProcess[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-e2e-logins-"));
  guarded = await guardedServers(dir);
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await rm(dir, { recursive: true, force: true });
});

/** Returns the environment of a process with these settings, and with no others of a connection. */
function environment(values: Values): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith("BIOXEN_NATS_"));
  const own = Object.entries(values).map(([setting, value]) => [
    SETTING_VARIABLES[setting as keyof Values],
    value,
  ]);
  const quiet = { BIOXEN_HOME: dir, BIOXEN_CONFIG: join(dir, "config.yaml"), NO_COLOR: "1" };
  return { ...Object.fromEntries([...others, ...own]), ...quiet, BIOXEN_LOG_LEVEL: "trace" };
}

/** A lifecycle service as a process. */
class Service {
  readonly child: ChildProcess;
  output = "";
  readonly ready: Promise<boolean>;
  readonly #ended: Promise<number>;

  constructor(values: Values, more: NodeJS.ProcessEnv = {}) {
    const env = { ...environment(values), ...more };
    this.child = spawn(process.execPath, [LIFECYCLE], { env, stdio: ["ignore", "pipe", "pipe", "ipc"] });
    children.push(this.child);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (chunk) => {
        this.output += chunk;
      });
    }
    this.#ended = new Promise((resolve) => this.child.once("close", (code) => resolve(code ?? -1)));
    this.ready = new Promise((resolve) => {
      this.child.once("message", () => resolve(true));
      this.child.once("exit", () => resolve(false));
    });
  }

  async ended(): Promise<Ended> {
    return { code: await this.#ended, output: this.output };
  }
}

function bioxen(values: Values, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], { env: environment(values) }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: stdout + stderr });
    });
  });
}

/** Returns the options of the library for these settings. */
function options({ servers, creds, ca, cert, key }: Values) {
  return {
    ...(servers === undefined ? {} : { servers }),
    ...(creds === undefined ? {} : { creds }),
    ...(ca === undefined ? {} : { tls: { ca, ...(cert && key ? { cert, key } : {}) } }),
  };
}

/** Collects what passes on the bus: events, telemetry, replies, descriptions of services, keys and values. */
function eavesdrop({ bus }: Bioxen): () => string {
  let heard = "";
  for (const subject of ["bioxen.evt.>", "bioxen.tel.>", "_INBOX.>", "$KV.>"]) {
    bus.connection.subscribe(subject, {
      callback: (_error, { subject, data, headers }) => {
        heard += `${subject} ${[...(headers ?? [])].join(" ")} ${new TextDecoder().decode(data)}\n`;
      },
    });
  }
  return () => heard;
}

/** An HTTP server that keeps what is posted to it, as a collector of traces does. */
async function collector() {
  let posted = "";
  const server = createServer((request, response) => {
    request.on("data", (chunk: Buffer) => {
      posted += chunk.toString("latin1");
    });
    request.on("end", () => response.writeHead(200).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    posted: () => posted,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe.each(KINDS)("a server with %s", (kind) => {
  let server: TestServer;
  let guard: GuardedServer;
  beforeAll(async () => {
    const found = guarded.find((one) => one.kind === kind);
    if (found === undefined) throw new Error(`no server with ${kind}`);
    guard = found;
    server = await TestServer.start(guard.configuration);
  });
  afterAll(() => server.stop());

  it("serves a service, the command and the library with the right login, and shows no secret", async () => {
    const values = withPort(guard.right, server.port);
    const service = new Service(values);
    expect(await service.ready, service.output).toBe(true);
    const [status, library] = await Promise.all([
      bioxen(values, "status", "--json"),
      connect(options(values)),
    ]);
    const { server: found, services } = JSON.parse(status.output);
    const scheme = guard.right.servers?.split(":")[0];
    expect(found.url).toBe(`${scheme}://127.0.0.1:${server.port}`);
    expect(services[0]).toMatchObject({ name: "lifecycle", ready: true });
    expect(await library.list()).toEqual([]);
    await library.close();
    service.child.kill("SIGTERM");
    expect(await service.ended()).toMatchObject({ code: 0 });
    for (const secret of guard.secrets) expect(service.output + status.output).not.toContain(secret);
  });

  it("ends a service with 78 and the command with 3, at once, for every other login", async () => {
    await Promise.all(
      guard.wrong.map(async ({ what, values, says }) => {
        const own = withPort(values, server.port);
        const startedAtMs = performance.now();
        const [service, command, library] = await Promise.all([
          new Service(own).ended(),
          bioxen(own, "vm", "ls", "--json"),
          connect(options(own)).catch((thrown: unknown) => thrown as Error),
        ]);
        expect(service, what).toMatchObject({ code: 78 });
        expect(command, what).toMatchObject({ code: 3 });
        expect(library, what).toMatchObject({ code: "UNAVAILABLE", retryable: false });
        // A service waits up to 30 s for a server that is away, but not for one that refuses.
        expect(performance.now() - startedAtMs).toBeLessThan(25_000);
        for (const text of says) {
          expect(service.output, what).toMatch(text);
          expect(command.output, what).toMatch(text);
        }
        const everything = `${service.output} ${command.output} ${(library as Error).stack}`;
        for (const secret of guard.secrets) expect(everything).not.toContain(secret);
      }),
    );
  });
});

it("nothing that leaves a process has a password: logs, commands, bus, metrics, traces, arguments", async () => {
  const guard = guarded[0] as GuardedServer;
  const server = await TestServer.start(guard.configuration);
  const traces = await collector();
  try {
    const values = withPort(guard.right, server.port);
    const service = new Service(values, { OTEL_EXPORTER_OTLP_ENDPOINT: traces.url });
    expect(await service.ready, service.output).toBe(true);
    const library = await connect(options(values));
    const heard = eavesdrop(library);
    const create = await bioxen(values, "vm", "create", "guarded", "--type", "syn3a", "--json");
    expect(create, create.output).toMatchObject({ code: 0 });
    const shown = await Promise.all([
      bioxen(values, "status"),
      bioxen(values, "status", "--json"),
      bioxen(values, "doctor", "--json"),
      bioxen(values, "config", "show", "--origin"),
      bioxen(values, "config", "get", "server", "--json"),
      bioxen(values, "events", "tail", "--from", "1", "--no-follow", "--json"),
    ]);
    const { services } = JSON.parse(shown[1].output);
    const metrics = await (await fetch(`${services[0].urls[0]}/metrics`)).text();
    const commandLine = await readFile(`/proc/${service.child.pid}/cmdline`, "utf8");
    await eventually("telemetry of the service was heard", () =>
      heard().includes("bioxen.tel.service.lifecycle") ? true : undefined,
    );
    await library.close();
    service.child.kill("SIGTERM");
    await service.ended();
    const parts = [service.output, create.output, ...shown.map(({ output }) => output), metrics, commandLine];
    const everything = [...parts, heard(), traces.posted()].join("\n");
    for (const expected of [`nats://127.0.0.1:${server.port}`, "bioxen.vm.created.v1", "bioxen_log_applied"])
      expect(everything).toContain(expected);
    expect(traces.posted()).toContain("vm.create");
    for (const secret of guard.secrets) expect(everything).not.toContain(secret);
  } finally {
    traces.close();
    await server.stop();
  }
});

it("a service joins again after the server changed the logins, once its credentials file is replaced", async () => {
  const [before, after] = [newUser(), newUser()];
  const creds = join(dir, "rotated.nk");
  await writeFile(creds, before.seed);
  const configured = (publicKey: string) => `authorization { users: [ { nkey: ${publicKey} } ] }`;
  const server = await TestServer.start(configured(before.publicKey));
  try {
    const values = { servers: server.url, creds };
    const service = new Service(values);
    expect(await service.ready, service.output).toBe(true);
    await server.kill();
    await server.configure(configured(after.publicKey));
    await server.startAgain();
    await eventually("the service reports the refusal", () =>
      service.output.includes(`refused the login of user ${before.publicKey}`) ? true : undefined,
    );
    await writeFile(creds, after.seed);
    await eventually("the service answers again", async () => {
      const listed = await bioxen(values, "vm", "ls", "--json", "--timeout", "3000");
      return listed.code === 0 ? true : undefined;
    });
    service.child.kill("SIGTERM");
    expect(await service.ended()).toMatchObject({ code: 0 });
    for (const { seed } of [before, after]) expect(service.output).not.toContain(seed);
  } finally {
    await server.stop();
  }
});

it("wrong settings end a service with 78 and the command with 2, with every problem at once", async () => {
  const values = {
    servers: "nats://alice:s3cret@h:x",
    creds: join(dir, "absent.creds"),
    ca: join(dir, "absent.pem"),
  };
  const [service, command] = await Promise.all([new Service(values).ended(), bioxen(values, "vm", "ls")]);
  expect([service.code, command.code]).toEqual([78, 2]);
  for (const { output } of [service, command]) {
    expect(output).toContain("BIOXEN_NATS_URL: the URL has no valid host and port");
    expect(output).toContain(`BIOXEN_NATS_CREDS: cannot read ${values.creds}: no such file`);
    expect(output).toContain(`BIOXEN_NATS_CA: cannot read ${values.ca}: no such file`);
    expect(output).not.toContain("s3cret");
  }
  const flags = await bioxen({}, "vm", "ls", "--server", "nats://h", "--cert", "/absent.pem");
  expect(flags).toMatchObject({
    code: 2,
    output: expect.stringContaining("--cert: cannot read /absent.pem"),
  });
});

describe("docs/how-to/credentials.md", () => {
  it("has a configuration with which services and people log in, and others do not", async () => {
    const block = blocksOf("docs/how-to/credentials.md").find(({ language }) => language === "conf");
    const [services, person, stranger] = [newUser(), newUser(), newUser()];
    const authority = certificateAuthority("site authority");
    const { cert, key } = authority.issue({ commonName: "nats", names: ["localhost"] });
    const put = async (name: string, text: string) => {
      await writeFile(join(dir, name), text);
      return join(dir, name);
    };
    const replaced: Readonly<Record<string, string>> = {
      "/etc/nats/server.pem": await put("doc.pem", cert),
      "/etc/nats/server.key": await put("doc.key", key),
      UASERVICES: services.publicKey,
      UAOPERATOR: person.publicKey,
    };
    let configuration = block?.text ?? "";
    for (const [from, to] of Object.entries(replaced)) {
      expect(configuration).toContain(from);
      configuration = configuration.replaceAll(from, to);
    }
    const server = await TestServer.start(configuration.replaceAll(/^(?:listen|jetstream).*$/gm, ""));
    try {
      const own = async (name: string, seed: string): Promise<Values> => ({
        servers: `tls://localhost:${server.port}`,
        ca: await put("doc-ca.pem", authority.ca),
        creds: await put(name, seed),
      });
      const service = new Service(await own("services.nk", services.seed));
      expect(await service.ready, service.output).toBe(true);
      const values = await own("operator.nk", person.seed);
      const flags = Object.entries(values).flatMap(([setting, value]) => [
        setting === "servers" ? "--server" : `--${setting}`,
        value ?? "",
      ]);
      expect((await bioxen({}, "status", ...flags)).output).toMatch(/lifecycle +1 +ready/);
      expect(await bioxen({}, ...flags, "vm", "ls")).toMatchObject({ code: 0 });
      const refused = await bioxen(await own("stranger.nk", stranger.seed), "status");
      expect(refused).toMatchObject({ code: 3, output: expect.stringContaining("refused the login") });
      service.child.kill("SIGTERM");
      await service.ended();
    } finally {
      await server.stop();
    }
  });
});
