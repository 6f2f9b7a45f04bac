/**
 * Calls a guest's hooks: its Lua functions `on_division(cell, divisions)` and `on_minute(cell, minutes)`, in this order
 * and one after the other, for every simulated minute. The cell is held meanwhile, so a change acts at this minute.
 *
 * Whatever a hook does follows from the guest's state: only its instructions are limited. A hook that exceeds the limit
 * of time, which protects the host, ends its guest. Errors go to the VM's log. After too many consecutive errors, or if
 * a hook loses the Lua state, the hooks of the guest are switched off.
 */
import type { CellGuest, DueHook } from "./cell-guest.ts";
import { HOOK_TIMEOUT_MS, MAX_HOOK_ERRORS_IN_A_ROW, MAX_HOOK_INSTRUCTIONS } from "./limits.ts";
import type { CallLimits } from "./lua-call.ts";
import type { HookName, Work } from "./lua-guest.ts";
import type { CallReport } from "./lua-protocol.ts";

export interface HookPorts {
  readonly call: (guest: CellGuest, work: Work, limits: CallLimits) => Promise<CallReport>;
  readonly log: (guest: CellGuest, line: string) => void;
}

const LIMITS: CallLimits = { instructions: MAX_HOOK_INSTRUCTIONS, timeoutMs: HOOK_TIMEOUT_MS };

export class GuestHooks {
  readonly #ports: HookPorts;

  constructor(ports: HookPorts) {
    this.#ports = ports;
  }

  /**
   * Calls the hook. Resolves with true once the call has ended, and with false if it did not run: it is then still due.
   */
  async call(guest: CellGuest, { name, argument }: DueHook): Promise<boolean> {
    guest.hookUnderWay = true;
    try {
      const report = await this.#ports.call(guest, { kind: "hook", name, argument }, LIMITS);
      guest.hookDone(name);
      if (!guest.isRewinding) this.#judge(guest, name, report);
      return true;
    } catch {
      // A rejected call is no error of the guest's code: the guest was stopped, or the worker was replaced.
      return false;
    } finally {
      guest.hookUnderWay = false;
    }
  }

  #judge(guest: CellGuest, name: HookName, { outcome, stateLost }: CallReport): void {
    if (outcome.ok) {
      guest.hookErrorsInARow = 0;
      return;
    }
    const message = `${name} failed: ${outcome.code}: ${outcome.message}`;
    this.#ports.log(guest, message);
    if (outcome.byTime === true) {
      guest.fail(message);
      return;
    }
    guest.hookErrorsInARow += 1;
    if (guest.hooksOff) return;
    const isTooOften = guest.hookErrorsInARow >= MAX_HOOK_ERRORS_IN_A_ROW;
    if (!isTooOften && !stateLost) return;
    guest.hooksOff = true;
    const why = isTooOften
      ? `after ${MAX_HOOK_ERRORS_IN_A_ROW} errors in a row`
      : "because the state was lost";
    this.#ports.log(guest, `hooks are switched off ${why}`);
  }
}
