/**
 * The cluster of a replay: its chassis and their offers, the VMs on them, the VMs that wait, and the meters of use.
 *
 * The cluster makes no decisions. Every change gets its time from the log, and this time never decreases.
 */
import { type Chassis, type ChassisState, Neighbours, offeredOf, roomFor } from "@bioxen/contracts";
import { type Amounts, add, amountOf, equalAmounts, NO_AMOUNTS, subtract } from "@bioxen/kernel";
import { HOLD_AFTER_MS } from "./plan.ts";
import type { ChassisRoom, WaitingVm } from "./snapshot.ts";
import { type ChassisUse, UseMeter } from "./use-meter.ts";

/** One demand for a place and its outcome. */
export interface Episode {
  readonly vmId: string;
  /** Sequence of the event that made the demand, or of the event at which the replay removed the VM's chassis. */
  readonly askedSeq: number;
  readonly askedAtMs: number;
  chassisId: string | null;
  /** Time at which the VM got its place, ms. null while the VM waits; stays null if the VM never gets a place. */
  placedAtMs: number | null;
  /** Time at which the VM withdrew or left its place, ms; null if it still waited or ran at the end of the replay. */
  endedAtMs: number | null;
  /**
   * True for a placement from before the replay began to decide. It is taken from the log, and its wait is not counted.
   */
  carried: boolean;
}

interface Host {
  readonly chassis: Chassis;
  readonly offered: Amounts;
  readonly held: Map<string, Amounts>;
  used: Amounts;
  readonly meter: UseMeter;
}

interface Tenant {
  vm: WaitingVm;
  episode: Episode;
}

export class VirtualCluster {
  readonly episodes: Episode[] = [];
  /** Number of VMs that lost their place because their chassis was removed. */
  evictions = 0;
  /** Number of resizes in the log that do not fit on the VM's chassis in this cluster. */
  refusedResizes = 0;
  readonly #hosts = new Map<string, Host>();
  readonly #left: ChassisUse[] = [];
  /** VMs that wait for a place or have one. */
  readonly #tenants = new Map<string, Tenant>();
  readonly #waiting = new Map<string, WaitingVm>();
  /** Ids of the waiting VMs whose latest demand no plan has considered yet. */
  readonly #fresh = new Set<string>();
  /** True when a VM that did not fit in the last plan may fit now. */
  #roomGrew = true;

  request(vm: WaitingVm, seq: number, atMs: number): void {
    this.leave(vm.vmId, atMs);
    const episode: Episode = {
      vmId: vm.vmId,
      askedSeq: seq,
      askedAtMs: atMs,
      chassisId: null,
      placedAtMs: null,
      endedAtMs: null,
      carried: false,
    };
    this.episodes.push(episode);
    this.#tenants.set(vm.vmId, { vm, episode });
    this.#waiting.set(vm.vmId, vm);
    this.#fresh.add(vm.vmId);
  }

  place(vmId: string, chassisId: string, atMs: number): void {
    const tenant = this.#tenants.get(vmId);
    const host = this.#hosts.get(chassisId);
    if (tenant === undefined || host === undefined || tenant.episode.chassisId !== null) return;
    tenant.episode.chassisId = chassisId;
    tenant.episode.placedAtMs = atMs;
    this.#waiting.delete(vmId);
    this.#hold(host, vmId, tenant.vm.request, atMs);
  }

  /** Sets the amounts that a placed VM holds on its chassis. Its request stays the same. */
  setHeld(vmId: string, amounts: Amounts, atMs: number): void {
    const host = this.#hosts.get(this.#tenants.get(vmId)?.episode.chassisId ?? "");
    if (host !== undefined) this.#hold(host, vmId, amounts, atMs);
  }

  /** Ends the wait of a VM. Does nothing for a VM with a place, which keeps its place until `leave`. */
  withdraw(vmId: string, atMs: number): void {
    if (this.#waiting.has(vmId)) this.leave(vmId, atMs);
  }

  leave(vmId: string, atMs: number): void {
    const tenant = this.#tenants.get(vmId);
    if (tenant === undefined) return;
    tenant.episode.endedAtMs = atMs;
    this.#tenants.delete(vmId);
    this.#waiting.delete(vmId);
    const host = this.#hosts.get(tenant.episode.chassisId ?? "");
    if (host !== undefined) this.#hold(host, vmId, null, atMs);
  }

  /**
   * Changes the amounts of a VM. A placed VM gets all of the new amounts, or keeps the old ones when they do not fit,
   * as in a ledger. A waiting VM requests the new amounts from now on.
   */
  resize(vmId: string, amounts: Amounts, atMs: number): void {
    const tenant = this.#tenants.get(vmId);
    if (tenant === undefined) return;
    const host = this.#hosts.get(tenant.episode.chassisId ?? "");
    if (host === undefined) {
      tenant.vm = { ...tenant.vm, request: amounts };
      this.#waiting.set(vmId, tenant.vm);
      this.#fresh.add(vmId);
      return;
    }
    const own = host.held.get(vmId) ?? NO_AMOUNTS;
    if (equalAmounts(own, amounts)) return;
    const room = { free: add(freeOf(host), own), placesLeft: 1 };
    if (roomFor(amounts, room) !== undefined) {
      this.refusedResizes += 1;
      return;
    }
    tenant.vm = { ...tenant.vm, request: amounts };
    this.#hold(host, vmId, amounts, atMs);
  }

  /** Adds, changes or removes a chassis. The VMs of a removed chassis request a place again. */
  setChassis(chassisId: string, chassis: ChassisState, seq: number, atMs: number): void {
    this.#roomGrew = true;
    const before = this.#hosts.get(chassisId);
    if (!chassis.registered) {
      if (before !== undefined) this.#removeHost(chassisId, before, seq, atMs);
      return;
    }
    const offered = offeredOf(chassis);
    const held = before?.held ?? new Map<string, Amounts>();
    const used = before?.used ?? NO_AMOUNTS;
    const meter = before?.meter ?? new UseMeter(chassisId, chassis.chassisType, atMs);
    const host: Host = { chassis, offered, held, used, meter };
    this.#hosts.set(chassisId, host);
    meter.set(used, offered, held.size, atMs);
  }

  #removeHost(chassisId: string, host: Host, seq: number, atMs: number): void {
    const evicted = [...host.held.keys()].sort();
    this.evictions += evicted.length;
    for (const vmId of evicted) {
      const vm = this.#tenants.get(vmId)?.vm;
      if (vm !== undefined) this.request({ ...vm, waitingSinceMs: atMs }, seq, atMs);
    }
    this.#left.push(host.meter.read(atMs));
    this.#hosts.delete(chassisId);
  }

  #hold(host: Host, vmId: string, amounts: Amounts | null, atMs: number): void {
    const before = host.held.get(vmId);
    if (before !== undefined) {
      host.used = subtract(host.used, before);
      this.#roomGrew = true;
    }
    if (amounts === null) host.held.delete(vmId);
    else {
      host.held.set(vmId, amounts);
      host.used = add(host.used, amounts);
    }
    host.meter.set(host.used, host.offered, host.held.size, atMs);
  }

  /**
   * Returns the VMs for the next plan: all waiting VMs, if there may be more room than at the last plan. Otherwise it
   * returns the VMs with a new demand and those that have waited long enough to hold a chassis; the others would not
   * fit now either.
   */
  toPlan(atMs: number): WaitingVm[] {
    const waiting = [...this.#waiting.values()];
    const holdsChassis = (vm: WaitingVm) => atMs - vm.waitingSinceMs >= HOLD_AFTER_MS;
    const due = this.#roomGrew
      ? waiting
      : waiting.filter((vm) => this.#fresh.has(vm.vmId) || holdsChassis(vm));
    this.#roomGrew = false;
    this.#fresh.clear();
    return due;
  }

  rooms(): ChassisRoom[] {
    return [...this.#hosts].map(([chassisId, host]) => ({
      chassisId,
      chassis: host.chassis,
      offered: host.offered,
      room: { free: freeOf(host), placesLeft: Math.max(0, host.chassis.maxVms - host.held.size) },
      neighbours: new Neighbours([...host.held.keys()].flatMap((vmId) => this.#tenants.get(vmId)?.vm ?? [])),
      closed: host.chassis.cordoned ? { code: "UNAVAILABLE", message: "is cordoned" } : undefined,
    }));
  }

  /**
   * Begins the measured part of a replay. VMs keep their places; these places count as decisions of the log, not of the
   * replay.
   */
  beginToDecide(atMs: number): void {
    const open = [...this.#tenants.values()].map(({ episode }) => episode);
    this.episodes.length = 0;
    for (const episode of open) {
      episode.carried = episode.chassisId !== null;
      this.episodes.push(episode);
    }
    this.episodes.sort((a, b) => a.askedSeq - b.askedSeq || (a.vmId < b.vmId ? -1 : 1));
    this.evictions = 0;
    this.refusedResizes = 0;
    this.#left.length = 0;
    for (const { meter } of this.#hosts.values()) meter.restart(atMs);
  }

  use(atMs: number): ChassisUse[] {
    const present = [...this.#hosts.values()].map(({ meter }) => meter.read(atMs));
    const left = this.#left.filter(({ presentMs }) => presentMs > 0);
    return [...left, ...present].sort((a, b) => (a.chassisId < b.chassisId ? -1 : 1));
  }
}

/**
 * Returns the free amounts of a host: at least 0, even when its chassis was made smaller than the amounts held on it.
 */
function freeOf({ offered, used }: Host): Amounts {
  return Object.fromEntries(
    Object.keys(offered)
      .sort()
      .map((name) => [name, Math.max(0, amountOf(offered, name) - amountOf(used, name))]),
  );
}
