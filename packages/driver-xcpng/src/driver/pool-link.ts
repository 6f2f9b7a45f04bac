/**
 * The driver's view of its pool: connected, followed, and known.
 *
 * It begins by itself, keeps at it for as long as it is open, and says when what is known is true. Everything that
 * crashed before us left is ended at the first look: sessions, tasks, half-made clones.
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
  /** Names this BioXen's agent on the pool: it leaves what others made alone. */
  readonly owner: string;
  readonly statisticsIntervalMs?: number | undefined;
  readonly silenceSeconds?: number | undefined;
  readonly deadlines?: Partial<Deadlines> | undefined;
  /** Trouble with the pool, and its end. Never holds a secret. */
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
  /** One thing at a time for each VM. */
  readonly queue = new KeyedQueue();
  readonly #options: PoolLinkOptions;
  readonly #tasks: Tasks;
  readonly #loop: EventLoop;
  readonly #watch: Watch;
  readonly #begun: Promise<void>;
  #leftSessions: readonly string[] = [];
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
    const onError = (thrown: unknown): void => this.#trouble(messageOf(thrown));
    const { vms, queue, statistics } = this;
    // A name is not worth a change that is not told.
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
        this.#trouble(thrown === undefined ? `${url} answers again` : explainAccess(thrown, url));
      },
      silenceSeconds: options.silenceSeconds,
    });
    this.#begun = this.#begin();
  }

  async #begin(): Promise<void> {
    this.#leftSessions = (await this.#options.sessions?.load().catch(() => [])) ?? [];
    if (this.#isClosed) return;
    this.#loop.start();
    const intervalMs = this.#options.statisticsIntervalMs ?? STATISTICS_INTERVAL_MS;
    let polling = false;
    this.#poller = setInterval(() => {
      if (polling || !this.#loop.isReady) return;
      polling = true;
      this.statistics
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
    const before = this.inventory.allOwn();
    await this.vms.fetchAll();
    await this.#tasks.resync();
    for (const vm of before) {
      if (this.queue.isBusy(vm.tags.vmId)) this.vms.touched(vm.ref);
      else this.#watch.compare(vm, this.inventory.ownByRef(vm.ref));
    }
    for (const session of this.#leftSessions) await this.#tasks.endSession(session);
    this.#leftSessions = [];
    await this.#tasks.sweep();
    await this.vms.sweep();
  }

  /** Rejects with `UNAVAILABLE`, and what to do about it, while the pool cannot be had. */
  async whenReady(): Promise<void> {
    await this.#begun;
    await this.#loop.whenReady().catch((thrown) => {
      throw new DriverError("UNAVAILABLE", explainAccess(thrown, this.#options.url), { cause: thrown });
    });
  }

  #trouble(message: string): void {
    this.#options.onTrouble?.(message);
  }

  /** What is under way ends first. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#poller);
    await this.#begun;
    await this.queue.idle();
    await this.#loop.stop();
    await this.#tasks.close();
    await this.client.close();
  }
}
