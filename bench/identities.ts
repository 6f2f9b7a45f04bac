/**
 * What identities and encryption cost: creates on a stack without keys, on one with keys, and on one with keys and TLS,
 * in turn on one machine, with the log synced at every append. Also prints the disk that the mirror of the log takes.
 */
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ENDPOINTS } from "@bioxen/contracts";
import { type LocalStack, type LocalStackOptions, startLocalStack } from "@bioxen/local-stack";
import { type Bus, connectBus } from "@bioxen/nats";
import { percentileOf } from "./flood-client.ts";
import { rateOf, rawPublishRate } from "./rate.ts";

const CREATES_PER_ROUND = 4_000;
const UNDER_WAY = 256;
const TIMEOUT_MS = 30_000;
/** The first round also warms the processes up, and is not counted. */
const ROUNDS = 6;

interface Variant {
  readonly name: string;
  readonly options: Pick<LocalStackOptions, "keys" | "tls">;
  /** Smallest allowed rate, as a part of the rate without keys. */
  readonly limit: number;
}

const OPEN: Variant = { name: "open", options: { keys: false }, limit: 1 };
const VARIANTS: readonly Variant[] = [
  OPEN,
  { name: "keys", options: { keys: true }, limit: 0.85 },
  { name: "keys and TLS", options: { keys: true, tls: "server" }, limit: 0.7 },
];

interface Running {
  readonly variant: Variant;
  readonly stack: LocalStack;
  readonly bus: Bus;
  /** Creates per second of each round. */
  readonly rates: number[];
}

/** Prints the rates; returns whether each is within its limit. */
export async function identities(): Promise<boolean> {
  const running: Running[] = [];
  try {
    for (const variant of VARIANTS) running.push(await started(variant));
    const open = running.find(({ variant }) => variant === OPEN) as Running;
    const raw: number[] = [];
    for (let round = 0; round <= ROUNDS; round += 1) {
      const rawRate = await rawPublishRate(open.stack.url, CREATES_PER_ROUND, UNDER_WAY);
      if (round > 0) raw.push(rawRate);
      for (const one of running) {
        const rate = await creates(one.bus, round);
        if (round > 0) one.rates.push(rate);
      }
    }
    const verdicts = running.map((one) => judged(one, open, median(raw)));
    for (const one of running) if (one.variant.options.keys === true) await showDisk(one);
    return !verdicts.includes(false);
  } finally {
    for (const { bus, stack } of running) {
      await bus.close();
      await stack.stop();
      await rm(stack.dataDir, { recursive: true, force: true });
    }
  }
}

async function started(variant: Variant): Promise<Running> {
  const dataDir = await mkdtemp(join(tmpdir(), "bioxen-bench-"));
  const stack = await startLocalStack({
    dataDir,
    home: dataDir,
    keys: false,
    logLevel: "warn",
    durability: "always",
    ...variant.options,
  });
  const creds = variant.options.keys === true ? join(stack.dataDir, "keys", "admin.creds") : undefined;
  const bus = await connectBus({ ...stack.connection, creds, name: "bench" });
  return { variant, stack, bus, rates: [] };
}

function creates(bus: Bus, round: number): Promise<number> {
  return rateOf(CREATES_PER_ROUND, UNDER_WAY, async (i) => {
    const request = { vmId: `bench-${round}-${i}`, biologicalType: "syn3a" };
    const reply = await bus.call(ENDPOINTS.vmCreate.subject, request, { timeoutMs: TIMEOUT_MS });
    if (!reply.ok) throw new Error(reply.error.message);
  });
}

/** The rates of one round are compared with each other, because the load of a machine changes from round to round. */
function judged({ variant, rates }: Running, open: Running, raw: number): boolean {
  const rate = median(rates);
  const ratio = median(rates.map((one, round) => one / (open.rates[round] as number)));
  const isHeld = ratio >= variant.limit;
  const verdict = variant === OPEN ? "" : `, limit ${variant.limit}: ${isHeld ? "held" : "NOT HELD"}`;
  console.log(
    `${variant.name.padEnd(13)} ${rate.toFixed(0).padStart(6)} creates/s   ${(rate / raw).toFixed(3)} of raw ` +
      `publishes (${raw.toFixed(0)} /s)   ${ratio.toFixed(3)} of the open stack${verdict}`,
  );
  return isHeld;
}

async function showDisk({ variant, stack }: Running): Promise<void> {
  const accounts = join(stack.dataDir, "jetstream", "jetstream");
  const [log, mirror] = await Promise.all(
    ["LOG", "FEED"].map((account) => sizeOf(join(accounts, account, "streams", "BIOXEN_EVENTS"))),
  );
  console.log(`${variant.name.padEnd(13)} disk: log ${mebibytes(log)}, its mirror ${mebibytes(mirror)} more`);
}

const median = (values: readonly number[]) => percentileOf(values, 0.5);

const mebibytes = (bytes = 0) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** Bytes of all files below `dir`. */
async function sizeOf(dir: string): Promise<number> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map((file) => stat(join(file.parentPath, file.name))));
  return sizes.reduce((sum, { size }) => sum + size, 0);
}
