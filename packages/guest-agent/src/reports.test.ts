import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { REPORT_AGAIN_MS } from "./limits.ts";
import { type AgentReport, parseAgentReport, parseSampleReport } from "./protocol.ts";
import { Reports } from "./reports.ts";
import { Xenstore } from "./xenstore.ts";

const REPORT: AgentReport = { version: "1.0.0", protocol: 1, model: "weisse", state: "waiting" };

let dir: string;
let now = 0;
let logged: string[];
let reports: Reports;
/** Installs a tool that appends its arguments to the file `calls`, and then runs `body`. */
async function install(name: string, body: string): Promise<void> {
  await writeFile(join(dir, name), `#!/bin/sh\nprintf '%s\\n' "$@" >> '${dir}/calls'\n${body}\n`);
  await chmod(join(dir, name), 0o755);
}
const calls = () => readFile(join(dir, "calls"), "utf8").catch(() => "");

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "bioxen-reports-"));
  now = 0;
  logged = [];
  const xenstore = new Xenstore([dir, "/usr/bin", "/bin"].join(delimiter));
  reports = new Reports(
    xenstore,
    (line) => logged.push(line),
    () => now,
  );
  await install("xenstore-read", "");
});
afterEach(() => rm(dir, { recursive: true, force: true }));

it("writes a report when it has changed, and again after a while", async () => {
  await reports.write(REPORT, undefined);
  expect(await calls(), "no xenstore-write yet").toBe("");
  await install("xenstore-write", "");
  await reports.write(REPORT, undefined);
  await reports.write(REPORT, undefined);
  const line = `vm-data/bioxen/agent\n${JSON.stringify(REPORT)}\n`;
  expect(await calls()).toBe(line);
  now += REPORT_AGAIN_MS;
  await reports.write(REPORT, undefined);
  expect(await calls()).toBe(line + line);
});

it("writes a reason that both tools leave unchanged, whatever its text is", async () => {
  await install("xenstore-write", "");
  await reports.write(
    { ...REPORT, state: "failed", reason: 'a "word", \\ and é\n'.repeat(1_000) },
    undefined,
  );
  const value = (await calls()).split("\n")[1] ?? "";
  expect(value).toMatch(/^[ -[\]-~]*$/);
  expect(value.length).toBeLessThan(2_048);
  expect(parseAgentReport(value).reason).toMatch(/^a 'word', \? and \?\?a 'word'/);
});

it("tries again after a failure, and logs each failure once", async () => {
  await install("xenstore-write", "echo 'no device' >&2; exit 1");
  await reports.write(REPORT, undefined);
  await reports.write(REPORT, undefined);
  expect(logged).toEqual(["xenstore-write: no device"]);
  await install("xenstore-write", "");
  await reports.write(REPORT, undefined);
  await reports.write(REPORT, undefined);
  expect((await calls()).match(/vm-data/g)).toHaveLength(3);
});

it("writes the amounts of genes as far as a value has room for them", async () => {
  await install("xenstore-write", "");
  const sample = {
    ...{
      simMinutes: 1,
      growthRatePerMinute: 0.01,
      doublingTimeMinutes: 69,
      divisions: 0,
      luaInstructions: 0,
    },
    ribosomes: { total: 1, engaged: 1, cap: 1 },
    atp: { molecules: 1, perSecond: 1, capPerSecond: 1 },
    rnaPolymerases: { cap: 1 },
    ...{ proteinAminoAcids: 1, health: 100, lagMs: 0, incarnation: 1, fence: 1 },
  };
  const written = async (count: number) => {
    const outputs = Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`gene-${i}.protein`, 1_000 / 3]),
    );
    await reports.write(REPORT, { ...sample, outputs });
    return parseSampleReport((await calls()).trimEnd().split("\n").at(-1) ?? "");
  };
  expect((await written(3)).outputs).toEqual({
    "gene-0.protein": 1_000 / 3,
    "gene-1.protein": 1_000 / 3,
    "gene-2.protein": 1_000 / 3,
  });
  expect(await written(60)).toEqual(sample);
});
