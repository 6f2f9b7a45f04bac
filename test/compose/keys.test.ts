/**
 * The keys of the compose stack: it comes up from nothing with a key for each process, lets in only users with a key, and
 * shows no secret. Without keys, and with them again, it goes on with its log.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { connect } from "@bioxen/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort, whyNoEngine } from "./engine.ts";
import { ComposeProject, PROJECT } from "./project.ts";

const AGENT = "suite";
const CORE = ["lifecycle", "allocator", "chassis-scheduler", "monitor", "experiments"];
const PRINT_KEY = "fs.readFileSync('/run/key/nats.creds', 'utf8')";
/** Each process with the name of its key and the account of the server in which it works. */
const PROCESSES = [
  ...CORE.map((name) => ({ name, key: `services/${name}`, account: `S-${name}`, others: [] })),
  { name: "chassis-agent", key: `agents/${AGENT}`, account: `A-${AGENT}`, others: [] },
  { name: "gateway", key: "services/gateway", account: "GATEWAY", others: ["gateway-keys"] },
];

const whyNot = await whyNoEngine();
if (whyNot !== undefined) console.log(`the compose stack with keys is skipped: ${whyNot}`);

describe.skipIf(whyNot !== undefined)("the compose stack with keys", () => {
  let dir: string;
  let project: ComposeProject;
  let servers: string;
  let admin: string;
  let api: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "bioxen-compose-keys-"));
    const variables = { BIOXEN_AGENT_ID: AGENT, BIOXEN_CONSOLE_PORT: String(await freePort()) };
    project = new ComposeProject(await freePort(), variables);
    api = `http://127.0.0.1:${variables.BIOXEN_CONSOLE_PORT}`;
    servers = `nats://127.0.0.1:${project.port}`;
    await project.compose("down", "--volumes", "--remove-orphans");
    await project.up();
    admin = await project.copyKeys(dir);
  }, 300_000);
  afterAll(async () => {
    await project?.compose("down", "--volumes", "--remove-orphans");
    await rm(dir, { recursive: true, force: true });
  });

  /** Runs a command as the admin on the host, and returns its JSON. */
  async function asAdmin(...args: string[]) {
    const words = [...args, "--server", servers, "--creds", admin, "--timeout", "30000", "--json"];
    const { code, stdout, stderr } = await project.bioxen(...words);
    expect(code, `bioxen ${args.join(" ")}: ${stdout}${stderr}`).toBe(0);
    return JSON.parse(stdout);
  }

  /** The content of each file with a secret, by its path in the directory of the keys. */
  async function keysAndPasswords(): Promise<ReadonlyMap<string, string>> {
    const keys = join(dir, "keys");
    const found = await readdir(keys, { recursive: true });
    const secrets = new Map<string, string>();
    for (const path of found.filter((name) => name.endsWith(".creds"))) {
      const text = await readFile(join(keys, path), "utf8");
      secrets.set(path.replace(/\.creds$/, ""), /\bSU\w{56}\b/.exec(text)?.[0] ?? "");
    }
    secrets.set("password", JSON.parse(await readFile(join(keys, "admin.json"), "utf8")).password);
    return secrets;
  }

  it("runs the life of a VM with the key of the admin, in a container and on the host", async () => {
    await project.inContainer("vm", "create", "c1", "--type", "syn3a", "--start", "--timeout", "30000");
    const { stdout } = await project.bioxen("env", "--server", servers, "--creds", admin);
    expect(stdout).toContain(`export BIOXEN_NATS_CREDS=`);
    for (const step of ["pause", "resume", "stop", "destroy"]) await asAdmin("vm", step, "c1");
    const { events } = await asAdmin("vm", "history", "c1");
    for (const principal of ["admin", `agent:${AGENT}`])
      expect(JSON.stringify(events)).toContain(`"principal":"${principal}"`);
    const bioxen = await connect({ servers, creds: admin });
    expect(await bioxen.vm("c1").history()).toHaveLength(events.length);
    await bioxen.close();
    expect(await asAdmin("status")).toMatchObject({ auth: "external" });
  });

  it("refuses a client without a key", async () => {
    await expect(connect({ servers })).rejects.toMatchObject({ details: { reason: "login" } });
    const { code, stderr } = await project.bioxen("vm", "ls", "--server", servers);
    expect({ code, stderr }).toMatchObject({ code: 3, stderr: expect.stringContaining("--creds") });
  });

  it("gives each process a key of its own, and the admin's to none of them", async () => {
    const secrets = await keysAndPasswords();
    expect(new Set(secrets.values()).size).toBe(secrets.size);
    for (const { name, key, others } of PROCESSES) {
      const held = await project.compose("exec", "-T", name, "node", "-p", PRINT_KEY);
      expect(held, name).toContain(secrets.get(key));
      const inspected = await promisify(execFile)("docker", ["inspect", `${PROJECT}-${name}-1`]);
      const [{ Mounts: mounts }] = JSON.parse(inspected.stdout);
      const volumes = mounts.flatMap(({ Type, Name }: { Type: string; Name: string }) =>
        Type === "volume" ? [Name] : [],
      );
      const own = [...others, `key-${name}`].map((volume) => `${PROJECT}_${volume}`);
      expect(volumes.toSorted(), name).toEqual(own);
    }
    const wget = ["exec", "-T", "nats", "wget", "-q", "-O", "-", "http://127.0.0.1:8222/connz?auth=1"];
    const { connections } = JSON.parse(await project.compose(...wget));
    const accounts = connections.map(({ name, account }: { name: string; account: string }) => [
      name,
      account,
    ]);
    for (const { name, account } of PROCESSES) {
      const own = accounts.filter(([connection]: [string]) => connection === `bioxen-${name}`);
      expect(own.length, name).toBeGreaterThan(0);
      expect(own).toEqual(own.map(() => [`bioxen-${name}`, account]));
    }
  });

  it("shows no secret in descriptions of containers, in the configuration and in logs", async () => {
    const run = promisify(execFile);
    const { stdout: ids } = await run("docker", [
      ...["ps", "--all", "--quiet", "--filter"],
      `label=com.docker.compose.project=${PROJECT}`,
    ]);
    const containers = ids.trim().split("\n");
    expect(containers.length).toBeGreaterThanOrEqual(PROCESSES.length + 3);
    const texts = {
      inspect: (await run("docker", ["inspect", ...containers])).stdout,
      config: await project.compose("--profile", "cli", "config"),
      logs: await project.compose("logs", "--no-color"),
    };
    expect(texts.logs).toContain("keys are in /keys");
    const secrets = await keysAndPasswords();
    expect(secrets.size).toBeGreaterThan(10);
    for (const [where, text] of Object.entries(texts)) {
      const shown = [...secrets].filter(([, secret]) => text.includes(secret)).map(([name]) => name);
      expect(shown, where).toEqual([]);
    }
  });

  it("lets in a user that is added while it runs", async () => {
    await project.compose(
      ...["run", "--rm", "-T", "keys", "auth", "add", "alice", "--role", "tenant", "--keys", "/keys"],
    );
    for (let i = 0; i < 2; i += 1) await project.compose("kill", "--signal", "SIGHUP", "nats");
    await project.copyKeys(join(dir, "later"));
    const creds = join(dir, "later", "keys", "alice.creds");
    const alice = await connect({ servers, creds });
    await alice.createBioVm("alice-1", "minimal_cell");
    expect((await alice.list()).map(({ owner }) => owner)).toEqual(["alice"]);
    await alice.close();
  });

  it("serves the HTTP API to clients with a token, and the console, at its port only", async () => {
    const words = [
      "run",
      "--rm",
      "-T",
      "keys",
      "auth",
      "token",
      "alice",
      "--expires",
      "12h",
      "--keys",
      "/keys",
    ];
    const token = (await project.compose(...words)).trim();
    const list = (headers: Record<string, string>) => fetch(`${api}/api/v1/vm/list`, { headers });
    expect((await list({})).status).toBe(401);
    const answer = await list({ authorization: `Bearer ${token}` });
    expect([answer.status, await answer.json()]).toMatchObject([200, { vms: [{ vmId: "alice-1" }] }]);
    const page = await fetch(api);
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining("<script")]);
    const rebound = await fetch(api.replace("127.0.0.1", "127.0.0.2")).catch(() => undefined);
    expect(rebound?.status ?? 403).toBe(403);
  });

  it("keeps keys and log when its containers are removed", async () => {
    const before = await asAdmin("vm", "history", "c1");
    await project.compose("down");
    await project.up();
    expect(await asAdmin("vm", "history", "c1")).toEqual(before);
    const again = await project.copyKeys(join(dir, "again"));
    expect(await readFile(again, "utf8")).toBe(await readFile(admin, "utf8"));
  });

  it("goes on with its log without keys, and with the same keys after that", async () => {
    const before = await asAdmin("vm", "history", "c1");
    await project.with("docker-compose.open.yml").up();
    const bioxen = await connect({ servers });
    await bioxen.createBioVm("open-1", "minimal_cell");
    expect((await bioxen.vm("alice-1").status()).owner).toBe("alice");
    await bioxen.close();
    await project.up();
    await expect(connect({ servers })).rejects.toMatchObject({ details: { reason: "login" } });
    expect(await asAdmin("vm", "history", "c1")).toEqual(before);
    expect((await asAdmin("vm", "show", "open-1")).vm.state).toBe("created");
    expect((await asAdmin("events", "verify")).violations).toEqual([]);
  });
});
