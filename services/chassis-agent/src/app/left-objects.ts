/**
 * Reports what a pool keeps although its driver was to remove it: when a removal first fails, when the driver gives up,
 * and when the object is gone.
 *
 * Level-triggered: each look compares the drivers' lists with the log, so that a lost report is made up for. An object
 * that the log has and no driver lists may be one of an earlier run of the agent; it counts as gone only after the pool
 * was asked. An object that was given up once stays given up in the log, although a restarted agent tries again: a person
 * must still remove it, unless one of these tries succeeds.
 */
import {
  callEndpoint,
  ENDPOINTS,
  type LeftObject,
  MAX_LEFT_OBJECTS,
  type RequestOf,
} from "@bioxen/contracts";
import { messageOf, Reconciler, type ServicePorts, type StepResult } from "@bioxen/kernel";
import type { LeftBehind } from "@bioxen/vm-driver";
import type { Drivers } from "./drivers.ts";
import type { GuestView } from "./guest-view.ts";

/** Deadline of a report, ms. */
const REPORT_TIMEOUT_MS = 5_000;
/** Interval of the looks, ms. A failed removal also wakes the look at once. */
const LOOK_AGAIN_MS = 5_000;

export interface LeftObjectsOptions {
  readonly ports: Pick<ServicePorts, "bus" | "clock" | "timers" | "logger">;
  readonly claim: { isHeld(): boolean };
  readonly drivers: Pick<Drivers, "all" | "leftBehind" | "onGuestEvent">;
  readonly view: Pick<GuestView, "hosted" | "registered">;
  /** The chassis of this agent that are pools. */
  readonly poolIds: readonly string[];
}

export class LeftObjects {
  readonly #options: LeftObjectsOptions;
  /** The keys are chassis ids. */
  readonly #reconciler: Reconciler;

  constructor(options: LeftObjectsOptions) {
    this.#options = options;
    const { clock, timers, logger } = options.ports;
    this.#reconciler = new Reconciler({
      clock,
      timers,
      step: (chassisId) => this.#step(chassisId),
      onError: (chassisId, thrown) =>
        logger.warn({ chassisId, err: thrown }, `reporting what ${chassisId} keeps: ${messageOf(thrown)}`),
    });
  }

  begin(): void {
    const wakeAll = (): void => {
      for (const chassisId of this.#options.poolIds) this.#reconciler.wake(chassisId);
    };
    this.#options.drivers.onGuestEvent(({ kind }) => {
      if (kind === "left") wakeAll();
    });
    wakeAll();
  }

  end(): Promise<void> {
    return this.#reconciler.stop();
  }

  async #step(chassisId: string): Promise<StepResult> {
    const { ports, claim, drivers, view } = this.#options;
    const again = { dueAtMs: ports.clock.nowMs() + LOOK_AGAIN_MS };
    if (!claim.isHeld() || !view.hosted().includes(chassisId)) return again;
    const recorded = view.registered(chassisId)?.leftBehind ?? [];
    const present = drivers.leftBehind();
    for (const left of present) {
      const known = recorded.find(({ uuid }) => uuid === left.uuid);
      const isNew =
        known === undefined ? recorded.length < MAX_LEFT_OBJECTS : isTried(known) && !isTried(left);
      if (isNew) await this.#report({ chassisId, uuid: left.uuid, left: recordOf(left) });
    }
    for (const known of recorded) {
      const isPresent = present.some(({ uuid }) => uuid === known.uuid);
      if (isPresent || (await this.#isThere(known))) continue;
      await this.#report({ chassisId, uuid: known.uuid, left: null });
    }
    return again;
  }

  async #isThere({ kind, uuid }: LeftObject): Promise<boolean> {
    for (const driver of this.#options.drivers.all) {
      if ((await driver.stillHas?.(kind, uuid)) === true) return true;
    }
    return false;
  }

  async #report(report: RequestOf<"chassisReportLeft">): Promise<void> {
    const { bus } = this.#options.ports;
    const options = { timeoutMs: REPORT_TIMEOUT_MS };
    const reply = await callEndpoint(bus, ENDPOINTS.chassisReportLeft, report, options);
    if (!reply.ok) throw new Error(`${reply.error.code}: ${reply.error.message}`);
  }
}

function isTried({ nextTryAtMs }: { readonly nextTryAtMs?: number | null | undefined }): boolean {
  return nextTryAtMs !== undefined && nextTryAtMs !== null;
}

function recordOf({ vmId, kind, tries, reason, nextTryAtMs }: LeftBehind): Omit<LeftObject, "uuid"> {
  return { vmId, kind, tries, reason, nextTryAtMs: nextTryAtMs ?? null };
}
