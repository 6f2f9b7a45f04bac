/**
 * What BioXen could not remove from the pool: machines, snapshots and disks whose removal the pool has rejected.
 *
 * Each removal is tried again after growing waits, up to a maximum number of tries. After that the object stays listed
 * with the pool's last reason, until a person has removed it.
 */
import type { GuestEvent, LeftBehind } from "@bioxen/vm-driver";
import { XapiUnreachable } from "../xapi/errors.ts";
import { asDriverError } from "./failures.ts";
import { FIRST_REMOVAL_WAIT_MS, LOOK_AFTER_LEFT_MS, MAX_REMOVAL_TRIES } from "./limits.ts";

/** An object in the pool that BioXen removes. */
export interface Remains {
  readonly vmId: string;
  readonly kind: LeftBehind["kind"];
  readonly ref: string;
  readonly uuid: string;
}

export interface LeftoversOptions {
  /** Tries to remove an object. Idempotent. */
  readonly remove: (remains: Remains) => Promise<void>;
  /** Resolves with whether the pool still has the object. */
  readonly isThere: (remains: Remains) => Promise<boolean>;
  /** Called when an object is left behind, and when the last try to remove it has failed. */
  readonly onLeft: (left: LeftBehind) => void;
  readonly firstWaitMs?: number | undefined;
  /** Interval of the looks after the last try, ms. Default {@link LOOK_AFTER_LEFT_MS}. */
  readonly lookMs?: number | undefined;
}

interface Entry {
  readonly remains: Remains;
  left: LeftBehind;
  timer: NodeJS.Timeout | undefined;
}

export class Leftovers {
  readonly #options: LeftoversOptions;
  readonly #entries = new Map<string, Entry>();
  #isClosed = false;

  constructor(options: LeftoversOptions) {
    this.#options = options;
  }

  /** Notes an object whose first removal failed with `thrown`, and tries again later. */
  add(remains: Remains, thrown: unknown): void {
    if (this.#isClosed || this.#entries.has(remains.ref)) return;
    const { vmId, kind, uuid } = remains;
    const entry: Entry = { remains, left: { vmId, kind, uuid, tries: 1, reason: "" }, timer: undefined };
    this.#entries.set(remains.ref, entry);
    this.#wait(entry, thrown);
    this.#options.onLeft(entry.left);
  }

  has(ref: string): boolean {
    return this.#entries.has(ref);
  }

  /** Returns everything that is left behind, in order of VM id. */
  list(): readonly LeftBehind[] {
    return [...this.#entries.values()].map(({ left }) => left).sort((a, b) => (a.vmId < b.vmId ? -1 : 1));
  }

  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#entries.values()) clearTimeout(timer);
  }

  async #try(entry: Entry): Promise<void> {
    try {
      await this.#options.remove(entry.remains);
      this.#entries.delete(entry.remains.ref);
    } catch (thrown) {
      if (this.#isClosed) return;
      // A try that did not reach the pool does not count: a pool that is away for an hour rejects nothing.
      const tries = entry.left.tries + (thrown instanceof XapiUnreachable ? 0 : 1);
      entry.left = { ...entry.left, tries };
      this.#wait(entry, thrown);
      if (entry.left.nextTryAtMs === undefined) this.#options.onLeft(entry.left);
    }
  }

  /** Forgets the object once a person has removed it. */
  async #look(entry: Entry): Promise<void> {
    // A pool that does not answer is asked again.
    const isThere = await this.#options.isThere(entry.remains).catch(() => true);
    if (isThere) this.#lookLater(entry);
    else this.#entries.delete(entry.remains.ref);
  }

  #lookLater(entry: Entry): void {
    if (this.#isClosed) return;
    entry.timer = setTimeout(() => void this.#look(entry), this.#options.lookMs ?? LOOK_AFTER_LEFT_MS);
    entry.timer.unref();
  }

  #wait(entry: Entry, thrown: unknown): void {
    const failure = asDriverError(thrown, `removing ${entry.remains.kind} ${entry.remains.uuid}`);
    const reason = failure instanceof Error ? failure.message : String(failure);
    const { nextTryAtMs: _, ...left } = entry.left;
    if (left.tries >= MAX_REMOVAL_TRIES) {
      entry.left = { ...left, reason };
      this.#lookLater(entry);
      return;
    }
    const waitMs = (this.#options.firstWaitMs ?? FIRST_REMOVAL_WAIT_MS) * 2 ** (left.tries - 1);
    entry.left = { ...left, reason, nextTryAtMs: Date.now() + waitMs };
    entry.timer = setTimeout(() => void this.#try(entry), waitMs);
    entry.timer.unref();
  }
}

/** Returns what the driver tells about an object that is left behind, also as a line of its VM's log. */
export function leftEvents(left: LeftBehind): readonly GuestEvent[] {
  const { vmId, kind, uuid, reason, nextTryAtMs } = left;
  const next = nextTryAtMs === undefined ? "no further try: remove it in the pool" : "it is tried again";
  const line = `the pool keeps the ${kind} ${uuid}; ${next}: ${reason}`;
  return [
    { kind: "left", vmId, left },
    { kind: "log", vmId, fence: 0, line },
  ];
}
