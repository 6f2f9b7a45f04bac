/**
 * The fleet as the page knows it: VMs, chassis, ledgers, the newest telemetry, and the newest events.
 *
 * Events and samples arrive at any rate; {@link Fleet.flush} hands their effect to the page at most once a frame. A view
 * that an event changes in a way only a service knows is read again, at most `REREAD_AT_ONCE` at a time. If an event
 * names a VM that is unknown, it is read as well. What was read can be older than what events say, so the greater version
 * wins.
 */
import type { ChassisSample, ChassisView, LedgerView, LogEvent, VmSample, VmView } from "./types.ts";
import { verbOf, viewAfter } from "./vm-events.ts";
import { VmIndex } from "./vm-index.ts";

export interface FleetSource {
  vm(vmId: string): Promise<VmView | undefined>;
  /** All VMs; each page is handed over as it comes. */
  vms(onPage?: (vms: readonly VmView[]) => void): Promise<readonly VmView[]>;
  chassis(): Promise<readonly ChassisView[]>;
  ledgers(): Promise<readonly LedgerView[]>;
  ledger(chassisId: string): Promise<LedgerView | undefined>;
}

/** Views that are read again one by one; with more stale views the whole list is cheaper. */
const REREAD_ONE_BY_ONE = 40;
/** Requests of rereads under way: a small share of what the gateway gives one page. */
const REREAD_AT_ONCE = 4;
/** Events that the page keeps for the log and the overview. Older ones are read from the log. */
export const KEPT_EVENTS = 2_000;

export class Fleet {
  readonly vms = new VmIndex();
  readonly chassis = new Map<string, ChassisView>();
  readonly ledgers = new Map<string, LedgerView>();
  readonly samples = new Map<string, VmSample>();
  readonly heartbeats = new Map<string, ChassisSample>();
  /** The newest events, oldest first. */
  readonly events: LogEvent[] = [];
  /** Sequence of the newest event. */
  seq = 0;
  loaded = false;
  readonly #source: FleetSource;
  /** The VMs to read again, with the version that the answer must have at least. */
  readonly #staleVms = new Map<string, number>();
  /** The VMs that were destroyed while the list was read, with their last version: a page can be older. */
  readonly #destroyed = new Map<string, number>();
  readonly #staleLedgers = new Set<string>();
  #isChassisStale = false;
  #isReading = false;
  #changed = { views: false, samples: false };

  constructor(source: FleetSource) {
    this.#source = source;
  }

  /** Reads everything. Events that arrive meanwhile are applied by their version. */
  async load(): Promise<void> {
    // What is read meanwhile because of an event can be newer than the lists.
    const before = [...this.vms.keys()];
    const [vms] = await Promise.all([
      this.#source.vms((page) =>
        this.#show(() => {
          for (const vm of page) this.#keepVm(vm);
        }),
      ),
      this.#source.chassis().then((chassis) => this.#show(() => replaceAll(this.chassis, chassis))),
      this.#source.ledgers().then((ledgers) => this.#show(() => replaceAll(this.ledgers, ledgers))),
    ]);
    const listed = new Set(vms.map(({ vmId }) => vmId));
    for (const id of before) if (!listed.has(id)) this.vms.delete(id);
    this.#destroyed.clear();
    this.#show(() => {
      this.loaded = true;
    });
  }

  /** Changes what is shown. A fleet of thousands comes in many pages: what is there is shown before the last one. */
  #show(change: () => void): void {
    change();
    this.#changed.views = true;
  }

  apply(event: LogEvent): void {
    if (event.seq <= this.seq) return;
    this.seq = event.seq;
    this.events.push(event);
    // In large steps: cutting one event at a time would copy the list for each event.
    if (this.events.length > KEPT_EVENTS * 1.25) this.events.splice(0, this.events.length - KEPT_EVENTS);
    this.#changed.views = true;
    const [kind = "", id = ""] = event.subject.split("/");
    if (kind === "vm") this.#applyToVm(id, event);
    else if (kind === "ledger") this.#staleLedgers.add(id);
    else if (kind === "chassis" || kind === "drain") this.#isChassisStale = true;
  }

  #applyToVm(id: string, event: LogEvent): void {
    const before = this.vms.get(id);
    if (verbOf(event.type) === "destroyed") {
      if (!this.loaded) this.#destroyed.set(id, event.aggregateversion);
      this.samples.delete(id);
      this.vms.delete(id);
      return;
    }
    const after = before && viewAfter(before, event);
    if (after === undefined) this.#staleVms.set(id, event.aggregateversion);
    else if (after !== before) this.vms.set(id, after);
    if (after !== undefined && after.chassisId === null) this.samples.delete(id);
  }

  sample(sample: VmSample | ChassisSample): void {
    if ("vmId" in sample) this.samples.set(sample.vmId, sample);
    else this.heartbeats.set(sample.chassisId, sample);
    this.#changed.samples = true;
  }

  /** What changed since the last call. Starts to read stale views again. */
  flush(): { readonly views: boolean; readonly samples: boolean } {
    const changed = this.#changed;
    this.#changed = { views: false, samples: false };
    if (!this.#isReading && this.loaded) void this.#reread();
    return changed;
  }

  async #reread(): Promise<void> {
    const stale = [...this.#staleVms].filter(([id, version]) => (this.vms.get(id)?.version ?? 0) < version);
    const vms = stale.map(([id]) => id);
    const ledgers = [...this.#staleLedgers];
    const isChassisStale = this.#isChassisStale;
    if (vms.length + ledgers.length === 0 && !isChassisStale) return;
    this.#isReading = true;
    this.#staleVms.clear();
    this.#staleLedgers.clear();
    this.#isChassisStale = false;
    try {
      if (isChassisStale) replaceAll(this.chassis, await this.#source.chassis());
      await this.#rereadLedgers(ledgers);
      if (vms.length > REREAD_ONE_BY_ONE) for (const vm of await this.#source.vms()) this.#keepVm(vm);
      else await inParts(vms, async (id) => this.#rereadVm(id));
    } catch {
      // The stream reports a lost connection, and the page loads everything again once it is back.
      for (const [id, version] of stale) this.#staleVms.set(id, version);
      for (const id of ledgers) this.#staleLedgers.add(id);
      this.#isChassisStale ||= isChassisStale;
    } finally {
      this.#changed.views = true;
      this.#isReading = false;
    }
  }

  async #rereadVm(id: string): Promise<void> {
    const vm = await this.#source.vm(id);
    if (vm !== undefined) this.#keepVm(vm);
  }

  async #rereadLedgers(ids: readonly string[]): Promise<void> {
    await inParts(ids, async (id) => {
      // The last events of a ledger come when its chassis is removed.
      const ledger = this.chassis.has(id) ? await this.#source.ledger(id) : undefined;
      if (ledger === undefined) this.ledgers.delete(id);
      else this.ledgers.set(id, ledger);
    });
  }

  #keepVm(vm: VmView): void {
    const known = this.vms.get(vm.vmId);
    const isOlder = known !== undefined && known.incarnation >= vm.incarnation && known.version > vm.version;
    if ((this.#destroyed.get(vm.vmId) ?? 0) >= vm.version) return;
    if (vm.state === "destroyed") this.vms.delete(vm.vmId);
    else if (!isOlder) this.vms.set(vm.vmId, vm);
  }
}

async function inParts<T>(items: readonly T[], each: (item: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < items.length; at += REREAD_AT_ONCE) {
    await Promise.all(items.slice(at, at + REREAD_AT_ONCE).map(each));
  }
}

function replaceAll<T extends { readonly chassisId: string }>(
  map: Map<string, T>,
  items: readonly T[],
): void {
  map.clear();
  for (const item of items) map.set(item.chassisId, item);
}
