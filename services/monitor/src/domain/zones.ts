/**
 * Zone of a value under a rule. In `breach` the value is beyond the threshold. In `clear` it is on the safe side of the
 * threshold by at least the margin. The `band` is between the two.
 *
 * The band is the hysteresis: in it no alert is raised and none is cleared. A value that oscillates around the
 * threshold causes one alert, not a hundred.
 */
import type { AlertRule } from "@bioxen/contracts";

export type Zone = "breach" | "band" | "clear";

export type Condition = Pick<AlertRule, "above" | "below" | "clearMarginPermille">;

/**
 * The two limits of a rule. `breach` is exclusive: a value equal to this limit is not in breach. `clear` is inclusive:
 * a value equal to this limit is clear.
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
