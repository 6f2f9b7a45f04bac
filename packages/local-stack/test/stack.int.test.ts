/**
 * The parts of a local stack: supervision of processes, the server.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive } from "@bioxen/nats";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SupervisedChild } from "../src/child.ts";
import { findServerBinary } from "../src/index.ts";
import { startServer } from "../src/server.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-stack-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function script(name: string, code: string): Promise<SupervisedChild> {
  const file = join(dir, `${name}.mjs`);
  await writeFile(file, code);
  return new SupervisedChild({
    name,
    command: process.execPath,
    args: [file],
    env: process.env,
    logFile: join(dir, `${name}.log`),
    speaksReady: true,
  });
}

const SERVES =
  'process.send({ kind: "ready" }); process.on("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1000);';

describe("a supervised process", () => {
  it("becomes ready by its message, is restarted when it is killed, and stops on request", async () => {
    const child = await script("good", SERVES);
    child.start();
    expect(await child.whenReady(10_000)).toBe(true);
    const first = child.pid ?? 0;
    process.kill(first, "SIGKILL");
    await expect.poll(() => child.restarts === 1 && child.state, { timeout: 10_000 }).toBe("ready");
    expect(child.pid).not.toBe(first);
    const second = child.pid ?? 0;
    await child.stop();
    expect(child.state).toBe("ended");
    expect(isAlive(second)).toBe(false);
  });

  it("is not restarted when its configuration is wrong", async () => {
    const child = await script("wrong", 'console.error("no"); process.exit(78);');
    child.start();
    await expect.poll(() => child.state, { timeout: 10_000 }).toBe("failed");
    expect(child.restarts).toBe(0);
    expect(await child.tail()).toBe("no");
    // It cannot become ready any more, so that a caller does not wait for the deadline.
    expect(await child.whenReady(100_000)).toBe(false);
    await child.stop();
  });
});

describe("the server", () => {
  it("refuses a port that is in use", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as { port: number };
    const binary = await findServerBinary();
    const options = { binary, dataDir: dir, port, durability: "always", onChange: () => undefined } as const;
    await expect(startServer(options)).rejects.toMatchObject({ code: "CONFLICT" });
    other.close();
  });

  it("is found, or the error names the ways to get one", async () => {
    expect((await findServerBinary()).version).toMatch(/^\d+\.\d+\.\d+/);
    await expect(findServerBinary({ NATS_SERVER_BIN: join(dir, "nothing") })).rejects.toThrow(
      "NATS_SERVER_BIN",
    );
  });
});
