/**
 * The driver's connection to its pool: the client, the event loop, the inventory and the statistics.
 *
 * The link connects by itself, and reconnects for as long as it is open. At its first connection it removes from the
 * pool what a crashed agent with the same id left there: sessions, tasks, unfinished clones and disks of removed machines.
 */
import { KeyedQueue, messageOf } from "@bioxen/kernel";
import { DriverError, type LeftBehind } from "@bioxen/vm-driver";
import { XapiClient, type XapiClientOptions } from "../xapi/client.ts";
import { EventLoop } from "../xapi/event-loop.ts";
import type { PoolRecord } from "../xapi/records.ts";
import { Tasks } from "../xapi/tasks.ts";
import { explainAccess } from "./failures.ts";
import { learnHostPins, unpinnedWords } from "./host-pins.ts";
import { Inventory, type OwnVm } from "./inventory.ts";
import { isLabelled, type Labels, labelsOf, writeLabels } from "./labels.ts";
import { DEFAULT_DEADLINES, type Deadlines, STATISTICS_INTERVAL_MS } from "./limits.ts";
import { MachineSnapshots } from "./machine-snapshots.ts";
import { Orphans } from "./orphans.ts";
import { type MachineOwner, Ownership } from "./ownership.ts";
import { OwnershipGuard } from "./ownership-guard.ts";
import { permissionProblem } from "./permissions.ts";
import { PoolVms } from "./pool-vms.ts";
import { Statistics } from "./statistics.ts";
import { originOf } from "./tags.ts";
import { VmReads } from "./vm-reads.ts";
import { VmRemoval } from "./vm-removal.ts";
import { type Observed, Watch } from "./watch.ts";

export interface PoolLinkOptions extends Omit<XapiClientOptions, "originator"> {
  /** This agent, whose id marks its machines in the pool. It never changes a machine of another owner. */
  readonly owner: MachineOwner;
  /** Id of the chassis that the pool is, for the names of machines. */
  readonly chassisId: string;
  /** Simulated minutes per second of the cells in machines. Default 1. */
  readonly timeScaleMinutesPerSecond?: number | undefined;
  readonly statisticsIntervalMs?: number | undefined;
  /** How long the server may wait for an event before it answers, s; see `EventLoopOptions.silenceSeconds`. */
  readonly silenceSeconds?: number | undefined;
  readonly deadlines?: Partial<Deadlines> | undefined;
  /** How long the pool may take to restart a machine whose host has failed, ms. Default `HA_RESTART_MS`. */
  readonly haRestartMs?: number | undefined;
  /** Wait before the second try to remove an object from the pool, ms. Default `FIRST_REMOVAL_WAIT_MS`. */
  readonly firstRemovalWaitMs?: number | undefined;
  /** Interval of the looks at objects that the driver has given up, ms. Default `LOOK_AFTER_LEFT_MS`. */
  readonly removalLookMs?: number | undefined;
  /** Called with a message when the pool fails, and when it answers again. No message contains a secret. */
  readonly onTrouble?: ((message: string) => void) | undefined;
}

export interface PoolListener {
  /** Called when the pool keeps an object that BioXen removes, and when the last try to remove it has failed. */
  readonly onLeft: (left: LeftBehind) => void;
  readonly onObserved: (observed: Observed) => void;
  readonly onChanged: (vmId: string, fence: number) => void;
}

export class PoolLink {
  readonly client: XapiClient;
  readonly inventory: Inventory;
  readonly reads: VmReads;
  readonly vms: PoolVms;
  readonly snapshots: MachineSnapshots;
  readonly removal: VmRemoval;
  readonly ownership: Ownership;
  readonly orphans: Orphans;
  readonly statistics: Statistics;
  /** Runs one operation at a time per VM. */
  readonly queue = new KeyedQueue();
  readonly #options: PoolLinkOptions;
  readonly #tasks: Tasks;
  readonly #loop: EventLoop;
  readonly #watch: Watch;
  readonly #started: Promise<void>;
  #orphanedSessions: readonly string[] = [];
  #poller: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** Whether the disks that a crashed process has marked for removal were looked for. */
  #isSwept = false;
  /** What was last reported about hosts without a fingerprint. */
  #lastUnpinned: string | undefined;

  constructor(options: PoolLinkOptions, listener: PoolListener) {
    this.#options = options;
    const { owner } = options;
    const ownership = new Ownership(owner);
    this.ownership = ownership;
    const guard = new OwnershipGuard(() => client, ownership);
    const client: XapiClient = new XapiClient({
      ...options,
      originator: `bioxen/${owner.clusterId}/${owner.agentId}`,
      guard: (method, args, machine) => guard.check(method, args, machine),
    });
    const tasks = new Tasks(client);
    const inventory = new Inventory(ownership, options.haRestartMs);
    this.client = client;
    this.inventory = inventory;
    this.#tasks = tasks;
    const deadlines = { ...DEFAULT_DEADLINES, ...options.deadlines };
    const label = (vm: OwnVm) => writeLabels(client, vm, this.#labelsOf(vm));
    const timeScale = options.timeScaleMinutesPerSecond ?? 1;
    const onChangedSince = (before: OwnVm, after: OwnVm | undefined) => this.#watch.compare(before, after);
    const reads = new VmReads({ client, inventory, ownership, onChangedSince });
    this.reads = reads;
    this.vms = new PoolVms({ client, tasks, inventory, reads, ownership, label, deadlines, timeScale });
    this.orphans = new Orphans({ client, inventory, ownership, vms: this.vms });
    this.snapshots = new MachineSnapshots({
      client,
      tasks,
      ownership,
      label,
      deadlines,
      reads,
      vms: this.vms,
    });
    this.removal = new VmRemoval({
      client,
      inventory,
      owner,
      requireOwn: (ref) => guard.requireOwn(ref, "VM.destroy"),
      switchOff: (ref) => this.vms.switchOff(ref),
      inTurn: (vmId, work) => this.queue.run(vmId, work),
      onLeft: listener.onLeft,
      firstWaitMs: options.firstRemovalWaitMs,
      lookMs: options.removalLookMs,
    });
    this.statistics = new Statistics(client, inventory);
    const onError = (thrown: unknown): void => this.#report(messageOf(thrown));
    const { queue, statistics } = this;
    // The move of a VM must be reported even when the names of its hosts cannot be read.
    const learnHosts = (refs: readonly string[]) => statistics.learnHosts(refs).catch(onError);
    this.#watch = new Watch({
      ...listener,
      ownership,
      inventory,
      reads,
      queue,
      learnHosts,
      onError,
      sweepClones: () => this.sweepClones(),
    });
    this.#loop = new EventLoop({
      client,
      classes: ["VM", "task", "pool"],
      resync: () => this.#resync(),
      onEvents: (events) => {
        for (const event of events) if (event.class === "task") tasks.onEvent(event);
        for (const event of events) if (event.class === "pool") this.#setHighAvailability(event.snapshot);
        for (const event of events) if (event.class === "vm") this.#watch.onEvent(event);
      },
      onTrouble: (thrown) => {
        const { url } = options;
        this.#report(thrown === undefined ? `${url} answers again` : explainAccess(thrown, url));
      },
      silenceSeconds: options.silenceSeconds,
    });
    this.#started = this.#start();
  }

  async #start(): Promise<void> {
    this.#orphanedSessions = (await this.#options.sessions?.load().catch(() => [])) ?? [];
    if (this.#isClosed) return;
    this.#loop.start();
    const intervalMs = this.#options.statisticsIntervalMs ?? STATISTICS_INTERVAL_MS;
    let polling = false;
    this.#poller = setInterval(() => {
      if (polling || !this.#loop.isReady) return;
      polling = true;
      this.statistics
        .poll()
        .catch((thrown: unknown) => this.#report(`statistics: ${messageOf(thrown)}`))
        .finally(() => {
          polling = false;
        });
    }, intervalMs);
    this.#poller.unref();
  }

  /**
   * Reads every VM and task of the pool again. Reports the changes that happened while no events arrived. Removes the
   * sessions, tasks and unfinished clones that a crashed agent left.
   */
  async #resync(): Promise<void> {
    const before = this.inventory.allOwn();
    await this.#readHighAvailability();
    await this.reads.fetchAll();
    await this.#tasks.resync();
    for (const vm of before) {
      if (this.queue.isBusy(vm.tags.vmId)) this.reads.markDirty(vm.ref);
      else this.#watch.compare(vm, this.inventory.ownByRef(vm.ref));
    }
    await this.#learnPins();
    for (const session of this.#orphanedSessions) await this.#tasks.endSession(session);
    this.#orphanedSessions = [];
    await this.#tasks.sweep();
    await this.sweepClones();
    if (!this.#isSwept) await this.removal.sweepDisks();
    if (!this.#isSwept) await this.#reportPermissions();
    this.#isSwept = true;
    this.#mark();
  }

  /** Removes unfinished clones: a process that was interrupted while it made a machine has left them. */
  async sweepClones(): Promise<void> {
    for (const ref of await this.vms.abandonedClones()) await this.removal.discard("machine", ref);
  }

  /**
   * Writes the present keys and labels on machines that lack them: machines of an earlier release, and those whose start
   * was interrupted.
   */
  #mark(): void {
    for (const vm of this.inventory.allOwn()) {
      const isMarked = originOf(vm.record)?.clusterId !== undefined && isLabelled(vm, this.#labelsOf(vm));
      if (isMarked) continue;
      const marked = this.queue.run(vm.tags.vmId, async () => {
        const now = this.inventory.own(vm.tags.vmId);
        if (now?.ref === vm.ref) await this.vms.setTags(now, {});
      });
      marked.catch((thrown: unknown) => this.#report(`marking ${vm.tags.vmId}: ${messageOf(thrown)}`));
    }
  }

  #labelsOf({ tags }: OwnVm): Labels {
    const { chassisId, owner } = this.#options;
    return labelsOf(tags.vmId, chassisId, owner);
  }

  /**
   * Resolves once the driver has read all VMs of the pool. While the pool is unreachable, rejects with an `UNAVAILABLE`
   * error that gives the cause.
   */
  async whenReady(): Promise<void> {
    await this.#started;
    await this.#loop.whenReady().catch((thrown) => {
      throw new DriverError("UNAVAILABLE", explainAccess(thrown, this.#options.url), { cause: thrown });
    });
  }

  async #readHighAvailability(): Promise<void> {
    for (const pool of Object.values(await this.client.call("pool.get_all_records", []))) {
      this.#setHighAvailability(pool);
    }
  }

  #setHighAvailability(pool: unknown): void {
    if (pool !== undefined) this.inventory.restarts.isEnabled = (pool as PoolRecord).ha_enabled;
  }

  /** Learns the certificates of the hosts again, because hosts join the pool and certificates are renewed. */
  async #learnPins(): Promise<void> {
    const words = unpinnedWords(await learnHostPins(this.client));
    if (words !== undefined && words !== this.#lastUnpinned) this.#report(words);
    this.#lastUnpinned = words;
  }

  /** Reports the operations that the pool will reject, so that the reason is known before the first start fails. */
  async #reportPermissions(): Promise<void> {
    const problem = await permissionProblem(this.client, this.#options.url);
    if (problem !== undefined) this.#report(problem);
  }

  #report(message: string): void {
    this.#options.onTrouble?.(message);
  }

  /** Waits for running operations, then disconnects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#poller);
    await this.#started;
    this.removal.close();
    await this.queue.idle();
    await this.#loop.stop();
    await this.#tasks.close();
    await this.client.close();
  }
}
