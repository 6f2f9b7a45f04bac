/**
 * The commands and questions about quotas.
 */
import {
  done,
  type Handled,
  type ParsedRequestOf,
  type Quota,
  type QuotaState,
  quotaIdOf,
  type ResultOf,
  refuse,
  viewOfQuota,
} from "@bioxen/contracts";
import type { Aggregates, Causation, Timers } from "@bioxen/kernel";
import { decideSet } from "../domain/quota.ts";

/** Quotas there may be: each is asked at every change of every ledger. */
const MAX_QUOTAS = 1_000;
/** Longest wait of a `set` until its quota holds, ms: a fence in every ledger and one event more; beyond it the answer says that it does not yet. */
const ENFORCE_TIMEOUT_MS = 3_000;

export class QuotaCommands {
  readonly #quotas: Aggregates<QuotaState>;
  readonly #timers: Timers;
  readonly #waiting = new Set<() => void>();

  constructor(quotas: Aggregates<QuotaState>, timers: Timers) {
    this.#quotas = quotas;
    this.#timers = timers;
  }

  /** A quota has changed: whoever waits for one looks again. */
  changed(): void {
    for (const look of [...this.#waiting]) look();
  }

  async set(
    { label, resources }: ParsedRequestOf<"quotaSet">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"quotaSet">>> {
    const quotaId = quotaIdOf(label);
    const executed = await this.#quotas.execute(quotaId, causation, (quota) => {
      if (!quota.exists && [...this.#quotas.ids()].length >= MAX_QUOTAS) {
        return refuse("TOO_LARGE", `there are ${MAX_QUOTAS} quotas`, { details: { limit: MAX_QUOTAS } });
      }
      return decideSet(quota, label, resources);
    });
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    const quota = await this.#enforced(quotaId);
    if (quota === undefined) return refuse("INTERNAL", `quota ${label} was set and is not there`);
    return done({ changed: executed.changed, quota: viewOfQuota(quota) });
  }

  async get({ label }: ParsedRequestOf<"quotaGet">): Promise<Handled<ResultOf<"quotaGet">>> {
    const { state } = await this.#quotas.refresh(quotaIdOf(label));
    return done({ quota: state.exists ? viewOfQuota(state) : null });
  }

  list(): Handled<ResultOf<"quotaList">> {
    const quotas = [...this.#quotas.entries()].flatMap(([, { state }]) =>
      state.exists ? [viewOfQuota(state)] : [],
    );
    return done({ quotas: quotas.sort((a, b) => (a.label < b.label ? -1 : 1)) });
  }

  /** Waits for the process, at whichever instance, to make it hold; but not for ever. */
  #enforced(quotaId: string): Promise<Quota | undefined> {
    return new Promise((resolve) => {
      const now = () => {
        const { state } = this.#quotas.get(quotaId);
        return state.exists ? state : undefined;
      };
      const end = () => {
        this.#waiting.delete(look);
        timer.cancel();
        resolve(now());
      };
      const look = () => {
        if (now()?.enforced === true) end();
      };
      const timer = this.#timers.after(ENFORCE_TIMEOUT_MS, end);
      this.#waiting.add(look);
      look();
    });
  }
}
