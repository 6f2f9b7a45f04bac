/**
 * The fleet as the log and the telemetry show it: folds of VMs, ledgers and chassis, joined with the newest samples.
 * Aggregates over it are computed per query.
 */
import {
  aggregateOf,
  type ChassisState,
  chassisFold,
  domainEventOf,
  HEALTH_CODES,
  type Ledger,
  ledgerFold,
  type Vm,
  type VmState,
  vmFold,
} from "@bioxen/contracts";
import { type Clock, type EventFeed, ReadModel, type StoredEvent } from "@bioxen/kernel";
import { Durations } from "../domain/durations.ts";
import { demandOf, grantedShare, jainsIndex } from "../domain/fairness.ts";
import { type Health, healthOf } from "../domain/health.ts";
import { MEASURED_STATES } from "./alert-values.ts";
import type { Samples } from "./samples.ts";

export class Fleet {
  readonly vms = new ReadModel<VmState>("vm", vmFold);
  readonly ledgers = new ReadModel<Ledger>("ledger", ledgerFold);
  readonly chassis = new ReadModel<ChassisState>("chassis", chassisFold);
  /** Durations from a start request to a running guest, since this process started. */
  readonly starts = new Durations();
  readonly #samples: Samples;
  readonly #clock: Clock;
  /** By VM that is starting: the instant of its start request, epoch ms. */
  readonly #startRequests = new Map<string, number>();

  constructor(samples: Samples, clock: Clock) {
    this.#samples = samples;
    this.#clock = clock;
  }

  begin(feed: EventFeed): void {
    feed.onEvent((event) => {
      const { kind, id: vmId } = aggregateOf(event.envelope.subject);
      if (kind !== "vm") return;
      this.#noteStart(vmId, event);
      const vm = this.vms.get(vmId);
      if (!vm.exists || !MEASURED_STATES.includes(vm.state)) this.#samples.forgetVm(vmId);
    });
  }

  #noteStart(vmId: string, { envelope }: StoredEvent): void {
    const { type } = domainEventOf(envelope);
    const atMs = Date.parse(envelope.time);
    if (type === "bioxen.vm.start-requested.v1") this.#startRequests.set(vmId, atMs);
    const requestedAtMs = this.#startRequests.get(vmId);
    if (type === "bioxen.vm.started.v1" && requestedAtMs !== undefined) this.starts.add(atMs - requestedAtMs);
    const vm = this.vms.get(vmId);
    if (!vm.exists || (vm.state !== "pending" && vm.state !== "starting")) this.#startRequests.delete(vmId);
  }

  /** Returns all VMs that are not destroyed, in order of id. */
  existing(): [string, Vm][] {
    return [...this.vms.entries()]
      .flatMap(([vmId, vm]): [string, Vm][] => (vm.exists && vm.state !== "destroyed" ? [[vmId, vm]] : []))
      .sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Returns true when this agent has registered the chassis. */
  isRunBy(agentId: string, chassisId: string): boolean {
    const chassis = this.chassis.get(chassisId);
    return chassis.registered && chassis.agentId === agentId;
  }

  /** Returns the chassis on which a VM is, or to which it moves. */
  placesOf(vmId: string): readonly string[] {
    const vm = this.vms.get(vmId);
    if (!vm.exists) return [];
    return [vm.chassisId, vm.migration?.target?.chassisId, vm.machineOn].filter(
      (id) => typeof id === "string",
    );
  }

  openLedgers(): [string, Ledger][] {
    return [...this.ledgers.entries()]
      .filter(([, ledger]) => ledger.open)
      .sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /**
   * Returns the health of a VM; undefined without a sample, and for a VM that does not run. A paused guest does not
   * grow and is not impaired.
   */
  healthOf(vmId: string, vm: Vm): Health | undefined {
    const sample = this.#samples.vms.get(vmId);
    return sample === undefined || vm.state !== "running" ? undefined : healthOf(vm, sample);
  }

  /** Returns the mean health of the measured VMs, 0 to 100; null when none is measured. */
  meanHealth(vms: readonly [string, Vm][]): number | null {
    const measured = vms.flatMap(([vmId, vm]) => this.healthOf(vmId, vm)?.health ?? []);
    return measured.length === 0 ? null : measured.reduce((a, b) => a + b, 0) / measured.length;
  }

  /** Returns the number of impaired VMs by reason. */
  impairments(vms: readonly [string, Vm][]): Record<string, number> {
    const out: Record<string, number> = Object.fromEntries(HEALTH_CODES.map((code) => [code, 0]));
    for (const [vmId, vm] of vms) {
      for (const { code } of this.healthOf(vmId, vm)?.reasons ?? []) out[code] = (out[code] ?? 0) + 1;
    }
    return out;
  }

  /** Returns how many VMs wait for a place, and the longest of their waits, ms. */
  waits(vms: readonly [string, Vm][]): { readonly waiting: number; readonly oldestMs: number } {
    const nowMs = this.#clock.nowMs();
    const waiting = vms.filter(([, vm]) => vm.state === "pending");
    const ages = waiting.map(([, vm]) => Math.max(0, nowMs - (vm.pendingSinceMs ?? nowMs)));
    return { waiting: waiting.length, oldestMs: Math.max(0, ...ages) };
  }

  byState(vms: readonly [string, Vm][]): Record<string, number> {
    const out: Record<string, number> = {};
    for (const [, vm] of vms) out[vm.state] = (out[vm.state] ?? 0) + 1;
    return out;
  }

  /**
   * Returns Jain's index over the VMs that hold an allocation, and the pending VMs, which have been granted nothing. A
   * VM that may borrow capacity demands its burst ceiling. The granted amount of a VM is from its newest sample.
   */
  fairness(vms: readonly [string, Vm][]): number | null {
    const shares = vms.flatMap(([vmId, vm]) => {
      if (vm.allocation === null && vm.state !== "pending") return [];
      const granted = vm.allocation === null ? undefined : this.#samples.vms.get(vmId)?.granted;
      return grantedShare({ ...vm.allocation, ...granted }, demandOf(vm.request, vm.burst)) ?? [];
    });
    return jainsIndex(shares);
  }
}
