/**
 * Server-sent events over `fetch`, because `EventSource` hides the status of a refused connection and gives up after
 * an HTTP error. A stream reconnects by itself, from the event after the last one that it delivered.
 */
export interface ServerEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Splits the text of a stream into events. Returns the incomplete rest. */
export function parseEvents(text: string, onEvent: (event: ServerEvent) => void): string {
  const blocks = text.replaceAll("\r\n", "\n").split("\n\n");
  const rest = blocks.pop() ?? "";
  for (const block of blocks) {
    let id = "";
    let event = "message";
    const data: string[] = [];
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      if (colon === 0) continue;
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (name === "id") id = value;
      else if (name === "event") event = value;
      else if (name === "data") data.push(value);
    }
    if (data.length > 0) onEvent({ id, event, data: data.join("\n") });
  }
  return rest;
}

export type StreamState = "connecting" | "live" | "lost" | "refused";

export interface StreamOptions {
  /** Path and query of the stream; called for each connection. */
  readonly url: (lastId: string) => string;
  readonly onEvent: (event: ServerEvent) => void;
  readonly onState: (state: StreamState) => void;
}

/** Waits between two connections, ms: short at first, because a restart of the gateway takes about a second. */
const RETRY_MS = [250, 500, 1_000, 2_000, 4_000] as const;
/** Time without a byte after which a connection counts as dead, ms. The gateway sends a comment at least every 15 s. */
const SILENCE_MS = 20_000;

/** A stream that lives until {@link close}. */
export class EventStream {
  readonly #options: StreamOptions;
  readonly #ended = new AbortController();
  #lastId = "";
  #failures = 0;

  constructor(options: StreamOptions) {
    this.#options = options;
    void this.#run();
  }

  close(): void {
    this.#ended.abort();
  }

  async #run(): Promise<void> {
    const { onState } = this.#options;
    while (!this.#ended.signal.aborted) {
      onState(this.#failures === 0 ? "connecting" : "lost");
      const refused = await this.#connect().catch(() => false);
      if (this.#ended.signal.aborted) return;
      if (refused) return onState("refused");
      onState("lost");
      const wait = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)];
      this.#failures += 1;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }

  /** Reads one connection to its end; true when the caller is not allowed to read the stream. */
  async #connect(): Promise<boolean> {
    const { url, onEvent, onState } = this.#options;
    const silence = new AbortController();
    const signal = AbortSignal.any([this.#ended.signal, silence.signal]);
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (this.#lastId !== "") headers["last-event-id"] = this.#lastId;
    const response = await fetch(url(this.#lastId), { headers, signal, credentials: "same-origin" });
    if (response.status === 401 || response.status === 403) return true;
    if (!response.ok || response.body === null) return false;
    this.#failures = 0;
    onState("live");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return false;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        text = parseEvents(text + value, (event) => {
          if (event.id !== "") this.#lastId = event.id;
          onEvent(event);
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
