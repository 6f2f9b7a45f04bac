/**
 * The pool's measurements of guests, as samples of the driver port.
 *
 * Each host records statistics in rows of 5 s and serves them over HTTP. Values are numbers or strings, and "NaN" where
 * nothing was measured; older servers write NaN without quotes, which is not valid JSON.
 */
import type { GuestSample, MachineSample } from "@bioxen/vm-driver";
import type { XapiClient } from "../xapi/client.ts";
import { hasCode, XapiError, XapiUnreachable } from "../xapi/errors.ts";
import type { GuestMetricsRecord, VmMetricsRecord } from "../xapi/records.ts";
import { NULL_REF } from "../xapi/ref.ts";
import { learnHostPins } from "./host-pins.ts";
import { guestOf, type Inventory, type OwnVm } from "./inventory.ts";
import { GUEST_METRICS_AGE_MS, MEASUREMENT_AGE_MS, MIB } from "./limits.ts";

/** The measurements of one VM in one 5 s interval; null where the host measured nothing. */
export interface Measured {
  readonly atSeconds: number;
  /** Mean load of the VM's virtual CPUs, 0 to 1. */
  readonly cpu: number | null;
  readonly memoryBytes: number | null;
  readonly freeKiB: number | null;
}

/** Age of the oldest row to request, s. This is three rows of 5 s, because a host may be one row behind. */
const LOOK_BACK_SECONDS = 15;

/**
 * Returns the newest measurements of each VM in a host's answer, by the VM's uuid. Throws `SyntaxError` when the answer
 * is malformed.
 */
export function parseUpdates(body: string): ReadonlyMap<string, Measured> {
  const quoted = body.replaceAll(/([[,:]\s*)(-?(?:NaN|Infinity|nan|inf))(?=\s*[,\]}])/g, '$1"NaN"');
  const parsed = JSON.parse(quoted) as {
    meta?: { legend?: unknown[]; end?: unknown };
    data?: { t?: unknown; values?: unknown[] }[];
  };
  const newest = [...(parsed.data ?? [])].sort((a, b) => Number(b.t) - Number(a.t))[0];
  const byVm = new Map<string, Map<string, number | null>>();
  for (const [i, name] of (parsed.meta?.legend ?? []).entries()) {
    const [, kind, uuid = "", metric = ""] = String(name).split(":");
    if (kind !== "vm") continue;
    const value = Number(newest?.values?.[i] ?? Number.NaN);
    const metrics = byVm.get(uuid) ?? new Map<string, number | null>();
    metrics.set(metric, Number.isFinite(value) ? value : null);
    byVm.set(uuid, metrics);
  }
  const atSeconds = Number(newest?.t ?? parsed.meta?.end ?? 0);
  return new Map(
    [...byVm].map(([uuid, metrics]) => {
      const cpus = [...metrics].filter(([name]) => /^cpu\d+$/.test(name)).map(([, value]) => value);
      const known = cpus.filter((value) => value !== null);
      const cpu = known.length === 0 ? null : known.reduce((a, b) => a + b, 0) / known.length;
      return [
        uuid,
        {
          atSeconds,
          cpu,
          memoryBytes: metrics.get("memory") ?? null,
          freeKiB: metrics.get("memory_internal_free") ?? null,
        },
      ];
    }),
  );
}

/** Converts an XAPI date such as `20260131T12:00:00Z` to seconds since 1970. */
export function secondsOf(datetime: string): number {
  const iso = datetime.replace(/^(\d{4})(\d\d)(\d\d)T/, "$1-$2-$3T");
  return Date.parse(iso) / 1000;
}

/** The sample of a machine without its cell. */
export type MachineGuestSample = GuestSample & { readonly machine: MachineSample };

interface GuestMeasurements {
  metrics: VmMetricsRecord | undefined;
  measured: Measured | undefined;
  /** Time at which `measured` was read, epoch ms. */
  measuredAtMs: number;
  guest: GuestMetricsRecord | undefined;
  /** Reference of the pool's record from which `guest` was read. */
  guestRef: string;
  /** Time at which `guest` was read, epoch ms. */
  guestAtMs: number;
  /** Fence of the guest to which these measurements belong. */
  readonly fence: number;
}

interface PoolHost {
  readonly name: string;
  readonly address: string;
  /** How far the clock of the host is ahead of this machine's, s; undefined until the host has told its time. */
  readonly aheadSeconds: number | undefined;
  /** Why the host has told no time. */
  readonly problem?: XapiError;
}

export class Statistics {
  readonly #client: XapiClient;
  readonly #inventory: Inventory;
  readonly #measurements = new Map<string, GuestMeasurements>();
  readonly #hosts = new Map<string, PoolHost>();

  constructor(client: XapiClient, inventory: Inventory) {
    this.#client = client;
    this.#inventory = inventory;
  }

  /** Reads the hosts' names, addresses and clock offsets. A host that is down tells no time. */
  async #readHosts(): Promise<void> {
    const hosts = Object.entries(await this.#client.call("host.get_all_records", []));
    const read = hosts.map(async ([ref, { name_label: name, address }]) => {
      try {
        const time = await this.#client.call("host.get_servertime", [ref]);
        this.#hosts.set(ref, { name, address, aheadSeconds: secondsOf(time) - Date.now() / 1000 });
      } catch (thrown) {
        if (!(thrown instanceof XapiError)) throw thrown;
        const aheadSeconds = this.#hosts.get(ref)?.aheadSeconds;
        this.#hosts.set(ref, { name, address, aheadSeconds, problem: thrown });
      }
    });
    await Promise.all(read);
  }

  /**
   * Reads the names, addresses and clock offsets of all hosts again if at least one host in `refs` is unknown, or has
   * told no time yet.
   */
  async learnHosts(refs: readonly string[]): Promise<void> {
    if (refs.every((ref) => this.#hosts.get(ref)?.aheadSeconds !== undefined)) return;
    await this.#readHosts();
    await learnHostPins(this.#client);
  }

  hostName(ref: string): string | undefined {
    return this.#hosts.get(ref)?.name;
  }

  /**
   * Reads the measurements of every guest once. If a host does not answer, its guests keep their last values, and the
   * first such error is thrown at the end. The certificate of a host that is not trusted is learned again, because the
   * master may not have told it before, or it was renewed; the next call then measures the host's guests.
   */
  async poll(): Promise<void> {
    const guests = this.#inventory.allOwn().filter((vm) => guestOf(vm) !== undefined);
    for (const vmId of this.#measurements.keys()) {
      if (this.#inventory.own(vmId) === undefined) this.#measurements.delete(vmId);
    }
    const hosts = new Set(guests.map(({ record }) => record.resident_on).filter((ref) => ref !== NULL_REF));
    await this.learnHosts([...hosts]);
    const failures: unknown[] = [];
    const addresses = new Map<string, number>();
    for (const ref of hosts) {
      const { address, aheadSeconds, problem } = this.#hosts.get(ref) ?? {};
      if (address !== undefined && aheadSeconds !== undefined) addresses.set(address, aheadSeconds);
      else if (problem !== undefined) failures.push(problem);
    }
    const distrusted: string[] = [];
    for (const [address, aheadSeconds] of addresses) {
      try {
        const start = Math.floor(Date.now() / 1000 + aheadSeconds) - LOOK_BACK_SECONDS;
        const query = { start: String(start), cf: "AVERAGE", interval: "5", json: "true", host: "false" };
        const updates = parseUpdates(await this.#client.get(address, "/rrd_updates", query));
        for (const vm of guests) this.#record(vm, updates.get(vm.record.uuid));
      } catch (thrown) {
        failures.push(thrown);
        if (thrown instanceof XapiUnreachable && thrown.kind === "trust") distrusted.push(address);
      }
    }
    if (distrusted.length > 0) await learnHostPins(this.#client, distrusted);
    for (const vm of guests) await this.#readMetricsIfPresent(vm);
    if (failures.length > 0) throw failures[0];
  }

  #of({ tags }: OwnVm): GuestMeasurements {
    const known = this.#measurements.get(tags.vmId);
    if (known?.fence === tags.fence) return known;
    const fresh: GuestMeasurements = {
      metrics: undefined,
      measured: undefined,
      measuredAtMs: 0,
      guest: undefined,
      guestRef: NULL_REF,
      guestAtMs: 0,
      fence: tags.fence,
    };
    this.#measurements.set(tags.vmId, fresh);
    return fresh;
  }

  #record(vm: OwnVm, measured: Measured | undefined): void {
    if (measured !== undefined) Object.assign(this.#of(vm), { measured, measuredAtMs: Date.now() });
  }

  /** Reads the pool's records about the machine. A machine that stops meanwhile loses them, which is no trouble. */
  async #readMetricsIfPresent(vm: OwnVm): Promise<void> {
    try {
      await this.#readMetrics(vm);
    } catch (thrown) {
      if (!hasCode(thrown, "HANDLE_INVALID")) throw thrown;
      this.#measurements.delete(vm.tags.vmId);
    }
  }

  async #readMetrics(vm: OwnVm): Promise<void> {
    const known = this.#of(vm);
    known.metrics ??= await this.#client.call("VM_metrics.get_record", [vm.record.metrics]);
    const ref = vm.record.guest_metrics;
    if (ref === NULL_REF) known.guest = undefined;
    else if (ref !== known.guestRef || Date.now() - known.guestAtMs > GUEST_METRICS_AGE_MS) {
      known.guest = await this.#client.call("VM_guest_metrics.get_record", [ref]);
      known.guestAtMs = Date.now();
    }
    known.guestRef = ref;
  }

  /** Resolves with the number of virtual CPUs that the VM has now. */
  async vcpusOf(vm: OwnVm): Promise<number> {
    return Number((await this.#client.call("VM_metrics.get_record", [vm.record.metrics])).VCPUs_number);
  }

  /** Drops the VM's metrics after its number of virtual CPUs changed. */
  forget(vmId: string): void {
    const known = this.#measurements.get(vmId);
    if (known !== undefined) known.metrics = undefined;
  }

  /**
   * Returns the latest sample of a machine. The values of its cell are not part of it. Measurements that its host has not
   * renewed for `MEASUREMENT_AGE_MS` are left out.
   */
  sample(vm: OwnVm): MachineGuestSample {
    const { metrics, guest, measuredAtMs, ...known } = this.#of(vm);
    const measured = Date.now() - measuredAtMs > MEASUREMENT_AGE_MS ? undefined : known.measured;
    const { record } = vm;
    const aheadSeconds = this.#hosts.get(record.resident_on)?.aheadSeconds ?? 0;
    const uptimeSeconds =
      metrics === undefined ? 0 : Date.now() / 1000 + aheadSeconds - secondsOf(metrics.start_time);
    const memoryBytes = measured?.memoryBytes ?? record.memory_dynamic_max;
    const free = measured?.freeKiB ?? null;
    const state = guestOf(vm)?.state;
    const uptimeMinutes = Math.max(0, uptimeSeconds / 60);
    return {
      simMinutes: uptimeMinutes,
      health: state === "running" || state === "paused" ? 100 : 0,
      machine: {
        vcpus: metrics?.VCPUs_number ?? record.VCPUs_at_startup,
        cpuPermille: measured === undefined || measured.cpu === null ? null : Math.round(measured.cpu * 1000),
        memoryMiB: Math.round(record.memory_dynamic_max / MIB),
        memoryUsedMiB: free === null ? null : Math.max(0, Math.round(memoryBytes / MIB - free / 1024)),
        address: guest?.networks["0/ip"] ?? null,
        host: this.#hosts.get(record.resident_on)?.name ?? null,
        uptimeMinutes,
        agent: null,
      },
      lagMs: 0,
    };
  }
}
