/**
 * Zone of a value under a rule: beyond the threshold (breach), back past it by the margin (clear), or in the band
 * between.
 *
 * The band is the hysteresis: in it no alert is raised and none is cleared. A value that oscillates around the
 * threshold causes one alert, not a hundred.
 */
import type { AlertRule } from "@bioxen/contracts";

export type Zone = "breach" | "band" | "clear";

export type Condition = Pick<AlertRule, "above" | "below" | "clearMarginPermille">;

/**
 * The two limits of a rule. `breach` is exclusive: a value beyond it is a breach. `clear` is inclusive: a value at it
 * is clear.
 */
export interface Edges {
  readonly breach: number;
  readonly clear: number;
}

export function edgesOf({ above, below, clearMarginPermille }: Condition): Edges {
  if (above !== null) return { breach: above, clear: (above * (1000 - clearMarginPermille)) / 1000 };
  const threshold = below ?? 0;
  return { breach: threshold, clear: (threshold * (1000 + clearMarginPermille)) / 1000 };
}

export function zoneOf(condition: Condition, value: number): Zone {
  const { breach, clear } = edgesOf(condition);
  if (condition.above !== null) {
    if (value > breach) return "breach";
    return value <= clear ? "clear" : "band";
  }
  if (value < breach) return "breach";
  return value >= clear ? "clear" : "band";
}
