/**
 * A finite part of the log, read from the stream of events.
 */
import type { LogEvent } from "../model/types.ts";
import { API, ApiError, queryText } from "./client.ts";
import { parseEvents } from "./sse.ts";

/** Longest wait for the next event of a part that is stored, ms. Events of others can be missing for a tenant. */
const IDLE_MS = 1_500;

/** Reads the events from `from` to `to`, both included, and returns what arrived. */
export async function readEvents(from: number, to: number): Promise<LogEvent[]> {
  const ended = new AbortController();
  const events: LogEvent[] = [];
  const response = await fetch(`${API}events${queryText({ from })}`, {
    signal: ended.signal,
    credentials: "same-origin",
  });
  if (!response.ok || response.body === null) {
    throw new ApiError({ code: "UNAVAILABLE", message: "the log cannot be read" }, response.status);
  }
  let timer = setTimeout(() => ended.abort(), IDLE_MS);
  let text = "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    while ((events.at(-1)?.seq ?? 0) < to) {
      const { done, value } = await reader.read();
      if (done) break;
      clearTimeout(timer);
      timer = setTimeout(() => ended.abort(), IDLE_MS);
      text = parseEvents(text + value, ({ id, data }) => {
        if (id !== "") events.push({ ...(JSON.parse(data) as object), seq: Number(id) } as LogEvent);
      });
    }
  } catch (thrown) {
    // The end of the wait: the part ends with the last event that arrived.
    if (!ended.signal.aborted) throw thrown;
  }
  clearTimeout(timer);
  ended.abort();
  return events.filter(({ seq }) => seq <= to);
}
