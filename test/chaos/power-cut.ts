/**
 * A power cut by software. The store is on a file system whose disk is an image file. The file contains what has
 * reached the disk at that moment, without what only the memory of the kernel or the server holds. A copy of the file
 * is the disk after the power cut.
 */
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf } from "@bioxen/kernel";
import { findServerBinary, type SupervisedChild, startServer } from "@bioxen/local-stack";
import { eventually } from "@bioxen/testkit/eventually";
import { connect } from "@nats-io/transport-node";
import { connectBus, openEventLog } from "../../packages/nats/src/index.ts";

const run = promisify(execFile);
const IMAGE_BYTES = 192 * 2 ** 20;
/** How long events are appended before the cut, ms: shorter than the 5 s after which the kernel writes back. */
const APPENDING_MS = 2_000;
const IN_FLIGHT = 16;
const STREAM = "BIOXEN_EVENTS";

export interface PowerCut {
  readonly acknowledged: number;
  /** Acknowledged events that a server started on the copy has, byte for byte. */
  readonly found: number;
}

/** Returns the reason why this machine cannot cut the power, or undefined. */
export async function whyNoPowerCut(): Promise<string | undefined> {
  const dir = await mkdtemp(join(tmpdir(), "bioxen-power-probe-"));
  try {
    const image = await newImage(dir, "probe");
    await mounted(image, join(dir, "at"), async () => undefined);
    return undefined;
  } catch (thrown) {
    return `no ext4 on a loop device here: ${messageOf(thrown).trim().split("\n").at(-1)}`;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

export async function cutPower(durability: "always" | "relaxed"): Promise<PowerCut> {
  const dir = await mkdtemp(join(tmpdir(), "bioxen-power-"));
  try {
    const image = await newImage(dir, "disk");
    const afterwards = join(dir, "afterwards.img");
    const acknowledged = await mounted(image, join(dir, "before"), (at) =>
      withServer(at, durability, async (url) => {
        const acked = await append(url);
        await copyFile(image, afterwards);
        return acked;
      }),
    );
    const found = await mounted(afterwards, join(dir, "after"), (at) =>
      withServer(at, durability, (url) => count(url, acknowledged)),
    );
    return { acknowledged: acknowledged.size, found };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function newImage(dir: string, name: string): Promise<string> {
  const image = join(dir, `${name}.img`);
  const file = await open(image, "w");
  await file.truncate(IMAGE_BYTES);
  await file.close();
  await run("mkfs.ext4", ["-q", "-F", image]);
  return image;
}

async function mounted<T>(image: string, at: string, work: (at: string) => Promise<T>): Promise<T> {
  await mkdir(at);
  await run("mount", ["-o", "loop", image, at]);
  try {
    return await work(at);
  } finally {
    await run("umount", [at]);
  }
}

async function withServer<T>(
  dataDir: string,
  durability: "always" | "relaxed",
  work: (url: string) => Promise<T>,
): Promise<T> {
  let server: SupervisedChild | undefined;
  try {
    const started = await startServer({
      binary: await findServerBinary(),
      dataDir,
      port: undefined,
      durability,
      onChange: () => undefined,
    });
    server = started.child;
    return await work(started.url);
  } finally {
    await server?.stop();
  }
}

/** Appends events, and returns the text of each acknowledged event by its sequence. */
async function append(url: string): Promise<Map<number, string>> {
  const bus = await connectBus({ servers: url, name: "power-cut" });
  await openEventLog(bus);
  const acknowledged = new Map<number, string>();
  const until = performance.now() + APPENDING_MS;
  const nats = await connect({ servers: url });
  const appender = async (i: number) => {
    for (let n = 0; performance.now() < until; n += 1) {
      const text = JSON.stringify({ appender: i, n, filling: "x".repeat(300) });
      const ack = (await nats.request(`bioxen.evt.vm.power-${i}`, text)).json<{ seq: number }>();
      acknowledged.set(ack.seq, text);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, (_, i) => appender(i)));
  await nats.close();
  await bus.close();
  return acknowledged;
}

async function count(url: string, acknowledged: ReadonlyMap<number, string>): Promise<number> {
  const nats = await connect({ servers: url });
  try {
    // The server listens before JetStream has read its store.
    await eventually("JetStream answers", async () => {
      const info = await nats.request("$JS.API.INFO").catch(() => undefined);
      return info?.json<{ error?: unknown }>().error === undefined ? info : undefined;
    });
    let found = 0;
    for (const [seq, text] of acknowledged) {
      const reply = await nats.request(`$JS.API.STREAM.MSG.GET.${STREAM}`, JSON.stringify({ seq }));
      const { message } = reply.json<{ message?: { data: string } }>();
      if (message !== undefined && Buffer.from(message.data, "base64").toString() === text) found += 1;
    }
    return found;
  } finally {
    await nats.close();
  }
}
