/**
 * The xcpng driver: guests are VMs of an XCP-ng pool.
 *
 * The pool outlives us: what runs is found again by its keys, a stop keeps its disks for the next start, and `discard`
 * removes them. One thing happens to a VM at a time (`keyed-queue.ts`); what others do to it is seen by events
 * (`watch.ts`). Nothing is tried again here: whoever asked will ask again, and every sequence goes on where it broke off.
 */
import { messageOf } from "@bioxen/kernel";
import {
  type DriverCapabilities,
  DriverError,
  type ExecOutcome,
  Fences,
  type GuestCheckpoint,
  type GuestEvent,
  type GuestSample,
  type GuestSpec,
  type GuestStatus,
  type KeptGuest,
  type VmDriver,
} from "@bioxen/vm-driver";
import { XapiClient, type XapiClientOptions } from "../xapi/client.ts";
import { EventLoop } from "../xapi/event-loop.ts";
import { Tasks } from "../xapi/tasks.ts";
import { capacityOf, type PoolCapacity } from "./capacity.ts";
import { asDriverError, explainAccess } from "./failures.ts";
import { guestOf, Inventory, keptOf, type OwnVm } from "./inventory.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { STATISTICS_INTERVAL_MS } from "./limits.ts";
import { PoolVms } from "./pool-vms.ts";
import { resizeLive } from "./sizing.ts";
import { Statistics } from "./statistics.ts";
import { type Observed, Watch } from "./watch.ts";
import { type Wishes, wishesOf } from "./wishes.ts";

export interface XcpngDriverOptions extends Omit<XapiClientOptions, "originator"> {
  /** Names this BioXen's agent on the pool: it leaves what others made alone. */
  readonly owner: string;
  /** Name or uuid of the template of VMs that name none. */
  readonly template: string;
  readonly statisticsIntervalMs?: number | undefined;
  readonly silenceSeconds?: number | undefined;
  /** Trouble with the pool, and its end. Never holds a secret. */
  readonly onTrouble?: ((message: string) => void) | undefined;
}

export interface XcpngDriver extends VmDriver {
  /** What the pool can give now. Rejects with `UNAVAILABLE`. */
  capacity(): Promise<PoolCapacity>;
  /** Listeners hear of everything somebody else did to a VM of ours. */
  onObserved(listener: (observed: Observed) => void): void;
}

const CAPABILITIES: DriverCapabilities = {
  vmType: "xcpng",
  exec: false,
  pause: true,
  liveResize: true,
  snapshot: false,
  clock: "own",
  keepsStopped: true,
  meters: [],
  maxExecTimeoutMs: 0,
};

/** A guest that was deleted from under us, until it is stopped or replaced. */
interface Lost {
  readonly fence: number;
  readonly reason: string;
}

export function createXcpngDriver(options: XcpngDriverOptions): XcpngDriver {
  return new Xcpng(options);
}

class Xcpng implements XcpngDriver {
  readonly capabilities = CAPABILITIES;
  readonly #options: XcpngDriverOptions;
  readonly #client: XapiClient;
  readonly #tasks: Tasks;
  readonly #loop: EventLoop;
  readonly #inventory: Inventory;
  readonly #vms: PoolVms;
  readonly #watch: Watch;
  readonly #statistics: Statistics;
  readonly #fences = new Fences();
  readonly #queue = new KeyedQueue();
  readonly #starting = new Map<string, { readonly fence: number; readonly abort: AbortController }>();
  readonly #lost = new Map<string, Lost>();
  /** Sizes a paused guest is to have once it runs. */
  readonly #sizesToCome = new Map<string, Readonly<Record<string, number>>>();
  /** An operation on them broke off: the pool may hold what the inventory does not. */
  readonly #unsure = new Set<string>();
  readonly #listeners: ((event: GuestEvent) => void)[] = [];
  readonly #observers: ((observed: Observed) => void)[] = [];
  readonly #begun: Promise<void>;
  #leftSessions: readonly string[] = [];
  #poller: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: XcpngDriverOptions) {
    this.#options = options;
    const { owner } = options;
    this.#client = new XapiClient({ ...options, originator: `bioxen/${owner}` });
    this.#tasks = new Tasks(this.#client);
    this.#inventory = new Inventory(owner);
    const [client, tasks, inventory] = [this.#client, this.#tasks, this.#inventory];
    this.#vms = new PoolVms({ client, tasks, inventory, owner });
    this.#statistics = new Statistics(client, inventory);
    const quiet = (thrown: unknown): void => this.#trouble(messageOf(thrown));
    this.#watch = new Watch({
      owner,
      inventory,
      vms: this.#vms,
      queue: this.#queue,
      onObserved: (observed) => this.#observed(observed),
      onChanged: (vmId, fence) => this.#emit({ kind: "changed", vmId, fence }),
      onError: quiet,
    });
    this.#loop = new EventLoop({
      client,
      classes: ["VM", "task"],
      resync: () => this.#resync(),
      onEvents: (events) => {
        for (const event of events) if (event.class === "task") tasks.onEvent(event);
        for (const event of events) if (event.class === "vm") this.#watch.onEvent(event);
      },
      onTrouble: (thrown) => {
        this.#trouble(
          thrown === undefined ? `${options.url} answers again` : explainAccess(thrown, options.url),
        );
      },
      silenceSeconds: options.silenceSeconds,
    });
    this.#begun = this.#begin();
  }

  async #begin(): Promise<void> {
    this.#leftSessions = (await this.#options.sessions?.load().catch(() => [])) ?? [];
    if (this.#closed !== undefined) return;
    this.#loop.start();
    const intervalMs = this.#options.statisticsIntervalMs ?? STATISTICS_INTERVAL_MS;
    let polling = false;
    this.#poller = setInterval(() => {
      if (polling || !this.#loop.isReady) return;
      polling = true;
      this.#statistics
        .poll()
        .catch((thrown: unknown) => this.#trouble(`statistics: ${messageOf(thrown)}`))
        .finally(() => {
          polling = false;
        });
    }, intervalMs);
    this.#poller.unref();
  }

  /** Everything anew; what changed unseen is told as if it had been seen. */
  async #resync(): Promise<void> {
    const before = this.#inventory.allOwn();
    await this.#vms.fetchAll();
    await this.#tasks.resync();
    for (const vm of before) {
      if (this.#queue.isBusy(vm.tags.vmId)) this.#vms.touched(vm.ref);
      else this.#watch.compare(vm, this.#inventory.ownByRef(vm.ref));
    }
    for (const session of this.#leftSessions) await this.#tasks.endSession(session);
    this.#leftSessions = [];
    await this.#tasks.sweep();
    await this.#vms.sweep();
  }

  async whenReady(): Promise<void> {
    this.#requireOpen();
    await this.#begun;
    await this.#loop.whenReady().catch((thrown) => {
      throw new DriverError("UNAVAILABLE", explainAccess(thrown, this.#options.url), { cause: thrown });
    });
  }

  async start(spec: GuestSpec): Promise<void> {
    this.#requireOpen();
    const { vmId, fence } = spec;
    if (spec.checkpoint !== undefined) throw unsupported("start from a checkpoint of BioXen");
    const wishes = wishesOf(spec, this.#options);
    if (this.#fences.start(vmId, fence, this.#heldFence(vmId)) === "same") {
      // Also while it is being started: the first start is waited for.
      return this.#queue.run(vmId, async () => undefined);
    }
    await this.#inLine(vmId, `starting ${vmId}`, async () => {
      const abort = new AbortController();
      this.#starting.set(vmId, { fence, abort });
      try {
        await this.#bringUp(spec, wishes, abort.signal);
        this.#lost.delete(vmId);
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

  async #bringUp(spec: GuestSpec, wishes: Wishes, signal: AbortSignal): Promise<void> {
    const { vmId, fence } = spec;
    let vm = this.#inventory.own(vmId);
    if (this.#fences.start(vmId, fence, vm && guestOf(vm)?.fence) === "same") return;
    if (vm !== undefined && vm.tags.fence > fence) {
      throw new DriverError("STALE_FENCE", `"${vmId}" is here for a newer reservation, ${vm.tags.fence}`);
    }
    if (vm !== undefined && vm.tags.incarnation !== spec.incarnation) {
      await this.#vms.destroy(vm.ref);
      vm = undefined;
    }
    if (vm !== undefined && guestOf(vm) !== undefined) {
      await this.#vms.halt(vm);
      vm = this.#inventory.own(vmId);
    }
    const isNew = vm === undefined;
    let made = vm;
    try {
      made ??= await this.#vms.make(spec, wishes, signal);
      if (made.tags.fence < fence) made = await this.#vms.retag(made, fence, wishes);
      await this.#vms.bringUp(made, wishes, isNew, signal);
    } catch (thrown) {
      const failure = asDriverError(thrown, `starting ${vmId}`);
      const isFinal = failure instanceof DriverError && !failure.retryable && !signal.aborted;
      // A start that cannot succeed leaves nothing; one that can goes on from what is here.
      if (isFinal && isNew && made !== undefined) await this.#vms.destroy(made.ref);
      throw thrown;
    }
  }

  async pause(vmId: string, fence: number): Promise<void> {
    await this.#onGuest(vmId, fence, "pausing", async (vm) => {
      if (vm.record.power_state === "Running") await this.#vms.pause(vm.ref);
    });
  }

  async resume(vmId: string, fence: number): Promise<void> {
    await this.#onGuest(vmId, fence, "resuming", async (vm) => {
      if (vm.record.power_state !== "Running") await this.#vms.resume(vm);
      const size = this.#sizesToCome.get(vmId);
      if (size === undefined) return;
      const running = await this.#vms.refresh(vm.ref);
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
    const { vcpus, memoryMiB } = allocation;
    if (
      !(Number.isInteger(vcpus) && Number.isInteger(memoryMiB)) ||
      vcpus === undefined ||
      memoryMiB === undefined
    ) {
      throw new DriverError("BAD_REQUEST", "an allocation of a machine has vcpus and memoryMiB");
    }
    const now = await this.#statistics.vcpusOf(vm);
    const left = await resizeLive(
      this.#client,
      vm.ref,
      vm.record,
      { vcpus: Math.max(1, vcpus), memoryMiB },
      now,
    );
    this.#statistics.forget(vm.tags.vmId);
    const { vmId, fence } = vm.tags;
    for (const line of left) this.#emit({ kind: "log", vmId, fence, line: `takes a restart: ${line}` });
  }

  async stop(vmId: string, fence: number): Promise<void> {
    this.#requireOpen();
    this.#fences.stop(vmId, fence, this.#heldFence(vmId));
    const starting = this.#starting.get(vmId);
    if (starting !== undefined && starting.fence <= fence) starting.abort.abort();
    await this.#inLine(vmId, `stopping ${vmId}`, async () => {
      const vm = this.#inventory.own(vmId);
      const here = Math.max(vm?.tags.fence ?? 0, this.#lost.get(vmId)?.fence ?? 0);
      if (here > fence) throw new DriverError("STALE_FENCE", `fence ${fence} of "${vmId}" is behind ${here}`);
      this.#lost.delete(vmId);
      this.#sizesToCome.delete(vmId);
      if (vm !== undefined && guestOf(vm) !== undefined) await this.#vms.halt(vm);
    });
  }

  async discard(vmId: string, incarnation: number): Promise<void> {
    this.#requireOpen();
    await this.#inLine(vmId, `removing ${vmId}`, async () => {
      const vm = this.#inventory.own(vmId);
      if (vm === undefined || vm.tags.incarnation > incarnation) return;
      if (guestOf(vm) !== undefined) throw new DriverError("INVALID_STATE", `"${vmId}" has not been stopped`);
      await this.#vms.destroy(vm.ref);
    });
  }

  async exec(vmId: string, fence: number): Promise<ExecOutcome> {
    this.#requireOpen();
    this.#fences.touch(vmId, fence, this.#heldFence(vmId));
    throw unsupported("run programs in a machine");
  }

  async restart({ vmId, fence }: GuestSpec): Promise<void> {
    this.#requireOpen();
    this.#fences.touch(vmId, fence, this.#heldFence(vmId));
    throw unsupported("set a machine back");
  }

  async snapshot(vmId: string, fence: number): Promise<GuestCheckpoint> {
    this.#requireOpen();
    this.#fences.touch(vmId, fence, this.#heldFence(vmId));
    throw unsupported("take a machine's state out of its pool");
  }

  sample(vmId: string): GuestSample | undefined {
    const vm = this.#closed === undefined ? this.#inventory.own(vmId) : undefined;
    return vm === undefined || guestOf(vm) === undefined ? undefined : this.#statistics.sample(vm);
  }

  list(): readonly GuestStatus[] {
    if (this.#closed !== undefined) return [];
    const here = this.#inventory.allOwn().flatMap((vm) => guestOf(vm) ?? []);
    const gone = [...this.#lost].map(([vmId, { fence, reason }]) => ({
      vmId,
      fence,
      state: "failed" as const,
      reason,
    }));
    return [...here, ...gone].sort((a, b) => (a.vmId < b.vmId ? -1 : 1));
  }

  kept(): readonly KeptGuest[] {
    return this.#closed === undefined ? this.#inventory.allOwn().flatMap((vm) => keptOf(vm) ?? []) : [];
  }

  async capacity(): Promise<PoolCapacity> {
    await this.whenReady();
    return capacityOf(this.#client, this.#inventory).catch((thrown) => {
      throw asDriverError(thrown, "reading the pool's capacity");
    });
  }

  onGuestEvent(listener: (event: GuestEvent) => void): void {
    this.#listeners.push(listener);
  }

  onObserved(listener: (observed: Observed) => void): void {
    this.#observers.push(listener);
  }

  tick(): void {}

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#poller);
    for (const { abort } of this.#starting.values()) abort.abort();
    await this.#begun;
    await this.#queue.idle();
    await this.#loop.stop();
    await this.#tasks.close();
    await this.#client.close();
  }

  #heldFence(vmId: string): number | undefined {
    const vm = this.#inventory.own(vmId);
    const fences = [
      vm === undefined ? undefined : guestOf(vm)?.fence,
      this.#lost.get(vmId)?.fence,
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
      const vm = this.#inventory.own(vmId);
      if (vm === undefined || guestOf(vm)?.state === "failed") {
        throw new DriverError("INVALID_STATE", `"${vmId}" has failed`);
      }
      await work(vm);
      await this.#vms.refresh(vm.ref);
    });
  }

  /** When it is the VM's turn, with the pool known, and failures in the driver's words. */
  #inLine(vmId: string, what: string, work: () => Promise<void>): Promise<void> {
    return this.#queue.run(vmId, async () => {
      try {
        await this.whenReady();
        if (this.#unsure.has(vmId)) await this.#vms.fetchAll();
        this.#unsure.delete(vmId);
        await work();
      } catch (thrown) {
        this.#unsure.add(vmId);
        throw asDriverError(thrown, what);
      }
    });
  }

  #observed(observed: Observed): void {
    const { vmId, fence, change, before } = observed;
    if (change === "deleted" && before !== undefined) {
      this.#lost.set(vmId, { fence, reason: "it was deleted from the pool, and not by BioXen" });
    }
    for (const observer of this.#observers) observer(observed);
    const guest = this.list().find((one) => one.vmId === vmId);
    if (guest?.state === "failed" && before?.state !== "failed") {
      this.#emit({ kind: "failed", vmId, fence, reason: guest.reason ?? "it ended" });
    }
  }

  #emit(event: GuestEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #trouble(message: string): void {
    this.#options.onTrouble?.(message);
  }

  #requireOpen(): void {
    if (this.#closed !== undefined) throw new DriverError("UNAVAILABLE", "the driver is closed");
  }
}

function unsupported(what: string): DriverError {
  return new DriverError("UNSUPPORTED", `this driver cannot ${what}`);
}
