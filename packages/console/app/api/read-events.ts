/**
 * A finite part of the log, read from the stream of events.
 */
import type { LogEvent } from "../model/types.ts";
import { API, ApiError, queryText } from "./client.ts";
import { parseEvents } from "./sse.ts";

/** The type of a message of the log that no reader can read. It has a sequence, and no event. */
export const UNREADABLE = "bioxen.unreadable";

export function eventOf(data: string, seq: number): LogEvent {
  return { ...(JSON.parse(data) as object), seq } as LogEvent;
}

/** Longest wait for the next event of a part that is stored, ms. Events of others can be missing for a tenant. */
const IDLE_MS = 1_500;

/**
 * Hands over the events from `from` to `to`, both included, in their order. Returns the sequence of the last message that
 * arrived: smaller than `to` when nothing came for `idleMs`.
 */
export async function walkEvents(
  from: number,
  to: number,
  onEvent: (event: LogEvent) => void,
  idleMs = IDLE_MS,
): Promise<number> {
  const ended = new AbortController();
  const response = await fetch(`${API}events${queryText({ from })}`, {
    signal: ended.signal,
    credentials: "same-origin",
  });
  if (!response.ok || response.body === null) {
    throw new ApiError({ code: "UNAVAILABLE", message: "the log cannot be read" }, response.status);
  }
  let timer = setTimeout(() => ended.abort(), idleMs);
  let text = "";
  let last = from - 1;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    while (last < to) {
      const { done, value } = await reader.read();
      if (done) break;
      clearTimeout(timer);
      timer = setTimeout(() => ended.abort(), idleMs);
      text = parseEvents(text + value, ({ id, event, data }) => {
        if (id === "") return;
        last = Number(id);
        if (last <= to && event !== UNREADABLE) onEvent(eventOf(data, last));
      });
    }
  } catch (thrown) {
    // The end of the wait: the part ends with the last event that arrived.
    if (!ended.signal.aborted) throw thrown;
  }
  clearTimeout(timer);
  ended.abort();
  return last;
}

/** Reads the events from `from` to `to`, both included, and returns what arrived. */
export async function readEvents(from: number, to: number): Promise<LogEvent[]> {
  const events: LogEvent[] = [];
  await walkEvents(from, to, (event) => events.push(event));
  return events;
}
