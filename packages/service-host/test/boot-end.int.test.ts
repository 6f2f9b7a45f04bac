/**
 * A service ends within the drain deadline at every moment of its boot, also while it waits for a silent server.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { TestServer } from "@bioxen/testkit";
import { eventually } from "@bioxen/testkit/eventually";
import { gaggedServer, muteServer, type SilentServer, stoppedServer } from "@bioxen/testkit/silent-servers";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { DRAIN_DEADLINE_MS } from "../src/process-end.ts";

const SERVICE = fileURLToPath(new URL("./booting-service.testing.ts", import.meta.url));
/** Time for the exit itself on a busy machine, ms. */
const EXIT_GRACE_MS = 3_000;
const MORE_THAN_A_BOOT = Number.MAX_SAFE_INTEGER;

let children: ChildProcess[] = [];
let servers: SilentServer[] = [];
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  for (const server of servers) server.close();
  children = [];
  servers = [];
});

function start(server: SilentServer): ChildProcess {
  servers.push(server);
  const env = { ...process.env, BIOXEN_NATS_URL: server.url, BIOXEN_LOG_LEVEL: "fatal" };
  const child = spawn(process.execPath, [SERVICE], { env, stdio: ["ignore", "pipe", "inherit", "ipc"] });
  children.push(child);
  return child;
}

/** Asks the service to end, and returns its exit code and the time that it took, ms. */
async function end(child: ChildProcess, how: NodeJS.Signals | "disconnect") {
  const beganAtMs = performance.now();
  const exited = once(child, "exit");
  if (how === "disconnect") child.disconnect();
  else child.kill(how);
  const [code] = await exited;
  return { code, tookMs: performance.now() - beganAtMs };
}

const IN_TIME = DRAIN_DEADLINE_MS + EXIT_GRACE_MS;

describe("a service whose server is silent", () => {
  it("ends on every signal and on the loss of its parent, during its boot", async () => {
    const ways = [
      { open: muteServer, how: "SIGTERM" },
      { open: muteServer, how: "SIGHUP" },
      { open: stoppedServer, how: "SIGINT" },
      { open: stoppedServer, how: "disconnect" },
    ] as const;
    const boots = ways.map(async ({ open, how }) => {
      const server = await open();
      const child = start(server);
      await eventually("the service dials", async () => (server.connections() > 0 ? true : undefined));
      const { code, tookMs } = await end(child, how);
      return { how, code, inTime: tookMs < IN_TIME };
    });
    expect(await Promise.all(boots)).toEqual(ways.map(({ how }) => ({ how, code: 0, inTime: true })));
  });
});

describe("a service whose server is stopped at some moment of its boot", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start();
  });
  afterAll(() => server.stop());

  it("ends on SIGTERM at each of them", async () => {
    const port = Number(new URL(server.url).port);
    const whole = await gaggedServer(port, MORE_THAN_A_BOOT);
    const first = start(whole);
    await once(first, "message");
    const bootBytes = whole.said();
    expect((await end(first, "SIGTERM")).code).toBe(0);
    const shares = [0.05, 0.35, 0.65, 0.95];
    const boots = shares.map(async (share) => {
      const bytes = Math.floor(share * bootBytes);
      const gagged = await gaggedServer(port, bytes);
      const child = start(gagged);
      await eventually(`${bytes} of ${bootBytes} bytes`, async () =>
        gagged.said() > bytes ? true : undefined,
      );
      const { code, tookMs } = await end(child, "SIGTERM");
      // With code 1, the drain deadline ended a step that waits for the server.
      return { share, exits: code === 0 || code === 1, inTime: tookMs < IN_TIME };
    });
    expect(await Promise.all(boots)).toEqual(shares.map((share) => ({ share, exits: true, inTime: true })));
  });
});
