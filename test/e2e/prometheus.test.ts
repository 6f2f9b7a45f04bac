/**
 * A real Prometheus scrapes a real stack: promtool accepts the metrics and the shipped rules, and one rule fires and
 * resolves.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { METRICS } from "@bioxen/contracts";
import { SERVICES } from "@bioxen/local-stack";
import { findLocalStack } from "@bioxen/nats";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually, type Json, World } from "./world.ts";

const RULES = fileURLToPath(new URL("../../deploy/observability/bioxen.rules.yml", import.meta.url));
/** Time limit for a rule to fire or resolve, ms: the rule itself waits 10 s, and the machine can be busy. */
const FIRES_WITHIN_MS = 90_000;

const found = (name: string) =>
  (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, name)));
const hasPrometheus = found("prometheus") && found("promtool");

let world: World;
let tokenFile: string;
let authorization: string;
beforeAll(async () => {
  world = await World.shared({ chassis: "ecoli:1" });
  tokenFile = join((await findLocalStack(world.home))?.keysDir ?? "", "metrics.token");
  authorization = `Bearer ${(await readFile(tokenFile, "utf8")).trim()}`;
});
afterAll(() => world.close());

const fetched = async (url: string) => {
  const response = await fetch(url, { headers: { authorization } });
  return { status: response.status, text: await response.text() };
};

interface Status {
  readonly metricsUrl: string;
  readonly services: readonly { readonly name: string; readonly urls: readonly string[] }[];
}
const status = (): Promise<Status> => world.bioxenJson("status");

function promtool(input: string, ...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = execFile("promtool", args, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: stdout + stderr });
    });
    child.stdin?.end(input);
  });
}

describe("every service over HTTP", () => {
  it("is live and ready, reports its applied sequence, and exposes only metrics of the catalogue", async () => {
    await world.done("cmd.vm.create", { vmId: "fed", biologicalType: "syn3a" });
    await world.done("cmd.vm.start", { vmId: "fed" });
    await world.reach("fed", "running");
    await world.sample("fed");
    const { services, metricsUrl } = await status();
    for (const { name, urls } of services) {
      const [url] = urls;
      expect(JSON.parse((await fetched(`${url}/live`)).text), name).toEqual({ live: true });
      const ready = await eventually(`${name} has applied more than 3 events`, async () => {
        const reply = await fetched(`${url}/ready`);
        return JSON.parse(reply.text).appliedSeq > 3 ? reply : undefined;
      });
      expect(ready.status, name).toBe(200);
      expect(JSON.parse(ready.text)).toMatchObject({ ready: true, reason: null });
      const { text } = await fetched(`${url}/metrics`);
      const own = [...text.matchAll(/^# TYPE (bioxen_\S+) (\S+)$/gm)];
      expect(own.length, name).toBeGreaterThanOrEqual(4);
      for (const [, metric, type] of own) {
        expect(METRICS[metric as keyof typeof METRICS]?.type, `${name} ${metric}`).toBe(type);
      }
      expect((await fetched(`${url}/nothing`)).status).toBe(404);
    }
    const { text } = await eventually("the monitor has inspected the store with its events", async () => {
      const reply = await fetched(metricsUrl);
      return /^bioxen_stream_messages\{stream="BIOXEN_EVENTS"\} [1-9]/m.test(reply.text) ? reply : undefined;
    });
    expect(text).toMatch(/^bioxen_lease_held\{service="monitor",lease="monitor"\} 1$/m);
    expect(text).toMatch(/^bioxen_jobs_failed \d+$/m);
    expect(text).toMatch(/^bioxen_vms\{state="running"\} 1$/m);
    expect(text).not.toContain('vm="fed"');
    const quota = { label: "team=metered", resources: { ribosomes: 10_000 } };
    await world.done("cmd.quota.set", quota);
    const allocator = services.find(({ name }) => name === "allocator")?.urls[0];
    const ofQuota = (metric: string, value: number) =>
      `\nbioxen_quota_${metric}{quota="team=metered",resource="ribosomes"} ${value}\n`;
    const metered = await fetched(`${allocator}/metrics`);
    expect(metered.text).toContain(ofQuota("limit", 10_000));
    expect(metered.text).toContain(ofQuota("used", 0));
    const accept = "application/openmetrics-text;version=1.0.0";
    const open = await fetch(metricsUrl, { headers: { accept, authorization } });
    expect(open.headers.get("content-type")).toMatch(/^application\/openmetrics-text; version=1\.0\.0/);
    expect(await open.text()).toMatch(/\n# EOF\n$/);
    const perVm = await fetched(`${metricsUrl}/vms`);
    expect(perVm.text).toMatch(
      /^bioxen_vm_growth_ratio\{vm="fed",type="syn3a",chassis="ecoli-1"\} [01](\.\d+)?$/m,
    );
  });
});

if (!hasPrometheus) {
  it("runs a real Prometheus", ({ skip }) => {
    if (process.env["CI"]) throw new Error("prometheus is missing in CI: apt-get install prometheus");
    skip("prometheus is missing on this machine: apt-get install prometheus");
  });
}

describe.runIf(hasPrometheus)("a real Prometheus", () => {
  let prometheus: ChildProcess | undefined;
  let url = "";

  beforeAll(async () => {
    const { services, metricsUrl } = await status();
    const target = (text: string) => text.replace("http://", "");
    const targets = services.flatMap(({ urls }) => urls.map(target));
    const vms = JSON.stringify([target(new URL(metricsUrl).origin)]);
    const login = `authorization: { credentials_file: ${JSON.stringify(tokenFile)} }`;
    const folder = join(world.dir, "prometheus");
    await mkdir(folder, { recursive: true });
    const config = [
      "global: { scrape_interval: 1s, evaluation_interval: 1s }",
      `rule_files: [${JSON.stringify(RULES)}]`,
      "scrape_configs:",
      `  - { job_name: bioxen, ${login}, static_configs: [{ targets: ${JSON.stringify(targets)} }] }`,
      `  - { job_name: bioxen-vms, ${login}, metrics_path: /metrics/vms, static_configs: [{ targets: ${vms} }] }`,
    ];
    await writeFile(join(folder, "prometheus.yml"), `${config.join("\n")}\n`);
    const address = `127.0.0.1:${await freePort()}`;
    url = `http://${address}`;
    const args = [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=${address}`,
    ];
    prometheus = spawn("prometheus", args, { stdio: "ignore" });
    await eventually("prometheus is ready", async () => {
      const ready = await fetch(`${url}/-/ready`).catch(() => undefined);
      return ready?.ok === true ? true : undefined;
    });
  });
  afterAll(() => {
    prometheus?.kill("SIGKILL");
  });

  const api = async (path: string): Promise<Json> => (await fetch(`${url}/api/v1/${path}`)).json();
  const alertState = async () => {
    const { data } = await api("alerts");
    return data.alerts.find((alert: Json) => alert.labels.alertname === "BioxenVmStarved")?.state;
  };

  it("has metrics and rules that promtool accepts without a remark", async () => {
    const { services } = await status();
    for (const { name, urls } of services) {
      const { text } = await fetched(`${urls[0]}/metrics`);
      // Only BioXen metrics are checked: the process metrics keep the names that every Node service uses.
      const own = text.split("\n").filter((line) => /^(# (HELP|TYPE) )?bioxen_/.test(line));
      expect(await promtool(`${own.join("\n")}\n`, "check", "metrics"), name).toEqual({
        code: 0,
        output: "",
      });
    }
    const rules = await promtool("", "check", "rules", RULES);
    expect(rules.code, rules.output).toBe(0);
    expect(await readFile(RULES, "utf8")).toContain("BioxenVmStarved");
  });

  it("scrapes all services and the series per VM with the token, and its rule fires for a starved VM and resolves after the repair", async () => {
    await eventually("all targets are up", async () => {
      const { data } = await api("targets?state=active");
      const up = data.activeTargets.filter((target: Json) => target.health === "up");
      // The series per VM of the monitor are a target of their own.
      return up.length === SERVICES.length + 1 ? true : undefined;
    });
    await eventually("Prometheus has series of the VM and of its chassis", async () => {
      const found = await Promise.all(
        ['bioxen_vm_health_ratio{vm="fed"}', 'bioxen_chassis_guests{chassis="ecoli-1"}'].map((query) =>
          api(`query?query=${encodeURIComponent(query)}`),
        ),
      );
      return found.every(({ data }) => data.result.length > 0) ? true : undefined;
    });
    await world.done("cmd.vm.resize", { vmId: "fed", resources: { ribosomes: "25%" } });
    await eventually(
      "the rule fires",
      async () => ((await alertState()) === "firing" ? true : undefined),
      FIRES_WITHIN_MS,
    );
    await world.done("cmd.vm.resize", { vmId: "fed", resources: { ribosomes: "100%" } });
    await eventually(
      "the rule resolves",
      async () => ((await alertState()) === undefined ? true : undefined),
      FIRES_WITHIN_MS,
    );
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
