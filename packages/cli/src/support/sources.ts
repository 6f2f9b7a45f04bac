/**
 * What a support bundle has: each source is asked by itself, and one that cannot be read is named with the reason.
 */
import { open, readdir } from "node:fs/promises";
import { arch, cpus, freemem, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import { BIOXEN_VERSION, lineWithoutSecrets } from "@bioxen/contracts";
import { defaultedDataDir } from "@bioxen/local-stack";
import { bioxenHome, findLocalStack, readStackRecord, stackPointer } from "@bioxen/nats";
import type { Command } from "commander";
import { viewOf } from "../commands/config.ts";
import { allFindings } from "../commands/doctor.ts";
import type { Finding } from "../commands/finding.ts";
import { statusOf } from "../commands/stack.ts";
import { endOf } from "../outcome.ts";
import { type GlobalOptions, Session } from "../session.ts";
import { withSettings } from "../settings.ts";

/** The end of each log that a bundle has, bytes: about 25 000 lines. */
export const MAX_LOG_BYTES_IN_BUNDLE = 4 * 1024 * 1024;
/** Longest wait for the metrics of one process, ms. */
const METRICS_TIMEOUT_MS = 3_000;

export interface BundleFile {
  /** Path in the bundle. */
  readonly name: string;
  readonly text: string;
}

/** What a bundle does not have, and why. */
export interface LeftOut {
  readonly name: string;
  readonly why: string;
}

export interface Collected {
  readonly files: BundleFile[];
  readonly leftOut: LeftOut[];
}

/** Collects everything that is there. `dataDir` is the data directory that the user named. Never rejects. */
export async function collect(
  command: Command,
  options: GlobalOptions,
  dataDir?: string,
): Promise<Collected> {
  const collected: Collected = { files: [], leftOut: [] };
  await part(collected, "machine.json", async () => document(machine()));
  await part(collected, "settings.json", async () => document((await withSettings(command)).map(viewOf)));
  const findings = await allFindings(options);
  await part(collected, "doctor.json", async () => document(findings));
  const away = findings.find(({ check, verdict }) => check === "server" && verdict === "fail");
  const status = await part(collected, "status.json", () => statusDocument(options, away));
  for (const url of status === undefined ? [] : metricsUrls(status)) {
    const name = `metrics/${url.name}.prom`;
    await part(collected, name, () => metricsOf(url.url));
  }
  await logs(collected, await dataDirectory(dataDir));
  return collected;
}

/** Adds one file; when its source fails, adds the reason instead. Returns the text of the file. */
async function part(
  { files, leftOut }: Collected,
  name: string,
  read: () => Promise<string>,
): Promise<string | undefined> {
  try {
    const text = await read();
    files.push({ name, text });
    return text;
  } catch (thrown) {
    leftOut.push({ name, why: endOf(thrown).message });
    return undefined;
  }
}

/** Returns the document as lines of JSON, each without what may be a secret. */
function document(value: unknown): string {
  return `${JSON.stringify(JSON.parse(lineWithoutSecrets(JSON.stringify(value))), null, 2)}\n`;
}

function machine() {
  return {
    bioxen: BIOXEN_VERSION,
    node: process.versions,
    system: { platform: platform(), release: release(), arch: arch() },
    cpus: cpus().length,
    memory: { totalBytes: totalmem(), freeBytes: freemem() },
    at: new Date().toISOString(),
  };
}

async function statusDocument(options: GlobalOptions, away: Finding | undefined): Promise<string> {
  // A second wait for a silent server would say the same.
  if (away !== undefined) throw new Error(away.found);
  const session = await Session.open(options, { repeat: false });
  try {
    return document(await statusOf(session));
  } finally {
    await session.close();
  }
}

interface MetricsUrl {
  readonly name: string;
  readonly url: string;
}

function metricsUrls(status: string): MetricsUrl[] {
  const { services } = JSON.parse(status) as Pick<Awaited<ReturnType<typeof statusOf>>, "services">;
  return services.flatMap(({ name, urls }) =>
    urls.map((url, at) => ({ name: at === 0 ? name : `${name}-${at + 1}`, url: `${url}/metrics` })),
  );
}

/** Reads the metrics without the token of the stack: they then have no ids. */
async function metricsOf(url: string): Promise<string> {
  const reply = await fetch(url, { signal: AbortSignal.timeout(METRICS_TIMEOUT_MS) });
  if (!reply.ok) throw new Error(`${url} answers ${reply.status}`);
  return reply.text();
}

/** Returns the data directory of the stack that runs, else of the last one. */
async function dataDirectory(named: string | undefined): Promise<string> {
  if (named !== undefined) return defaultedDataDir(named, bioxenHome());
  const stack = (await findLocalStack()) ?? (await readStackRecord(stackPointer(bioxenHome())));
  return stack?.dataDir ?? defaultedDataDir(undefined, bioxenHome());
}

async function logs(collected: Collected, dataDir: string): Promise<void> {
  const dir = join(dataDir, "log");
  const names = await readdir(dir).catch(() => undefined);
  if (names === undefined) {
    collected.leftOut.push({ name: "log/", why: `there is no directory ${dir}` });
    return;
  }
  // `.1` is the youngest of the older logs.
  const wanted = names.filter((name) => /\.log(?:\.1)?$/.test(name)).sort();
  for (const name of wanted) await part(collected, `log/${name}`, () => endOfLog(join(dir, name)));
}

/** Returns the end of the file, from the beginning of a line on, without what may be a secret. */
async function endOfLog(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const length = Math.min(size, MAX_LOG_BYTES_IN_BUNDLE);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const lines = buffer.subarray(0, bytesRead).toString("utf8").split("\n");
    if (length < size) lines.shift();
    return lines.map(lineWithoutSecrets).join("\n");
  } finally {
    await file.close();
  }
}
