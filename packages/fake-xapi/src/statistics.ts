/**
 * The body of `GET /rrd_updates`: a host's measurements of itself and its VMs, newest row first. Values are strings, as
 * on newer hosts, because JSON has no NaN.
 */
import { MIB, type Pool } from "./pool.ts";

const STEP_SECONDS = 5;
/** Maximum number of rows of measurements in one response body; they cover 10 minutes. */
const MAX_ROWS = 120;

/**
 * Returns the body as JSON, for the VMs and the time range that the query names. A host knows only the VMs that run on
 * it; `address` is that of the host.
 */
export function rrdUpdates(pool: Pool, query: URLSearchParams, address: string): string {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const end = nowSeconds - (nowSeconds % STEP_SECONDS);
  const start = Number(query.get("start") ?? end);
  const wanted = query.get("vm_uuid");
  const legend: string[] = [];
  const valuesAt: ((t: number) => number)[] = [];
  const column = (name: string, value: (t: number) => number): void => {
    legend.push(`AVERAGE:${name}`);
    valuesAt.push(value);
  };
  for (const [, vm] of pool.db.all("VM")) {
    const uuid = String(vm["uuid"]);
    if (vm["power_state"] !== "Running" || vm["is_control_domain"] === true) continue;
    if (wanted !== null && wanted !== uuid) continue;
    if (pool.db.find("host", String(vm["resident_on"]))?.["address"] !== address) continue;
    const cpus = Number(vm["VCPUs_at_startup"]);
    const memory = Number(vm["memory_dynamic_max"]);
    for (let i = 0; i < cpus; i += 1) column(`vm:${uuid}:cpu${i}`, (t) => load(uuid, t + i));
    column(`vm:${uuid}:memory`, () => memory);
    // As on a real host, this value is in KiB although `memory` is in bytes.
    column(`vm:${uuid}:memory_internal_free`, (t) =>
      Math.round((memory / 1024) * (0.75 - load(uuid, t) / 2)),
    );
  }
  if (query.get("host") === "true") {
    const [host] = pool.db.all("host");
    const uuid = String(host?.[1]["uuid"]);
    column(`host:${uuid}:memory_total_kib`, () => (pool.options.memoryMiBPerHost * MIB) / 1024);
  }
  const rows = Math.max(1, Math.min(MAX_ROWS, Math.floor((end - start) / STEP_SECONDS)));
  const isNan = pool.faults.switches.nanStatistics;
  const data = Array.from({ length: rows }, (_, i) => {
    const t = end - i * STEP_SECONDS;
    return { t, values: valuesAt.map((value) => (isNan ? "NaN" : value(t).toFixed(4))) };
  });
  const meta = {
    start: end - rows * STEP_SECONDS,
    step: STEP_SECONDS,
    end,
    rows,
    columns: legend.length,
    legend,
  };
  return JSON.stringify({ meta, data });
}

/**
 * Returns a simulated load at time `t`, as a fraction between 0.05 and 0.45. It varies with `t`; the same `uuid` and
 * `t` always give the same load.
 */
function load(uuid: string, t: number): number {
  const phase = Number.parseInt(uuid.slice(0, 6), 16) % 360;
  return 0.25 + 0.2 * Math.sin((t / 60 + phase) % (2 * Math.PI));
}
