/**
 * Where a value stands to a rule: beyond its threshold, back past it by the margin, or between the two.
 *
 * The band between is the hysteresis: in it nothing is raised and nothing is cleared, so that a value that trembles on
 * the threshold makes one alert and not a hundred.
 */
import type { AlertRule } from "@bioxen/contracts";

export type Zone = "breach" | "band" | "clear";

export type Condition = Pick<AlertRule, "above" | "below" | "clearMarginPermille">;

/** The value from which on it is a breach, exclusive, and the one from which on it is clear, inclusive. */
export interface Edges {
  readonly breach: number;
  readonly clear: number;
}

export function edgesOf({ above, below, clearMarginPermille }: Condition): Edges {
  if (above !== null) return { breach: above, clear: (above * (1000 - clearMarginPermille)) / 1000 };
  const least = below ?? 0;
  return { breach: least, clear: (least * (1000 + clearMarginPermille)) / 1000 };
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
