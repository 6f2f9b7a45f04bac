/**
 * The xcpng driver: guests are VMs of an XCP-ng pool.
 *
 * The pool outlives us: what runs is found again by its keys, a stop keeps its disks for the next start, and `discard`
 * removes them. One thing happens to a VM at a time (`KeyedQueue`); what others do to it is seen by events
 * (`watch.ts`). Nothing is tried again here: whoever asked will ask again, and every sequence goes on where it broke off.
 */
import {
  type DriverCapabilities,
  DriverError,
  type ExecOptions,
  type ExecOutcome,
  Fences,
  type GuestCheckpoint,
  type GuestEvent,
  type GuestSample,
  type GuestSpec,
  type GuestStatus,
  type KeptGuest,
  type OutsideChange,
  type SnapshotKeeper,
  type VmDriver,
} from "@bioxen/vm-driver";
import { bringUp } from "./bring-up.ts";
import { capabilitiesOf } from "./capabilities.ts";
import { capacityOf, type PoolCapacity } from "./capacity.ts";
import { asDriverError } from "./failures.ts";
import { guestOf, keptOf, type OwnVm } from "./inventory.ts";
import { LostGuests } from "./lost-guests.ts";
import { PoolLink, type PoolLinkOptions } from "./pool-link.ts";
import { NO_SSH, Programs, type SshSettings } from "./programs.ts";
import { resizeGuest } from "./sizing.ts";
import { checkpointNaming, restartFrom } from "./snapshots.ts";
import type { Observed } from "./watch.ts";
import { wishesOf } from "./wishes.ts";

export interface XcpngDriverOptions extends PoolLinkOptions {
  /** Name or uuid of the template of VMs that name none. */
  readonly template: string;
  /** The way into machines, for `exec`; absent: there is none. */
  readonly ssh?: SshSettings | undefined;
}

export interface XcpngDriver extends VmDriver {
  /** Connections into machines that are open. */
  readonly connections: number;
  /** What the pool can give now. Rejects with `UNAVAILABLE`. */
  capacity(): Promise<PoolCapacity>;
}

/** What others do after which no program goes on in it. */
const HAS_ENDED: readonly OutsideChange[] = ["halted", "suspended", "deleted"];

export function createXcpngDriver(options: XcpngDriverOptions): XcpngDriver {
  return new Xcpng(options);
}

class Xcpng implements XcpngDriver {
  readonly capabilities: DriverCapabilities;
  readonly snapshots: SnapshotKeeper = {
    take: (vmId, fence, name) => this.#takeSnapshot(vmId, fence, name),
    list: () => (this.#closed === undefined ? this.#pool.inventory.snapshots() : []),
    drop: (vmId, name) => this.#dropSnapshot(vmId, name),
  };
  readonly #options: XcpngDriverOptions;
  readonly #pool: PoolLink;
  readonly #programs: Programs | undefined;
  readonly #fences = new Fences();
  readonly #starting = new Map<string, { readonly fence: number; readonly abort: AbortController }>();
  readonly #lost = new LostGuests();
  /** Sizes a paused guest is to have once it runs. */
  readonly #sizesToCome = new Map<string, Readonly<Record<string, number>>>();
  /** An operation on them broke off: the pool may hold what the inventory does not. */
  readonly #unsure = new Set<string>();
  readonly #listeners: ((event: GuestEvent) => void)[] = [];
  #closed: Promise<void> | undefined;

  constructor(options: XcpngDriverOptions) {
    this.#options = options;
    this.#pool = new PoolLink(options, {
      onObserved: (observed) => this.#observed(observed),
      onChanged: (vmId, fence) => this.#emit({ kind: "changed", vmId, fence }),
    });
    this.#programs = options.ssh && new Programs(options.ssh, this.#pool.client);
    this.capabilities = capabilitiesOf(options.ssh);
  }

  get connections(): number {
    return this.#programs?.connections ?? 0;
  }

  async whenReady(): Promise<void> {
    this.#requireOpen();
    await this.#pool.whenReady();
  }

  async start(spec: GuestSpec): Promise<void> {
    this.#requireOpen();
    const { vmId, fence } = spec;
    const wishes = wishesOf(spec, this.#options);
    if (this.#fences.start(vmId, fence, this.#heldFence(vmId)) === "same") {
      // Also while it is being started: the first start is waited for.
      return this.#pool.queue.run(vmId, async () => undefined);
    }
    await this.#inLine(vmId, `starting ${vmId}`, async () => {
      const abort = new AbortController();
      this.#starting.set(vmId, { fence, abort });
      try {
        await bringUp(this.#pool, this.#fences, spec, wishes, abort.signal);
        const vm = this.#pool.inventory.own(vmId);
        // What came back with its memory has the size it had then.
        if (spec.checkpoint !== undefined && vm !== undefined) await this.#resize(vm, spec.allocation);
        this.#lost.forget(vmId);
      } catch (thrown) {
        if (!abort.signal.aborted) throw thrown;
        throw new DriverError("INVALID_STATE", `"${vmId}" was stopped while it was started`, {
          cause: thrown,
        });
      } finally {
        this.#starting.delete(vmId);
      }
    });
  }

  async pause(vmId: string, fence: number): Promise<void> {
    await this.#onGuest(vmId, fence, "pausing", async (vm) => {
      if (vm.record.power_state === "Running") await this.#pool.vms.pause(vm.ref);
    });
  }

  async resume(vmId: string, fence: number): Promise<void> {
    await this.#onGuest(vmId, fence, "resuming", async (vm) => {
      if (vm.record.power_state !== "Running") await this.#pool.vms.resume(vm);
      const size = this.#sizesToCome.get(vmId);
      if (size === undefined) return;
      const running = await this.#pool.vms.refresh(vm.ref);
      if (running !== undefined) await this.#resize(running, size);
      this.#sizesToCome.delete(vmId);
    });
  }

  async resize(vmId: string, fence: number, allocation: Readonly<Record<string, number>>): Promise<void> {
    await this.#onGuest(vmId, fence, "resizing", async (vm) => {
      // A paused machine takes no new size; it gets it when it runs again.
      if (vm.record.power_state === "Running") await this.#resize(vm, allocation);
      else this.#sizesToCome.set(vmId, { ...allocation });
    });
  }

  async #resize(vm: OwnVm, allocation: Readonly<Record<string, number>>): Promise<void> {
    const left = await resizeGuest(this.#pool, vm, allocation);
    const { vmId, fence } = vm.tags;
    for (const line of left) this.#emit({ kind: "log", vmId, fence, line: `takes a restart: ${line}` });
  }

  async stop(vmId: string, fence: number): Promise<void> {
    this.#requireOpen();
    this.#fences.stop(vmId, fence, this.#heldFence(vmId));
    const starting = this.#starting.get(vmId);
    if (starting !== undefined && starting.fence <= fence) starting.abort.abort();
    this.#programs?.end(vmId, "its machine was stopped");
    await this.#inLine(vmId, `stopping ${vmId}`, async () => {
      const vm = this.#pool.inventory.own(vmId);
      const here = Math.max(vm?.tags.fence ?? 0, this.#lost.fenceOf(vmId) ?? 0);
      if (here > fence) throw new DriverError("STALE_FENCE", `fence ${fence} of "${vmId}" is behind ${here}`);
      this.#lost.forget(vmId);
      this.#sizesToCome.delete(vmId);
      if (vm !== undefined && guestOf(vm) !== undefined) await this.#pool.vms.halt(vm);
      // One that began while the machine shut down.
      this.#programs?.end(vmId, "its machine was stopped");
    });
  }

  async discard(vmId: string, incarnation: number): Promise<void> {
    this.#requireOpen();
    await this.#inLine(vmId, `removing ${vmId}`, async () => {
      const vm = this.#pool.inventory.own(vmId);
      if (vm === undefined || vm.tags.incarnation > incarnation) return;
      if (guestOf(vm) !== undefined) throw new DriverError("INVALID_STATE", `"${vmId}" has not been stopped`);
      await this.#pool.vms.destroy(vm.ref);
    });
  }

  async exec(vmId: string, fence: number, source: string, options: ExecOptions): Promise<ExecOutcome> {
    const meant = (): OwnVm => {
      this.#requireOpen();
      this.#fences.touch(vmId, fence, this.#heldFence(vmId));
      const vm = this.#pool.inventory.own(vmId);
      const state = vm && guestOf(vm)?.state;
      if (vm !== undefined && state === "running") return vm;
      throw new DriverError("INVALID_STATE", `"${vmId}" is ${state ?? "not up yet"}: it runs no program`);
    };
    if (this.#programs !== undefined) return this.#programs.run(meant, source, options);
    meant();
    throw new DriverError("UNSUPPORTED", NO_SSH);
  }

  async restart(spec: GuestSpec): Promise<void> {
    this.#requireOpen();
    const wishes = wishesOf(spec, this.#options);
    await this.#onGuest(spec.vmId, spec.fence, "setting back", async (vm) => {
      this.#programs?.end(spec.vmId, "its machine was set back");
      const back = await restartFrom(this.#pool, vm, spec, wishes);
      if (back?.record.power_state === "Running") await this.#resize(back, spec.allocation);
      else this.#sizesToCome.set(spec.vmId, { ...spec.allocation });
    });
  }

  async #takeSnapshot(vmId: string, fence: number, name: string): Promise<GuestCheckpoint> {
    let simMinutes = 0;
    await this.#onGuest(vmId, fence, "snapshotting", async (vm) => {
      simMinutes = Math.floor(this.#pool.statistics.sample(vm).simMinutes);
      if (this.#snapshotOf(vmId, name) === undefined) await this.#pool.vms.snapshot(vm, name);
    });
    return { bytes: checkpointNaming(name), simMinutes };
  }

  async #dropSnapshot(vmId: string, name: string): Promise<void> {
    this.#requireOpen();
    await this.#inLine(vmId, `removing a snapshot of ${vmId}`, async () => {
      const snapshot = this.#snapshotOf(vmId, name);
      if (snapshot !== undefined) await this.#pool.vms.dropSnapshot(snapshot.ref);
    });
  }

  #snapshotOf(vmId: string, name: string) {
    return this.#pool.inventory.snapshots().find((one) => one.vmId === vmId && one.name === name);
  }

  async snapshot(vmId: string, fence: number): Promise<GuestCheckpoint> {
    this.#requireOpen();
    this.#fences.touch(vmId, fence, this.#heldFence(vmId));
    throw unsupported("take a machine's state out of its pool");
  }

  sample(vmId: string): GuestSample | undefined {
    const vm = this.#closed === undefined ? this.#pool.inventory.own(vmId) : undefined;
    return vm === undefined || guestOf(vm) === undefined ? undefined : this.#pool.statistics.sample(vm);
  }

  list(): readonly GuestStatus[] {
    if (this.#closed !== undefined) return [];
    const here = this.#pool.inventory.allOwn().flatMap((vm) => guestOf(vm) ?? []);
    return [...here, ...this.#lost.list()].sort((a, b) => (a.vmId < b.vmId ? -1 : 1));
  }

  kept(): readonly KeptGuest[] {
    return this.#closed === undefined ? this.#pool.inventory.allOwn().flatMap((vm) => keptOf(vm) ?? []) : [];
  }

  async capacity(): Promise<PoolCapacity> {
    await this.whenReady();
    return capacityOf(this.#pool.client, this.#pool.inventory).catch((thrown) => {
      throw asDriverError(thrown, "reading the pool's capacity");
    });
  }

  onGuestEvent(listener: (event: GuestEvent) => void): void {
    this.#listeners.push(listener);
  }

  tick(): void {}

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  #close(): Promise<void> {
    for (const { abort } of this.#starting.values()) abort.abort();
    // Before the queue is waited for: a program may take a minute.
    return Promise.all([this.#programs?.close(), this.#pool.close()]).then(() => undefined);
  }

  #heldFence(vmId: string): number | undefined {
    const vm = this.#pool.inventory.own(vmId);
    const fences = [
      vm === undefined ? undefined : guestOf(vm)?.fence,
      this.#lost.fenceOf(vmId),
      this.#starting.get(vmId)?.fence,
    ].filter((fence) => fence !== undefined);
    return fences.length === 0 ? undefined : Math.max(...fences);
  }

  async #onGuest(
    vmId: string,
    fence: number,
    what: string,
    work: (vm: OwnVm) => Promise<void>,
  ): Promise<void> {
    this.#requireOpen();
    this.#fences.touch(vmId, fence, this.#heldFence(vmId));
    await this.#inLine(vmId, `${what} ${vmId}`, async () => {
      this.#fences.touch(vmId, fence, this.#heldFence(vmId));
      const vm = this.#pool.inventory.own(vmId);
      if (vm === undefined || guestOf(vm)?.state === "failed") {
        throw new DriverError("INVALID_STATE", `"${vmId}" has failed`);
      }
      await work(vm);
      await this.#pool.vms.refresh(vm.ref);
    });
  }

  /** When it is the VM's turn, with the pool known, and failures in the driver's words. */
  #inLine(vmId: string, what: string, work: () => Promise<void>): Promise<void> {
    return this.#pool.queue.run(vmId, async () => {
      try {
        await this.whenReady();
        if (this.#unsure.has(vmId)) await this.#pool.vms.fetchAll();
        this.#unsure.delete(vmId);
        await work();
      } catch (thrown) {
        this.#unsure.add(vmId);
        throw asDriverError(thrown, what);
      }
    });
  }

  #observed(observed: Observed): void {
    const { vmId, fence, change: seen, before, hosts } = observed;
    if (seen === "deleted" && before !== undefined) {
      this.#lost.add(vmId, fence);
    }
    if (HAS_ENDED.includes(seen)) this.#programs?.end(vmId, `its machine was ${seen}, and not by BioXen`);
    const name = (ref: string | undefined) => ref && this.#pool.statistics.hostName(ref);
    const [fromHost, toHost] = [name(hosts?.from), name(hosts?.to)];
    this.#emit({ kind: "observed", vmId, fence, seen, fromHost, toHost });
    this.#emit({ kind: "log", vmId, fence, line: `somebody else changed it in the pool: ${seen}` });
    const guest = this.list().find((one) => one.vmId === vmId);
    if (guest?.state === "failed" && before?.state !== "failed") {
      this.#emit({ kind: "failed", vmId, fence, reason: guest.reason ?? "it ended" });
    }
  }

  #emit(event: GuestEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #requireOpen(): void {
    if (this.#closed !== undefined) throw new DriverError("UNAVAILABLE", "the driver is closed");
  }
}

function unsupported(what: string): DriverError {
  return new DriverError("UNSUPPORTED", `this driver cannot ${what}`);
}
