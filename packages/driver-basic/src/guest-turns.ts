/**
 * The order of what happens to a guest: a simulated minute of its cell, the hooks for this minute, then what acts from
 * outside, then the next minute.
 *
 * The cell computes no further minute while something is due or under way. So everything acts at one simulated minute,
 * and the course does not depend on the time scale, on the ticks or on the speed of the host.
 */
import { DriverError, type GuestEvent } from "@bioxen/vm-driver";
import type { CellClock } from "./cell-clock.ts";
import type { CellGuest, DueHook } from "./cell-guest.ts";
import type { GuestHooks } from "./guest-hooks.ts";
import type { Act, ExecAct } from "./guest-journal.ts";

export interface TurnPorts {
  /** Lets the act change the guest at its present minute. An act that the guest cannot take changes nothing. */
  readonly apply: (guest: CellGuest, act: Exclude<Act, { kind: "exec" }>) => void;
  /** Runs a program again that had run before the guest went back, or in an earlier guest of the VM. */
  readonly execAgain: (guest: CellGuest, act: ExecAct) => Promise<void>;
  readonly emit: (event: GuestEvent) => void;
  /** Calls the function after the event loop had its turn. */
  readonly later: (body: () => void) => void;
  /** Called after each call from outside and each minute: the guest may need a new restart point. */
  readonly acted: (guest: CellGuest) => void;
}

export class GuestTurns {
  readonly #clock: CellClock;
  readonly #hooks: GuestHooks;
  readonly #ports: TurnPorts;
  /** The guests of the last tick at the time scale `max`. */
  #atMax: readonly CellGuest[] = [];
  #isSliceDue = false;

  constructor(clock: CellClock, hooks: GuestHooks, ports: TurnPorts) {
    this.#clock = clock;
    this.#hooks = hooks;
    this.#ports = ports;
  }

  /** Computes the guests for this time of the host, and starts the hooks that are due. */
  tick(guests: readonly CellGuest[], elapsedMs: number, onlyAtRate = false): void {
    this.#clock.tick(guests, elapsedMs, onlyAtRate);
    this.#atMax = guests.filter(({ atMax }) => atMax);
    this.#follow(guests);
    this.#sliceLater();
  }

  /** Starts what is due after these guests may have computed minutes. */
  #follow(guests: readonly CellGuest[]): void {
    for (const guest of guests) {
      this.#report(guest);
      if (this.#attend(guest)) this.goOn(guest);
    }
  }

  /** Lets the guests at the time scale `max` compute a slice after the event loop had its turn. */
  #sliceLater(): void {
    if (this.#isSliceDue || !this.#clock.hasSlice(this.#atMax)) return;
    this.#isSliceDue = true;
    this.#ports.later(() => {
      this.#isSliceDue = false;
      this.#clock.slice(this.#atMax);
      this.#follow(this.#atMax);
      this.#sliceLater();
    });
  }

  /**
   * Runs `body` at the guest's present minute, after the hooks of this minute. The cell computes nothing until it has
   * ended. `find` returns the present guest, or throws if there is none that lives.
   *
   * Rejects with a retryable `UNAVAILABLE` if the guest is not ready for `body` within this time. Default of `isReady`: the
   * guest is settled.
   */
  async act<T>(
    find: () => CellGuest,
    withinMs: number,
    body: (guest: CellGuest) => T | Promise<T>,
    isReady: (guest: CellGuest) => boolean = (guest) => guest.isSettled(),
  ): Promise<T> {
    let guest = find();
    let hasWaited = false;
    const untilMs = performance.now() + withinMs;
    while (!isReady(guest)) {
      hasWaited = true;
      await this.#wait(guest, Math.max(0, untilMs - performance.now()));
      guest = find();
    }
    guest.holds += 1;
    try {
      const result = body(guest);
      if (!(result instanceof Promise)) return result;
      hasWaited = true;
      return await result;
    } finally {
      guest.holds -= 1;
      if (hasWaited && guest.holds === 0) this.goOn(guest);
    }
  }

  /** Runs a program of a user. Nothing else acts on the guest until it has ended. */
  async alone<T>(guest: CellGuest, body: () => Promise<T>): Promise<T> {
    guest.programUnderWay = true;
    try {
      return await body();
    } finally {
      guest.programUnderWay = false;
      this.#attend(guest);
    }
  }

  async #wait(guest: CellGuest, withinMs: number): Promise<void> {
    guest.holds += 1;
    const isReady = await guest.settled(withinMs);
    guest.holds -= 1;
    if (isReady) return;
    if (guest.holds === 0) this.goOn(guest);
    throw new DriverError("UNAVAILABLE", "other calls kept this one waiting past its timeout");
  }

  /** Continues a guest after a call of its Lua or an act has ended: starts what is due, and computes what is owed. */
  goOn(guest: CellGuest): void {
    this.#report(guest);
    this.#attend(guest);
    while (this.#clock.goOn(guest)) {
      this.#report(guest);
      this.#attend(guest);
      // Others at the time scale `max` have their turns before it goes on.
      if (guest.atMax) break;
    }
    if (guest.atMax) this.#sliceLater();
  }

  /** Starts what is due at the guest's present minute. Returns true if something has acted. */
  #attend(guest: CellGuest): boolean {
    let hasActed = false;
    if (guest.isAlive() && guest.isFree()) hasActed = this.#startDue(guest);
    guest.noteSettled();
    if (guest.isAlive()) this.#ports.acted(guest);
    this.#reportEnd(guest);
    return hasActed;
  }

  /** Tells once that the guest stays at its last minute. Its rows up to this minute have been emitted before. */
  #reportEnd(guest: CellGuest): void {
    if (guest.isEndReported || !guest.hasEnded()) return;
    guest.isEndReported = true;
    const { vmId, fence } = guest.spec;
    this.#ports.emit({ kind: "changed", vmId, fence });
  }

  #startDue(guest: CellGuest): boolean {
    let hasActed = false;
    for (;;) {
      const hook = guest.hookDue();
      const act = hook === undefined ? guest.takeReplayDue() : undefined;
      if (hook !== undefined) this.#callHook(guest, hook);
      else if (act?.kind === "exec") this.#runAgain(guest, act);
      if (act === undefined || act.kind === "exec") return hasActed;
      this.#ports.apply(guest, act);
      hasActed = true;
    }
  }

  #callHook(guest: CellGuest, hook: DueHook): void {
    void this.#hooks.call(guest, hook).then((ran) => {
      if (ran) this.goOn(guest);
    });
  }

  #runAgain(guest: CellGuest, act: ExecAct): void {
    guest.isReplaying = true;
    void this.#ports.execAgain(guest, act).finally(() => {
      guest.isReplaying = false;
      this.goOn(guest);
    });
  }

  #report(guest: CellGuest): void {
    const { vmId, fence } = guest.spec;
    const { divisionsToReport: divisions, reason } = guest;
    guest.divisionsToReport = 0;
    const recorded = guest.isAlive() || guest.state === "failed" ? guest.course?.take() : undefined;
    if (recorded !== undefined) this.#ports.emit({ kind: "recorded", vmId, fence, ...recorded });
    if (divisions > 0) this.#ports.emit({ kind: "divided", vmId, fence, divisions });
    if (guest.isAlive() && guest.daughters.takeNews()) this.#ports.emit({ kind: "changed", vmId, fence });
    if (guest.state !== "failed" || guest.isFailureReported) return;
    guest.isFailureReported = true;
    this.#ports.emit({ kind: "failed", vmId, fence, reason: reason ?? "unknown" });
  }
}
