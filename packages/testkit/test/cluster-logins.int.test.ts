/**
 * A cluster that announces its servers to clients, and refuses a login.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findServerBinary } from "@bioxen/local-stack";
import { connectBus } from "@bioxen/nats";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually } from "../src/index.ts";

const SERVERS = 3;
const LOGIN = "ann:secret";

let dir: string;
let clients: number[] = [];
const processes: ChildProcess[] = [];

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once("listening", resolve))));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-logins-"));
  const { path } = await findServerBinary();
  const ports = await freePorts(2 * SERVERS);
  clients = ports.slice(0, SERVERS);
  const routes = ports.slice(SERVERS);
  for (const [i, port] of clients.entries()) {
    const file = join(dir, `n${i}.conf`);
    const urls = routes.map((route) => `nats://127.0.0.1:${route}`).join(", ");
    await writeFile(
      file,
      `server_name: n${i}\nlisten: 127.0.0.1:${port}\nauthorization { user: ann, password: secret }\n` +
        `cluster { name: logins, listen: 127.0.0.1:${routes[i]}, routes: [${urls}] }\n`,
    );
    processes.push(spawn(path, ["-c", file], { stdio: "ignore" }));
  }
}, 60_000);
afterAll(async () => {
  for (const child of processes) child.kill("SIGKILL");
  await rm(dir, { recursive: true, force: true });
});

it("learns the announced servers with a right login, and ends at once with a wrong one", async () => {
  const [first] = clients;
  const url = (login: string) => `nats://${login}127.0.0.1:${first}`;
  await eventually("a client knows all servers of the cluster", async () => {
    const bus = await connectBus({ servers: url(`${LOGIN}@`), name: "known", connectTimeoutMs: 10_000 });
    const known = bus.connection.getServers().length;
    await bus.close();
    return known === SERVERS || undefined;
  });
  for (const login of ["", "ann:wrong@"]) {
    const startedAt = performance.now();
    const refused = connectBus({ servers: url(login), name: "wrong", connectTimeoutMs: 10_000 });
    await expect(refused).rejects.toMatchObject({ code: "UNAVAILABLE", details: { reason: "login" } });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  }
}, 60_000);
