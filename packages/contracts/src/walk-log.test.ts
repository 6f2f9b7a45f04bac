/**
 * A walk over the log ends at the end of the log, or when the log falls silent.
 */
import type { EventLog, FollowOptions, StoredEvent } from "@bioxen/kernel";
import { describe, expect, it } from "vitest";
import { walkLog } from "./walk-log.ts";

/** A log of three events that delivers `given` of them and then falls silent. */
function logOf(given: number): EventLog {
  const follow = async ({ fromSeq, onEvent }: FollowOptions) => {
    for (let seq = fromSeq; seq <= given; seq += 1) onEvent({ seq } as StoredEvent);
    return { stop: async () => undefined };
  };
  return { follow, lastSeq: async () => 3 } as unknown as EventLog;
}

async function walked(given: number, options = {}): Promise<{ seqs: number[]; cause: unknown }> {
  const seqs: number[] = [];
  const cause = await walkLog(logOf(given), ({ seq }) => void seqs.push(seq), { stallMs: 20, ...options });
  return { seqs, cause };
}

describe("a walk over the log", () => {
  it("ends at the end of the log, or at `toSeq`", async () => {
    expect(await walked(3)).toEqual({ seqs: [1, 2, 3], cause: undefined });
    expect(await walked(3, { fromSeq: 2, toSeq: 2 })).toEqual({ seqs: [2], cause: undefined });
  });

  it("ends with a retryable TIMEOUT when the log falls silent", async () => {
    const { seqs, cause } = await walked(2);
    expect(seqs).toEqual([1, 2]);
    expect(cause).toMatchObject({ code: "TIMEOUT", retryable: true });
  });
});
