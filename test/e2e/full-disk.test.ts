/**
 * A server whose disk is full answers every query and stores nothing, until it is restarted. `doctor` says so.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { TestServer } from "@bioxen/testkit";
import { eventually } from "@bioxen/testkit/eventually";
import { connect } from "@nats-io/transport-node";
import { afterEach, expect, it, vi } from "vitest";
import { SmallDisk } from "../chaos/small-disk.ts";
import { bioxenHere } from "./in-process.ts";
import type { Json } from "./json.ts";

const DISK_MEBIBYTES = 16;
/** A program that is larger than what the last page of a file still holds. */
const PROGRAM = `-- ${"x".repeat(50_000)}`;
/** Time without a lease after which `doctor` fails, and the time of some looks, ms. */
const NOTICED_WITHIN_MS = 30_000;
const LIFECYCLE = fileURLToPath(new URL("../../services/lifecycle/main.ts", import.meta.url));

let server: TestServer | undefined;
let disk: SmallDisk | string;
let service: ChildProcess | undefined;
afterEach(async () => {
  vi.unstubAllEnvs();
  service?.kill("SIGKILL");
  // The first stop ends the server, but cannot remove the folder while the disk is mounted in it.
  await server?.stop().catch(() => undefined);
  if (typeof disk !== "string") await disk?.unmount();
  await server?.stop();
});

it("is named by doctor, refuses commands, and recovers by a restart", async ({ skip }) => {
  vi.stubEnv("NO_COLOR", "1");
  server = await TestServer.start();
  const { url } = server;
  await server.kill();
  disk = await SmallDisk.mount(server.storeDir, DISK_MEBIBYTES);
  if (typeof disk === "string") return skip(`this machine cannot mount a disk: ${disk}`);
  await server.startAgain();
  const env = { ...process.env, BIOXEN_NATS_URL: url, BIOXEN_LOG_LEVEL: "fatal" };
  service = spawn(process.execPath, [LIFECYCLE], { env, stdio: ["ignore", "ignore", "ignore", "ipc"] });
  await new Promise((resolve) => service?.once("message", resolve));
  const nats = await connect({ servers: url, maxReconnectAttempts: -1 });
  const create = (vmId: string, more: object = {}): Promise<Json> =>
    nats
      .request("bioxen.cmd.vm.create", JSON.stringify({ vmId, biologicalType: "syn3a", ...more }), {
        timeout: 12_000,
      })
      .then((reply) => reply.json<Json>());
  const writes = async (): Promise<Json> => {
    const { stdout } = await bioxenHere(["doctor", "--server", url, "--timeout", "2000", "--json"]);
    return JSON.parse(stdout).findings.find(({ check }: Json) => check === "writes");
  };
  try {
    expect(await create("before")).toMatchObject({ ok: true });
    expect(await writes()).toBeUndefined();
    await disk.fill();
    const refused = await create("full", { program: PROGRAM });
    expect(refused.error).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("the event log did not confirm bioxen.vm.created"),
    });
    const finding = await eventually("doctor names it", writes, NOTICED_WITHIN_MS);
    expect(finding).toMatchObject({
      verdict: "fail",
      found: expect.stringMatching(
        /^the server has stored no lease for \d+ s, although services run: its disk may be full$/,
      ),
    });
    await disk.free();
    await server.kill();
    await server.startAgain();
    await eventually("commands are accepted again", async () => {
      const reply = await create("after").catch(() => undefined);
      return reply?.ok === true ? true : undefined;
    });
    await eventually("doctor finds nothing", async () => ((await writes()) === undefined ? true : undefined));
  } finally {
    await nats.close();
  }
});
