/**
 * The driver's connection to its pool: the client, the event loop, the inventory and the statistics.
 *
 * The link connects by itself, and reconnects for as long as it is open. At its first connection it removes from the
 * pool what a crashed agent with the same id left there: sessions, tasks and unfinished clones.
 */
import { KeyedQueue, messageOf } from "@bioxen/kernel";
import { DriverError } from "@bioxen/vm-driver";
import { XapiClient, type XapiClientOptions } from "../xapi/client.ts";
import { EventLoop } from "../xapi/event-loop.ts";
import { Tasks } from "../xapi/tasks.ts";
import { explainAccess } from "./failures.ts";
import { Inventory } from "./inventory.ts";
import { type Deadlines, STATISTICS_INTERVAL_MS } from "./limits.ts";
import { PoolVms } from "./pool-vms.ts";
import { Statistics } from "./statistics.ts";
import { type Observed, Watch } from "./watch.ts";

export interface PoolLinkOptions extends Omit<XapiClientOptions, "originator"> {
  /** Id of this agent. It marks the agent's VMs in the pool; the agent never changes a VM of another owner. */
  readonly owner: string;
  readonly statisticsIntervalMs?: number | undefined;
  /** How long the server may wait for an event before it answers, s; see `EventLoopOptions.silenceSeconds`. */
  readonly silenceSeconds?: number | undefined;
  readonly deadlines?: Partial<Deadlines> | undefined;
  /** Called with a message when the pool fails, and when it answers again. No message contains a secret. */
  readonly onTrouble?: ((message: string) => void) | undefined;
}

export interface PoolListener {
  readonly onObserved: (observed: Observed) => void;
  readonly onChanged: (vmId: string, fence: number) => void;
}

export class PoolLink {
  readonly client: XapiClient;
  readonly inventory: Inventory;
  readonly vms: PoolVms;
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

  constructor(options: PoolLinkOptions, listener: PoolListener) {
    this.#options = options;
    const { owner } = options;
    const client = new XapiClient({ ...options, originator: `bioxen/${owner}` });
    const tasks = new Tasks(client);
    const inventory = new Inventory(owner);
    this.client = client;
    this.inventory = inventory;
    this.#tasks = tasks;
    this.vms = new PoolVms({ client, tasks, inventory, owner, deadlines: options.deadlines });
    this.statistics = new Statistics(client, inventory);
    const onError = (thrown: unknown): void => this.#report(messageOf(thrown));
    const { vms, queue, statistics } = this;
    // The move of a VM must be reported even when the names of its hosts cannot be read.
    const learnHosts = (refs: readonly string[]) => statistics.learnHosts(refs).catch(onError);
    this.#watch = new Watch({ ...listener, owner, inventory, vms, queue, learnHosts, onError });
    this.#loop = new EventLoop({
      client,
      classes: ["VM", "task"],
      resync: () => this.#resync(),
      onEvents: (events) => {
        for (const event of events) if (event.class === "task") tasks.onEvent(event);
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
    await this.vms.fetchAll();
    await this.#tasks.resync();
    for (const vm of before) {
      if (this.queue.isBusy(vm.tags.vmId)) this.vms.markDirty(vm.ref);
      else this.#watch.compare(vm, this.inventory.ownByRef(vm.ref));
    }
    for (const session of this.#orphanedSessions) await this.#tasks.endSession(session);
    this.#orphanedSessions = [];
    await this.#tasks.sweep();
    await this.vms.sweep();
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

  #report(message: string): void {
    this.#options.onTrouble?.(message);
  }

  /** Waits for running operations, then disconnects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#poller);
    await this.#started;
    await this.queue.idle();
    await this.#loop.stop();
    await this.#tasks.close();
    await this.client.close();
  }
}
