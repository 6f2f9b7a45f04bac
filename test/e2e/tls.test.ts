/**
 * TLS by the command: its certificates, a local stack that encrypts, and how command and library find its authority.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { initCertificates } from "@bioxen/certs";
import { connect } from "@bioxen/client";
import { startLocalStack as startWithClient } from "@bioxen/client/local";
import { ConnectionRefused, connectBus } from "@bioxen/nats";
import { TestServer } from "@bioxen/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { OUTPUTS } from "../../packages/cli/src/output/schemas.ts";
import { freePort } from "../compose/engine.ts";
import { blocksOf, wordsOf } from "../examples/blocks.ts";
import { CLI, type Json } from "./world.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const EXIT_REFUSED = 1;
const EXIT_USAGE = 2;
const EXIT_UNREACHABLE = 3;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let dir: string;
let env: NodeJS.ProcessEnv;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-tls-"));
  env = { ...process.env, BIOXEN_HOME: dir, BIOXEN_CONFIG: join(dir, "config.yaml"), NO_COLOR: "1" };
});
afterAll(() => rm(dir, { recursive: true, force: true }));
afterEach(() => {
  vi.unstubAllEnvs();
});

function node(args: readonly string[], more: NodeJS.ProcessEnv = {}, cwd = dir): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env: { ...env, ...more }, cwd }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

const bioxen = (args: readonly string[], more?: NodeJS.ProcessEnv) => node([CLI, ...args], more);
const json = async (args: readonly string[], more?: NodeJS.ProcessEnv): Promise<Json> => {
  const { code, stdout, stderr } = await bioxen([...args, "--json"], more);
  expect(code, `${args.join(" ")}: ${stdout}${stderr}`).toBe(0);
  return JSON.parse(stdout) as Json;
};

describe("docs/how-to/tls.md", () => {
  it("has commands that make, extend, show and renew certificates", async () => {
    const block = blocksOf("docs/how-to/tls.md").find(({ text }) => text.startsWith("bioxen certs init"));
    const lines = block?.text.trim().split("\n") ?? [];
    expect(lines.map((line) => wordsOf(line).slice(0, 3))).toEqual(
      ["init", "add", "show", "renew"].map((verb) => ["bioxen", "certs", verb]),
    );
    for (const line of lines) {
      const { code, stderr } = await bioxen(wordsOf(line).slice(1));
      expect(code, `${line}: ${stderr}`).toBe(0);
    }
    const shown = await json(["certs", "show", join(dir, "certs")]);
    expect(shown.certificates.map(({ subject }: { subject: string }) => subject).slice(1)).toEqual([
      "nats.example.org",
      "alice",
      "bob",
    ]);
  });

  it("has configurations that the server accepts", async () => {
    const certs = join(dir, "certs");
    const [plain, mutual] = blocksOf("docs/how-to/tls.md").filter(({ language }) => language === "conf");
    const client = { cert: join(certs, "client-alice.pem"), key: join(certs, "client-alice.key") };
    for (const [block, tls] of [
      [plain, {}],
      [mutual, client],
    ] as const) {
      const server = await TestServer.start(block?.text.replaceAll("/etc/nats", certs));
      try {
        const settings = {
          servers: `tls://localhost:${server.port}`,
          tls: { ca: join(certs, "ca.pem"), ...tls },
        };
        await (await connectBus({ ...settings, name: "tls" })).close();
      } finally {
        await server.stop();
      }
    }
  });
});

describe("bioxen certs", () => {
  it("exits with 1 for an existing authority, and with 2 for names that no certificate can have", async () => {
    const out = join(dir, "again");
    expect((await bioxen(["certs", "init", "--out", out])).code).toBe(0);
    const again = await bioxen(["certs", "init", "--out", out]);
    expect(again).toMatchObject({
      code: EXIT_REFUSED,
      stderr: expect.stringContaining("already has ca.pem"),
    });
    const wrong = await bioxen(["certs", "add", out, "--host", "http://x", "--client", "A"]);
    expect(wrong.code).toBe(EXIT_USAGE);
    expect(wrong.stderr).toMatch(/host http:\/\/x: .*\nclient "A": /);
  });
});

describe("a local stack with TLS", () => {
  let up: Json;
  let port: number;
  beforeAll(async () => {
    port = await freePort();
    const listener = ["--websocket", String(port), "--allowed-origin", "http://localhost:8080"];
    up = await json(["up", "--tls", ...listener, "--detach", "--chassis", "ecoli:1"]);
  });
  afterAll(() => bioxen(["down"]));

  it("tells its URLs and its authority, and its keys are the owner's", async () => {
    expect(OUTPUTS["up"]?.schema.parse(up)).toEqual(up);
    expect(up.websocket).toBe(`wss://127.0.0.1:${port}`);
    expect(up.url).toMatch(/^tls:\/\/127\.0\.0\.1:\d+$/);
    const shown = await json(["certs", "show", join(up.data, "certs")]);
    for (const { validity, problems } of shown.certificates)
      expect([validity, problems]).toEqual(["valid", []]);
  });

  it("is found by the command with its authority, also by its URL and beside settings for another server", async () => {
    const other = join(dir, "other");
    await initCertificates({ dir: other });
    const elsewhere = { BIOXEN_NATS_CA: join(other, "ca.pem") };
    for (const args of [[], ["--server", up.url], ["--server", up.url.replace("127.0.0.1", "localhost")]]) {
      for (const more of [{}, elsewhere]) expect((await json(["vm", "ls", ...args], more)).vms).toEqual([]);
    }
    const flag = await bioxen(["vm", "ls", "--ca", join(other, "ca.pem")]);
    expect(flag).toMatchObject({
      code: EXIT_UNREACHABLE,
      stderr: expect.stringMatching(/name the authority that signed it with --ca/),
    });
  });

  it("runs a VM, and doctor reports the certificate", async () => {
    await json(["vm", "create", "tls-1", "--type", "syn3a", "--start"]);
    const { findings } = await json(["doctor"]);
    expect(findings).toContainEqual(
      expect.objectContaining({ check: "certificate authority", verdict: "ok" }),
    );
  });

  it("is found by the library with its authority", async () => {
    vi.stubEnv("BIOXEN_HOME", dir);
    const library = await connect();
    expect(library.bus.servers).toBe(up.url);
    await library.close();
    await (await connect({ servers: up.url })).close();
  });

  it("serves the library in a page over WebSocket", async () => {
    const creds = await readFile(join(up.keysDir, "admin.creds"), "utf8");
    const program = `import { connect } from "@bioxen/client";
const bioxen = await connect({ servers: "wss://127.0.0.1:${port}", creds: ${JSON.stringify(creds)} });
console.log(JSON.stringify((await bioxen.list()).map(({ vmId }) => vmId)));
await bioxen.close();
process.exit(0);`;
    const args = ["--conditions=browser", "--input-type=module", "-e", program];
    const page = await node(args, { NODE_EXTRA_CA_CERTS: up.tls.ca }, ROOT);
    expect(page, page.stderr).toMatchObject({ code: 0 });
    expect(JSON.parse(page.stdout)).toEqual(["tls-1"]);
  });

  it("refuses plain text, and a client without its authority", async () => {
    const without = connectBus({ servers: up.url, name: "tls" });
    await expect(without).rejects.toBeInstanceOf(ConnectionRefused);
    await expect(without).rejects.toThrow("its certificate is not accepted");
  });
});

describe("a local stack with mutual TLS", () => {
  it("serves processes of this machine, and refuses a client without a certificate", async () => {
    const home = join(dir, "mutual");
    const bioxenHere = await startWithClient({ home, tls: "mutual", chassis: "ecoli:1", logLevel: "warn" });
    try {
      expect(await bioxenHere.list()).toEqual([]);
      const record = JSON.parse(await readFile(join(home, "stack.json"), "utf8")) as Json;
      const listed = await json(["vm", "ls"], { BIOXEN_HOME: home });
      expect(listed.vms).toEqual([]);
      const bare = await bioxen(["vm", "ls", "--server", record.url, "--ca", record.tls.ca]);
      expect(bare).toMatchObject({
        code: EXIT_UNREACHABLE,
        stderr: expect.stringContaining("asks for a client certificate"),
      });
    } finally {
      await bioxenHere.close();
    }
  });
});

describe("wrong options of up", () => {
  it.each([
    [["--websocket", "8081"], "--websocket needs --allowed-origin"],
    [["--allowed-origin", "http://localhost:8080"], "--allowed-origin needs --websocket"],
    [["--websocket", "8081", "--allowed-origin", "*"], "must be scheme, host and port of a page"],
    [["--websocket", "8081", "--allowed-origin", "http://a/path"], "must be scheme, host and port of a page"],
    [["--websocket", "8081", "--allowed-origin", "ws://a"], "must be scheme, host and port of a page"],
  ])("%j are refused before anything starts", async (args, words) => {
    const { code, stderr } = await bioxen(["up", ...args, "--data", join(dir, "never")]);
    expect(code).toBe(EXIT_USAGE);
    expect(stderr).toContain(words);
    await expect(readFile(join(dir, "never", "nats-server.conf"))).rejects.toThrow("ENOENT");
  });
});

it("the demo runs over TLS, end to end", async () => {
  const { code, stdout, stderr } = await bioxen(["demo", "--once", "--tls", "--json"]);
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/on tls:\/\/127\.0\.0\.1:\d+/);
  const result = JSON.parse(stdout) as Json;
  expect(result.log.violations).toEqual([]);
  expect(result.cells).toHaveLength(4);
});
