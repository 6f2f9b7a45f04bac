/**
 * The endpoints of quotas: set, get and list.
 */
import {
  cursorOf,
  done,
  ENDPOINTS,
  type Handled,
  type ParsedRequestOf,
  pageOfWhole,
  type Quota,
  type QuotaState,
  quotaIdOf,
  type ResultOf,
  recordedQuotaLabel,
  type StatePages,
  viewOfQuota,
} from "@bioxen/contracts";
import { type Aggregates, type Causation, invariant, type Timers, versionConflict } from "@bioxen/kernel";
import { quotaDecider } from "../domain/quota.ts";

/**
 * Longest wait of `set` until its limits hold, ms. Enforcement takes one `fenced` event in every ledger, and one event
 * of the quota. If the wait ends before, the reply has `enforced: false`.
 */
const ENFORCE_TIMEOUT_MS = 3_000;

export class QuotaCommands {
  readonly #quotas: Aggregates<QuotaState>;
  readonly #timers: Timers;
  readonly #pages: StatePages<QuotaState>;
  readonly #waiting = new Set<() => void>();

  constructor(quotas: Aggregates<QuotaState>, timers: Timers, pages: StatePages<QuotaState>) {
    this.#quotas = quotas;
    this.#timers = timers;
    this.#pages = pages;
  }

  /** Makes every waiting `set` command check again whether its quota is now enforced. Call it after each event. */
  changed(): void {
    for (const check of [...this.#waiting]) check();
  }

  async set(
    { resources, expectedVersion, ...name }: ParsedRequestOf<"quotaSet">,
    causation: Causation,
    maxBytes: number,
  ): Promise<Handled<ResultOf<"quotaSet">>> {
    const label = recordedQuotaLabel(name);
    const quotaId = quotaIdOf(label);
    const executed = await this.#quotas.execute(quotaId, causation, (quota) => {
      const quotas = [...this.#quotas.ids()].length;
      return (
        versionConflict(`quota ${label}`, expectedVersion, quota.exists ? quota.version : 0) ??
        quotaDecider.decide(quota, { type: "set", label, resources, quotas })
      );
    });
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    const quota = await this.#whenEnforced(quotaId);
    invariant(quota !== undefined, "a quota exists once it was set", { label });
    const whole = { changed: executed.changed, quota: viewOfQuota(quota) };
    const shape = ENDPOINTS.quotaSet.pages ?? {};
    const seq = this.#quotas.get(quotaId).lastSeq;
    return pageOfWhole(whole, { shape, request: {}, maxBytes, firstIndex: 0 }, (index) =>
      cursorOf({ seq, id: quotaId, index }),
    ) as Handled<ResultOf<"quotaSet">>;
  }

  async get(request: ParsedRequestOf<"quotaGet">, maxBytes: number): Promise<Handled<ResultOf<"quotaGet">>> {
    const quotaId = quotaIdOf(recordedQuotaLabel(request));
    if (request.cursor === undefined) await this.#quotas.refresh(quotaId);
    return this.#pages.within<ResultOf<"quotaGet">>(request, maxBytes, {
      shape: ENDPOINTS.quotaGet.pages ?? {},
      name: quotaId,
      ids: [quotaId],
      result: ([quota]) => done({ quota: quota?.exists ? viewOfQuota(quota) : null }),
    });
  }

  list(request: ParsedRequestOf<"quotaList">, maxBytes: number): Promise<Handled<ResultOf<"quotaList">>> {
    return this.#pages.within<ResultOf<"quotaList">>(request, maxBytes, {
      shape: ENDPOINTS.quotaList.pages ?? {},
      name: "quotas",
      ids: this.#quotas.sortedIds(),
      result: (states) => {
        const quotas = states.flatMap((quota) => (quota.exists ? [viewOfQuota(quota)] : []));
        return done({ quotas: quotas.sort((a, b) => (a.label < b.label ? -1 : 1)) });
      },
    });
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
