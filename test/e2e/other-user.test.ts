/**
 * A stack of one user, attacked by another local user without read access to the first one's home: it gets nothing from
 * NATS and no file, and what the stack's other ports show it holds no id, no label and no secret.
 */
import { execFile } from "node:child_process";
import { chmod, readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { connect } from "@bioxen/client";
import { findLocalStack } from "@bioxen/nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { World } from "./world.ts";

/** A user id that owns no file and no process. */
const OTHER_UID = 65_534;
/** A process changes its user only as root; CI and containers are root. */
const isRoot = process.getuid?.() === 0;
const VM = "cell-of-the-owner";
const LABEL = "label-of-the-owner";
const AGENT = "agent-of-the-owner";
const CHASSIS = "ecoli-1";
const TENANT = "tenant-of-the-owner";
const HTTP_PATHS = [
  "/",
  "/health",
  "/ready",
  "/metrics",
  "/metrics/vms",
  "/varz",
  "/connz?auth=1&subs=1",
  "/jsz?streams=1",
  "/subsz?subs=1",
];

let world: World;
beforeAll(async () => {
  process.env["BIOXEN_AGENT_ID"] = AGENT;
  world = await World.open({
    chassis: "ecoli:1",
    websocket: { port: 0, allowedOrigins: ["http://localhost"] },
  });
  await world.done("cmd.vm.create", { vmId: VM, biologicalType: "syn3a", labels: { team: LABEL } });
  await world.done("cmd.vm.start", { vmId: VM });
  await world.reach(VM, "running");
  await world.sample(VM);
  await world.done("cmd.quota.set", { label: `team=${LABEL}`, resources: { ribosomes: 10_000 } });
  await world.bioxenJson("auth", "add", TENANT, "--role", "tenant");
  const login = ["--creds", await keyFile(`${TENANT}.creds`)];
  const refused = await world.bioxen("vm", "create", "of-another", "--type", "syn3a", ...login);
  expect(refused, "lifecycle counts this refusal").toMatchObject({ code: 1 });
});
afterAll(async () => {
  delete process.env["BIOXEN_AGENT_ID"];
  await world.close();
});

async function keyFile(name: string): Promise<string> {
  return join((await findLocalStack(world.home))?.keysDir ?? "", name);
}

/** Addresses of the monitoring ports of all services. */
async function monitoringUrls(): Promise<string[]> {
  const { services } = await world.bioxenJson("status");
  return services.flatMap(({ urls }: { urls: string[] }) => urls);
}

/** Runs a program as the other user; returns what it prints. */
async function asOther(program: string, args: readonly string[] = []): Promise<string> {
  const script = `process.setgroups([]); process.setgid(${OTHER_UID}); process.setuid(${OTHER_UID});\n${program}`;
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", script, "--", ...args], { cwd: "/" });
  return stdout;
}

/** Ports on which the stack's processes listen. */
async function portsOf(pids: readonly number[]): Promise<number[]> {
  const inodes = new Set<string>();
  for (const pid of pids) {
    for (const fd of await readdir(`/proc/${pid}/fd`)) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
      const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? [];
      if (inode !== undefined) inodes.add(inode);
    }
  }
  const tables = await Promise.all(["tcp", "tcp6"].map((name) => readFile(`/proc/net/${name}`, "utf8")));
  const LISTEN = "0A";
  return tables.flatMap((table) =>
    table
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === LISTEN && inodes.has(fields[9] ?? ""))
      .map((fields) => Number.parseInt(fields[1]?.split(":")[1] ?? "", 16)),
  );
}

describe.skipIf(!isRoot)("another user of the machine", () => {
  it("is not let in by NATS, without a login and with guessed ones", async () => {
    const program = `
      const { connect } = require("node:net");
      const [, port] = process.argv;
      const logins = [{}, { user: "admin" }, { user: "admin", pass: "admin" }, { user: "admin", pass: "" }, { auth_token: "bioxen" }];
      const tried = logins.map((login) => new Promise((resolve) => {
        let heard = "";
        const socket = connect(Number(port), "127.0.0.1");
        socket.on("data", (chunk) => { heard += chunk; });
        socket.on("close", () => resolve(heard));
        socket.on("error", () => resolve(heard));
        const lines = ["CONNECT " + JSON.stringify({ verbose: false, ...login }), "SUB > 1", "PUB bioxen.qry.vm.list _INBOX.x 2", "{}", "PING", ""];
        socket.on("connect", () => socket.write(lines.join("\\r\\n")));
        setTimeout(() => socket.destroy(), 5_000).unref();
      }));
      Promise.all(tried).then((all) => console.log(JSON.stringify(all)));
    `;
    const heard = JSON.parse(await asOther(program, [new URL(world.url).port])) as string[];
    expect(heard).toHaveLength(5);
    for (const one of heard) {
      expect(one).toContain("-ERR 'Authorization Violation'");
      expect(one).not.toMatch(/PONG|MSG/);
      expect(one).not.toContain(VM);
    }
  });

  it("reads no file of the stack", async () => {
    const stack = await findLocalStack(world.home);
    const program = `
      const { readdirSync, readFileSync } = require("node:fs");
      const { join } = require("node:path");
      const [, ...paths] = process.argv;
      const readable = [];
      const visit = (path) => {
        try { for (const name of readdirSync(path)) visit(join(path, name)); return; } catch (error) { if (error.code !== "ENOTDIR") return; }
        try { readFileSync(path); readable.push(path); } catch {}
      };
      for (const path of paths) visit(path);
      console.log(JSON.stringify(readable));
    `;
    const dataDir = stack?.dataDir ?? "";
    expect(((await stat(dataDir)).mode & 0o777).toString(8)).toBe("700");
    // A directory that the user made before, and in which others may look, as with `--data /srv/bioxen`.
    for (const path of [world.home, dataDir]) await chmod(path, 0o755);
    expect(
      JSON.parse(await asOther(program, [world.home, stack?.dataDir ?? "", stack?.keysDir ?? ""])),
    ).toEqual([]);
    const tried = await asOther(
      `
      const [, path] = process.argv;
      try { require("node:fs").readFileSync(path); console.log("read"); } catch (error) { console.log(error.code); }
    `,
      [join(stack?.keysDir ?? "", "admin.creds")],
    );
    expect(tried.trim()).toBe("EACCES");
  });

  it("finds no id, label or secret on the other ports of the stack", async () => {
    const stack = await findLocalStack(world.home);
    const pids = world.stack.services().flatMap(({ pid }) => pid ?? []);
    const ports = await portsOf(stack?.serverPid == null ? pids : [...pids, stack.serverPid]);
    expect(ports).toContain(Number(new URL(world.url).port));
    const program = `
      const [, paths, ...ports] = process.argv;
      const urls = ports.flatMap((port) => JSON.parse(paths).map((path) => "http://127.0.0.1:" + port + path));
      const get = (url) => fetch(url, { signal: AbortSignal.timeout(3_000) }).then(async (answer) => answer.status + " " + [...answer.headers] + await answer.text(), String);
      Promise.all(urls.map(get)).then((texts) => console.log(JSON.stringify(texts)));
    `;
    const texts = JSON.parse(
      await asOther(program, [JSON.stringify(HTTP_PATHS), ...ports.map(String)]),
    ) as string[];
    expect(texts).toHaveLength(ports.length * HTTP_PATHS.length);
    expect(
      texts.filter((text) => text.startsWith("200 ") && text.includes("bioxen_")).length,
    ).toBeGreaterThan(0);
    const { password } = JSON.parse(await readFile(await keyFile("admin.json"), "utf8"));
    const token = (await readFile(await keyFile("metrics.token"), "utf8")).trim();
    const secrets = [VM, LABEL, CHASSIS, AGENT, TENANT, password, token, "BEGIN USER NKEY SEED"];
    for (const text of texts) {
      for (const secret of secrets) expect(text).not.toContain(secret);
    }
  });

  it("sees numbers, while the token shows the owner's monitoring all of it", async () => {
    const authorization = `Bearer ${(await readFile(await keyFile("metrics.token"), "utf8")).trim()}`;
    const shown = async (path: string, headers: Record<string, string> = {}) => {
      const answers = await Promise.all(
        (await monitoringUrls()).map(async (url) => {
          const answer = await fetch(`${url}${path}`, { headers });
          return `${answer.status} ${await answer.text()}`;
        }),
      );
      return answers.join("\n");
    };
    const open = await shown("/metrics");
    expect(open).toMatch(/^bioxen_vms\{state="running"\} 1$/m);
    expect(open).toMatch(/^bioxen_requests_total\{/m);
    const all = await shown("/metrics", { authorization });
    expect(all).toContain(`quota="team=${LABEL}"`);
    expect(all).toContain(`chassis="${CHASSIS}"`);
    expect(all).toContain(AGENT);
    expect(all).toMatch(new RegExp(`bioxen_principal_refusals_total\\{[^}]*principal="${TENANT}"`));
    expect(await shown("/metrics/vms", { authorization })).toContain(`vm="${VM}"`);
    expect(await shown("/metrics/vms")).toContain("401 unauthorized: send the token of the metrics");
    const wrong = await shown("/metrics", { authorization: "Bearer guessed" });
    expect(wrong).not.toMatch(/^(?!401 |$)/m);
  });

  it("stops nothing for the owner, whose library needs no option", async () => {
    const bioxen = await connect();
    try {
      expect((await bioxen.vm(VM).pause()).owner).toBe("admin");
    } finally {
      await bioxen.close();
    }
    await world.bioxenJson("vm", "resume", VM);
    await world.reach(VM, "running");
  });
});
