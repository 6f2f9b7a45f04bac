/**
 * The endpoints of quotas: set, get and list.
 */
import {
  done,
  type Handled,
  type ParsedRequestOf,
  type Quota,
  type QuotaState,
  quotaIdOf,
  type ResultOf,
  viewOfQuota,
} from "@bioxen/contracts";
import { type Aggregates, type Causation, invariant, type Timers } from "@bioxen/kernel";
import { quotaDecider } from "../domain/quota.ts";

/**
 * Longest wait of `set` until its limits hold, ms. Enforcement takes one `fenced` event in every ledger, and one event
 * of the quota. If the wait ends before, the reply has `enforced: false`.
 */
const ENFORCE_TIMEOUT_MS = 3_000;

export class QuotaCommands {
  readonly #quotas: Aggregates<QuotaState>;
  readonly #timers: Timers;
  readonly #waiting = new Set<() => void>();

  constructor(quotas: Aggregates<QuotaState>, timers: Timers) {
    this.#quotas = quotas;
    this.#timers = timers;
  }

  /** Makes every waiting `set` command check again whether its quota is now enforced. Call it after each event. */
  changed(): void {
    for (const check of [...this.#waiting]) check();
  }

  async set(
    { label, resources }: ParsedRequestOf<"quotaSet">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"quotaSet">>> {
    const quotaId = quotaIdOf(label);
    const executed = await this.#quotas.execute(quotaId, causation, (quota) =>
      quotaDecider.decide(quota, { type: "set", label, resources, quotas: [...this.#quotas.ids()].length }),
    );
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    const quota = await this.#whenEnforced(quotaId);
    invariant(quota !== undefined, "a quota exists once it was set", { label });
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

  /** Resolves with the quota once its limits are enforced, or after {@link ENFORCE_TIMEOUT_MS}. */
  #whenEnforced(quotaId: string): Promise<Quota | undefined> {
    return new Promise((resolve) => {
      const present = () => {
        const { state } = this.#quotas.get(quotaId);
        return state.exists ? state : undefined;
      };
      const end = () => {
        this.#waiting.delete(check);
        timer.cancel();
        resolve(present());
      };
      const check = () => {
        if (present()?.enforced === true) end();
      };
      const timer = this.#timers.after(ENFORCE_TIMEOUT_MS, end);
      this.#waiting.add(check);
      check();
    });
  }
}
