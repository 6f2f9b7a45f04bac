/**
 * What the gateway adds to a query: `vm.get` directly over NATS and through the gateway, as the same principal, in turn in
 * one run. Each pair is asked within the same few milliseconds, so the load of a machine is in both of its times.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, get } from "node:http";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { addToken, entriesOf, entryNamed, KeyFiles } from "@bioxen/auth";
import { ENDPOINTS } from "@bioxen/contracts";
import { type LocalStack, startLocalStack } from "@bioxen/local-stack";
import { type Bus, connectBus } from "@bioxen/nats";
import { percentileOf } from "./flood-client.ts";

const PAIRS = 4_000;
/** Pairs that warm the processes up, and are not counted. */
const WARM_UP = 1_000;
/** Largest time that the gateway may add, ms: the median of the pairs. */
const LIMIT_MS = 1;
const TIMEOUT_MS = 30_000;
const TOKEN_MS = 3_600_000;
const PRINCIPAL = "admin";
const VM = "asked";

/** Prints the times; returns whether the gateway adds at most {@link LIMIT_MS}. */
export async function gateway(): Promise<boolean> {
  const dataDir = await mkdtemp(join(tmpdir(), "bioxen-bench-"));
  const stack = await startLocalStack({ dataDir, home: dataDir, logLevel: "warn", gateway: { port: 0 } });
  const bus = await connectBus({ ...stack.connection, name: "bench" });
  // One connection that stays open, as a browser or a program has it.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  try {
    await done(bus, ENDPOINTS.vmCreate.subject, { vmId: VM, biologicalType: "syn3a" });
    const headers = { authorization: `Bearer ${await newToken(stack)}` };
    const url = `${stack.consoleUrl}/api/v1/vm/get?vmId=${VM}`;
    const direct = () => done(bus, ENDPOINTS.vmGet.subject, { vmId: VM });
    const through = () => read(url, agent, headers);
    const [ofDirect, ofGateway]: [number[], number[]] = [[], []];
    for (let i = -WARM_UP; i < PAIRS; i += 1) {
      // The second request of a pair may find warmer caches, so each way is first in every other pair.
      const isDirectFirst = i % 2 === 0;
      const first = await timeOf(isDirectFirst ? direct : through);
      const second = await timeOf(isDirectFirst ? through : direct);
      if (i < 0) continue;
      ofDirect.push(isDirectFirst ? first : second);
      ofGateway.push(isDirectFirst ? second : first);
    }
    return judged(ofDirect, ofGateway);
  } finally {
    agent.destroy();
    await bus.close();
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

function judged(ofDirect: readonly number[], ofGateway: readonly number[]): boolean {
  const added = ofGateway.map((ms, i) => ms - (ofDirect[i] ?? 0));
  const show = (name: string, times: readonly number[]) => {
    const [p50, p99] = [percentileOf(times, 0.5), percentileOf(times, 0.99)];
    console.log(
      `gateway    ${name.padEnd(18)} p50 ${p50.toFixed(2).padStart(6)} ms   p99 ${p99.toFixed(2).padStart(6)} ms`,
    );
  };
  show("directly, on NATS", ofDirect);
  show("over HTTP", ofGateway);
  show("added, by pair", added);
  const isHeld = percentileOf(added, 0.5) <= LIMIT_MS;
  const load = (loadavg()[0] ?? 0).toFixed(1);
  console.log(`gateway    limit ${LIMIT_MS} ms added at p50: ${isHeld ? "held" : "NOT HELD"}; load ${load}`);
  return isHeld;
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function done(bus: Bus, subject: string, payload: object): Promise<void> {
  const reply = await bus.call(subject, payload, { timeoutMs: TIMEOUT_MS });
  if (!reply.ok) throw new Error(reply.error.message);
}

function read(url: string, agent: Agent, headers: Readonly<Record<string, string>>): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () => {
        const reply = JSON.parse(Buffer.concat(parts).toString());
        if (reply.ok) resolve();
        else reject(new Error(reply.error.message));
      });
    }).once("error", reject);
  });
}

async function newToken({ keysDir = "" }: LocalStack): Promise<string> {
  const principal = entryNamed(await entriesOf(keysDir), PRINCIPAL);
  const nowMs = Date.now();
  const { token } = await addToken(new KeyFiles(keysDir).gatewayDir, {
    ...{ principal, nowMs },
    expiresAtMs: nowMs + TOKEN_MS,
  });
  return token;
}
