/** The reports of the agent in xenstore: its state and the latest sample, each written when it has changed. */
import { REPORT_AGAIN_MS } from "./limits.ts";
import {
  AGENT_KEY,
  type AgentReport,
  MAX_XENSTORE_VALUE_BYTES,
  SAMPLE_KEY,
  type SampleReport,
  xenstoreValue,
} from "./protocol.ts";
import type { Xenstore } from "./xenstore.ts";

/** Longest reason in a report, characters. With it, the report is well below the limit of xenstore. */
const MAX_REASON_CHARS = 1_000;

export class Reports {
  readonly #xenstore: Xenstore;
  readonly #log: (line: string) => void;
  readonly #now: () => number;
  readonly #written = new Map<string, { readonly value: string; readonly atMs: number }>();
  #trouble: string | undefined;

  /** `now` is a monotonic clock, ms. */
  constructor(xenstore: Xenstore, log: (line: string) => void, now: () => number) {
    this.#now = now;
    this.#xenstore = xenstore;
    this.#log = log;
  }

  /**
   * Writes what has changed since the last successful write, or was last written {@link REPORT_AGAIN_MS} ago. Does
   * nothing without the tools.
   */
  async write(agent: AgentReport, sample: SampleReport | undefined): Promise<void> {
    if (!this.#xenstore.isPresent()) return;
    const { reason } = agent;
    await this.#put(AGENT_KEY, reason === undefined ? agent : { ...agent, reason: plain(reason) });
    if (sample !== undefined) await this.#put(SAMPLE_KEY, fitting(sample));
  }

  async #put(key: string, report: object): Promise<void> {
    const value = xenstoreValue(key, JSON.stringify(report));
    const last = this.#written.get(key);
    if (last?.value === value && this.#now() - last.atMs < REPORT_AGAIN_MS) return;
    const trouble = await this.#xenstore.write(key, value);
    if (trouble === undefined) this.#written.set(key, { value, atMs: this.#now() });
    else if (trouble !== this.#trouble) this.#log(`xenstore-write: ${trouble}`);
    this.#trouble = trouble;
  }
}

/** Returns the sample, without its outputs if a value of xenstore has no room for them. */
function fitting(sample: SampleReport): SampleReport {
  if (sample.outputs === undefined) return sample;
  if (new TextEncoder().encode(JSON.stringify(sample)).length <= MAX_XENSTORE_VALUE_BYTES) return sample;
  const { outputs: _, ...rest } = sample;
  return rest;
}

/** Returns a text that JSON and the xenstore tools leave unchanged. */
function plain(text: string): string {
  return text
    .slice(0, MAX_REASON_CHARS)
    .replaceAll('"', "'")
    .replaceAll(/[^ -~]|\\/g, "?");
}
