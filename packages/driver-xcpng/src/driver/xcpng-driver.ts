/**
 * The xcpng driver: guests are VMs of an XCP-ng pool.
 *
 * The pool outlives the driver. The driver finds its VMs again by their `other_config` keys (`tags.ts`). A stop keeps a
 * VM's disks for the next start, and `discard` removes them. Operations on one VM run one at a time
 * (`machine-operations.ts`); changes by other users of the pool arrive as events (`watch.ts`). The driver does not
 * retry: the agent calls again, and every operation then continues with its first unfinished step.
 */
import {
  type DriverCapabilities,
  DriverError,
  type ExecOptions,
  type ExecOutcome,
  type GuestCapabilities,
  type GuestCheckpoint,
  type GuestEvent,
  type GuestSample,
  type GuestSpec,
  type GuestStatus,
  type HostRoom,
  type KeptGuest,
  type LeftBehind,
  type Orphan,
  type SnapshotKeeper,
  type StopOptions,
} from "@bioxen/vm-driver";
import { bringUp } from "./bring-up.ts";
import { capabilitiesOf } from "./capabilities.ts";
import {
  capacityOf,
  type FailoverGap,
  failoverGapOf,
  freeHostsOf,
  type PoolCapacity,
  type PoolHosts,
  readPoolHosts,
} from "./capacity.ts";
import { cellsOf, execIn } from "./cell-guests.ts";
import type { Cells } from "./cells.ts";
import type { XcpngDriver, XcpngDriverOptions } from "./driver-options.ts";
import { orDriverError } from "./failures.ts";
import { GuestList, statusOf } from "./guest-list.ts";
import { guestOf, type OwnVm } from "./inventory.ts";
import { leftEvents } from "./leftovers.ts";
import { DEFAULT_SHUTDOWN_GRACE_MS } from "./limits.ts";
import { MachineOperations } from "./machine-operations.ts";
import { machineSettingsOf } from "./machine-settings.ts";
import { PoolLink } from "./pool-link.ts";
import { Programs } from "./programs.ts";
import { resizeGuest } from "./sizing.ts";
import { PoolSnapshots } from "./snapshot-keeper.ts";
import { restartFrom, STAYS_IN_POOL } from "./snapshots.ts";
import { ENDS_PROGRAMS, type Observed } from "./watch.ts";

export function createXcpngDriver(options: XcpngDriverOptions): XcpngDriver {
  return new Xcpng(options);
}

class Xcpng implements XcpngDriver {
  readonly capabilities: DriverCapabilities;
  readonly snapshots: SnapshotKeeper;
  readonly #options: XcpngDriverOptions;
  readonly #pool: PoolLink;
  readonly #operations: MachineOperations;
  readonly #programs: Programs | undefined;
  readonly #cells: Cells;
  readonly #guests: GuestList;
  /** Allocations that paused guests get when they are resumed. */
  readonly #pendingSizes = new Map<string, Readonly<Record<string, number>>>();
  readonly #listeners: ((event: GuestEvent) => void)[] = [];
  /** The hosts of the pool, as last read by `capacity`. */
  #hosts: PoolHosts | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: XcpngDriverOptions) {
    this.#options = options;
    this.#pool = new PoolLink(options, {
      onObserved: (observed) => this.#observed(observed),
      onChanged: (vmId, fence) => this.#emit({ kind: "changed", vmId, fence }),
      onLeft: (left) => {
        for (const event of leftEvents(left)) this.#emit(event);
      },
    });
    this.#programs = options.ssh && new Programs(options.ssh, this.#pool.client);
    this.#cells = cellsOf(options, this.#pool.inventory, this.#programs, (event) => this.#emit(event));
    this.#operations = new MachineOperations(
      this.#pool,
      (vm) => statusOf(vm, this.#cells)?.state === "failed",
    );
    this.#guests = new GuestList(this.#pool, this.#operations, this.#cells);
    this.snapshots = new PoolSnapshots(this.#pool, this.#operations, this.#cells);
    this.capabilities = capabilitiesOf(options.ssh);
  }

  get connections(): number {
    return this.#programs?.connections ?? 0;
  }

  async whenReady(): Promise<void> {
    this.#operations.requireOpen();
    await this.#pool.whenReady();
  }

  async start(spec: GuestSpec): Promise<void> {
    const operations = this.#operations;
    operations.requireOpen();
    const { vmId, fence } = spec;
    const settings = machineSettingsOf(spec, this.#options);
    const isSame = operations.fences.start(vmId, fence, operations.heldFence(vmId)) === "same";
    if (isSame && this.guest(vmId)?.unfinished !== true) {
      // The guest may still be starting: a repeated start waits for the first one.
      return this.#pool.queue.run(vmId, async () => undefined);
    }
    const work = async (signal: AbortSignal): Promise<void> => {
      await bringUp(
        this.#pool,
        operations.fences,
        spec,
        settings,
        signal,
        (permille) => this.#emit({ kind: "progress", vmId, fence, permille }),
        (vm) => this.#beginCell(vm, spec, signal),
      );
      const vm = this.#pool.inventory.own(vmId);
      // A machine that was restored with its memory, or adopted while it ran, still has its earlier size.
      const hasOtherSize = spec.checkpoint !== undefined || settings.machine !== undefined;
      if (hasOtherSize && vm?.record.power_state === "Running")
        await this.#resizeMachine(vm, spec.allocation);
      operations.lost.forget(vmId);
    };
    await operations.inTurn(vmId, `starting ${vmId}`, () => operations.starting(vmId, fence, work));
  }

  async #beginCell(vm: OwnVm, spec: GuestSpec, signal: AbortSignal): Promise<void> {
    await this.#cells.begin(vm, spec, signal);
    await this.#pool.vms.noteCell(vm);
  }

  async pause(vmId: string, fence: number): Promise<void> {
    await this.#operations.onGuest(vmId, fence, "pausing", async (vm) => {
      if (vm.record.power_state !== "Running") return;
      await this.#cells.pause(vm);
      await this.#pool.vms.pause(vm.ref);
    });
  }

  async resume(vmId: string, fence: number): Promise<void> {
    await this.#operations.onGuest(vmId, fence, "resuming", async (vm) => {
      if (vm.record.power_state !== "Running") await this.#pool.vms.resume(vm);
      const running = await this.#pool.reads.settle(vm.ref, { power_state: "Running" });
      if (running === undefined) return;
      await this.#cells.resume(running);
      const size = this.#pendingSizes.get(vmId);
      if (size === undefined) return;
      await this.#resize(running, size);
      this.#pendingSizes.delete(vmId);
    });
  }

  async resize(vmId: string, fence: number, allocation: Readonly<Record<string, number>>): Promise<void> {
    await this.#operations.onGuest(vmId, fence, "resizing", async (vm) => {
      // XAPI cannot resize a paused machine, so the machine gets its new size when it is resumed.
      if (vm.record.power_state === "Running") await this.#resize(vm, allocation);
      else this.#pendingSizes.set(vmId, { ...allocation });
    });
  }

  async #resize(vm: OwnVm, allocation: Readonly<Record<string, number>>): Promise<void> {
    await this.#resizeMachine(vm, allocation);
    await this.#cells.resize(vm, allocation);
  }

  async #resizeMachine(vm: OwnVm, allocation: Readonly<Record<string, number>>): Promise<void> {
    const left = await resizeGuest(this.#pool, vm, allocation);
    const { vmId, fence } = vm.tags;
    for (const line of left) this.#emit({ kind: "log", vmId, fence, line: `needs a restart: ${line}` });
  }

  async stop(vmId: string, fence: number, { graceMs }: StopOptions = {}): Promise<void> {
    const { lost, fences, shutdowns } = this.#operations;
    this.#operations.requireOpen();
    fences.stop(vmId, fence, this.#operations.heldFence(vmId));
    this.#operations.abortStart(vmId, fence);
    this.#programs?.end(vmId, "its machine was stopped");
    const halt = async (signal: AbortSignal): Promise<void> => {
      const vm = this.#pool.inventory.own(vmId);
      const newest = Math.max(vm?.tags.fence ?? 0, lost.fenceOf(vmId) ?? 0);
      if (newest > fence) {
        throw new DriverError("STALE_FENCE", `fence ${fence} of "${vmId}" is older than ${newest}`);
      }
      lost.forget(vmId);
      this.#pendingSizes.delete(vmId);
      this.#cells.reports.forget(vmId);
      if (vm !== undefined && guestOf(vm) !== undefined) await this.#pool.vms.halt(vm, graceMs, signal);
      // A program may have started while the machine shut down.
      this.#programs?.end(vmId, "its machine was stopped");
    };
    await shutdowns.run(vmId, fence, graceMs, (signal) =>
      this.#operations.inTurn(vmId, `stopping ${vmId}`, () => halt(signal)),
    );
  }

  async discard(vmId: string, incarnation: number): Promise<void> {
    this.#operations.requireOpen();
    await this.#operations.inTurn(vmId, `removing ${vmId}`, async () => {
      const vm = this.#pool.inventory.own(vmId);
      if (vm === undefined || vm.tags.incarnation > incarnation) return;
      if (guestOf(vm) !== undefined)
        throw new DriverError("INVALID_STATE", `"${vmId}" is not stopped: stop it first`);
      await this.#pool.removal.discard("machine", vm.ref);
    });
  }

  async exec(vmId: string, fence: number, source: string, options: ExecOptions): Promise<ExecOutcome> {
    const runningMachine = (): OwnVm => {
      this.#operations.requireOpen();
      this.#operations.fences.touch(vmId, fence, this.#operations.heldFence(vmId));
      const vm = this.#pool.inventory.own(vmId);
      const state = vm && statusOf(vm, this.#cells)?.state;
      if (vm !== undefined && state === "running") return vm;
      throw new DriverError("INVALID_STATE", `"${vmId}" is ${state ?? "not up yet"}: it runs no program`);
    };
    if (options.readOnly === true)
      throw new DriverError("UNSUPPORTED", `"${vmId}" is a machine: no program runs on a copy of it`);
    return execIn(this.#programs, this.#cells, runningMachine, source, options);
  }

  async restart(spec: GuestSpec): Promise<void> {
    this.#operations.requireOpen();
    const settings = machineSettingsOf(spec, this.#options);
    await this.#operations.onGuest(spec.vmId, spec.fence, "restoring", async (vm) => {
      this.#programs?.end(spec.vmId, "its machine was restored to a snapshot");
      const restored = await restartFrom(this.#pool, vm, spec, settings);
      if (restored?.record.power_state === "Running") {
        await this.#resizeMachine(restored, spec.allocation);
        await this.#beginCell(restored, spec, new AbortController().signal);
      } else {
        this.#cells.reports.forget(spec.vmId);
        this.#pendingSizes.set(spec.vmId, { ...spec.allocation });
      }
    });
  }

  async snapshot(vmId: string, fence: number): Promise<GuestCheckpoint> {
    this.#operations.requireOpen();
    this.#operations.fences.touch(vmId, fence, this.#operations.heldFence(vmId));
    throw new DriverError("UNSUPPORTED", STAYS_IN_POOL);
  }

  sample(vmId: string): GuestSample | undefined {
    return this.#guests.sample(vmId);
  }

  list(): readonly GuestStatus[] {
    return this.#guests.list();
  }

  guest(vmId: string): GuestStatus | undefined {
    return this.#guests.guest(vmId);
  }

  guestCapabilities(vmId: string): GuestCapabilities | undefined {
    return this.#guests.capabilities(vmId, this.#programs !== undefined);
  }

  keptGuest(vmId: string): KeptGuest | undefined {
    return this.#guests.keptGuest(vmId);
  }

  kept(): readonly KeptGuest[] {
    return this.#guests.kept();
  }

  leftBehind(): readonly LeftBehind[] {
    return this.#pool.removal.left();
  }

  async stillHas(kind: LeftBehind["kind"], uuid: string): Promise<boolean> {
    await this.whenReady();
    return orDriverError(this.#pool.removal.isThere(kind, uuid), `looking for the ${kind} ${uuid}`);
  }

  orphans(): readonly Orphan[] {
    return this.#operations.isClosed ? [] : this.#pool.orphans.list();
  }

  async claimOrphan(uuid: string): Promise<boolean> {
    this.#operations.requireOpen();
    let isThere = true;
    await this.#operations.inTurn(uuid, `claiming the machine ${uuid}`, async () => {
      if (this.#pool.inventory.own(uuid) !== undefined) return;
      isThere = await this.#pool.orphans.has(uuid);
      if (!isThere) return;
      const graceMs = DEFAULT_SHUTDOWN_GRACE_MS;
      const tags = { incarnation: 1, fence: 1, graceMs, restores: 0, cellDue: false };
      await this.#pool.orphans.takeOver(uuid, { vmId: uuid, reservation: `claim-${uuid}`, ...tags });
    });
    return isThere;
  }

  async capacity(): Promise<PoolCapacity> {
    await this.whenReady();
    this.#hosts = await orDriverError(readPoolHosts(this.#pool.client), "reading the pool's capacity");
    return capacityOf(this.#hosts, this.#pool.inventory);
  }

  freeHosts(): readonly HostRoom[] | undefined {
    return this.#hosts && freeHostsOf(this.#hosts, this.#pool.inventory);
  }

  failoverGap(): FailoverGap | undefined {
    return this.#hosts && failoverGapOf(this.#hosts);
  }

  onGuestEvent(listener: (event: GuestEvent) => void): void {
    this.#listeners.push(listener);
  }

  tick(): void {}

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#operations.close();
    this.#cells.close();
    // The pool link waits for its operations before it closes. Programs must end at once and do not wait for the link.
    await Promise.all([this.#programs?.close(), this.#pool.close()]);
  }

  #observed({ vmId, fence, change: seen, before, hosts }: Observed): void {
    if (seen === "deleted" && before !== undefined) this.#operations.lost.add(vmId, fence);
    if (ENDS_PROGRAMS.includes(seen)) this.#programs?.end(vmId, `its machine was ${seen} outside BioXen`);
    const name = (ref: string | undefined) => ref && this.#pool.statistics.hostName(ref);
    const [fromHost, toHost] = [name(hosts?.from), name(hosts?.to)];
    this.#emit({ kind: "observed", vmId, fence, seen, fromHost, toHost });
    this.#emit({ kind: "log", vmId, fence, line: `changed in the pool, outside BioXen: ${seen}` });
    const guest = this.guest(vmId);
    if (guest?.state === "failed" && before?.state !== "failed") {
      this.#emit({ kind: "failed", vmId, fence, reason: guest.reason ?? "it ended" });
    }
  }

  #emit(event: GuestEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}
