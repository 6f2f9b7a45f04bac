/**
 * Calls a guest's hooks: its Lua functions `on_minute(cell, minutes)` and `on_division(cell, divisions)`.
 *
 * Each hook is called at most once per tick, and only after the guest's previous hook calls have ended. The next call
 * reports all minutes and divisions since the last one. Errors go to the VM's log. After too many consecutive errors,
 * the hooks of the guest are switched off.
 */
import type { CellGuest } from "./cell-guest.ts";
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

  callDue(guest: CellGuest): void {
    // No hook is called during a checkpoint: the hook would report minutes that the checkpoint stores as unreported.
    if (guest.hooksOff || guest.hookCallsUnderWay > 0 || guest.snapshotsUnderWay > 0) return;
    const { minutesForHook: minutes, divisionsForHook: divisions } = guest;
    guest.minutesForHook = 0;
    guest.divisionsForHook = 0;
    if (divisions > 0 && guest.hooks.includes("on_division")) this.#call(guest, "on_division", divisions);
    if (minutes > 0 && guest.hooks.includes("on_minute")) this.#call(guest, "on_minute", minutes);
  }

  #call(guest: CellGuest, name: HookName, argument: number): void {
    guest.hookCallsUnderWay += 1;
    this.#ports
      .call(guest, { kind: "hook", name, argument }, LIMITS)
      .then(
        ({ outcome }) => {
          if (outcome.ok) guest.hookErrorsInARow = 0;
          else this.#failed(guest, name, `${outcome.code}: ${outcome.message}`);
        },
        // A rejected call is no error of the guest's code: the guest was stopped, or the worker was replaced.
        () => {},
      )
      .finally(() => {
        guest.hookCallsUnderWay -= 1;
      });
  }

  #failed(guest: CellGuest, name: HookName, message: string): void {
    this.#ports.log(guest, `${name} failed: ${message}`);
    guest.hookErrorsInARow += 1;
    if (guest.hookErrorsInARow < MAX_HOOK_ERRORS_IN_A_ROW || guest.hooksOff) return;
    guest.hooksOff = true;
    this.#ports.log(guest, `hooks are switched off after ${MAX_HOOK_ERRORS_IN_A_ROW} errors in a row`);
  }
}
