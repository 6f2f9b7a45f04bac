/**
 * Limits and use of the quotas as measurements: one series for each limited resource of a quota.
 */
import {
  chargedAmounts,
  type MeasuredValue,
  type Measurement,
  type Quota,
  type QuotaState,
} from "@bioxen/contracts";
import { type Aggregates, type Amounts, amountOf } from "@bioxen/kernel";

export class QuotaMeasurements {
  readonly #quotas: Pick<Aggregates<QuotaState>, "entries">;
  /** Sum of the charges by state of a quota, so that a scrape adds up only the charges of changed quotas. */
  readonly #charged = new WeakMap<Quota, Amounts>();

  constructor(quotas: Pick<Aggregates<QuotaState>, "entries">) {
    this.#quotas = quotas;
  }

  measure(): readonly Measurement[] {
    const limits: MeasuredValue[] = [];
    const used: MeasuredValue[] = [];
    for (const [, { state }] of this.#quotas.entries()) {
      if (!state.exists) continue;
      const charged = this.#chargedTo(state);
      for (const [resource, limit] of Object.entries(state.resources)) {
        const labels = { quota: state.label, resource };
        limits.push({ value: limit, labels });
        used.push({ value: amountOf(charged, resource), labels });
      }
    }
    return [
      { metric: "bioxen_quota_limit", values: limits },
      { metric: "bioxen_quota_used", values: used },
    ];
  }

  #chargedTo(quota: Quota): Amounts {
    const known = this.#charged.get(quota);
    if (known !== undefined) return known;
    const charged = chargedAmounts(quota);
    this.#charged.set(quota, charged);
    return charged;
  }
}
