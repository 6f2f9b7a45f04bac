/**
 * Records real messages as the examples of docs/asyncapi.json: run the test of the protocol with
 * `BIOXEN_RECORD_EXAMPLES=1`, then `pnpm run docs`.
 *
 * A message that has an example keeps it, so that a run changes nothing without need; to replace an example, delete it
 * first. Event types that the run does not write have their golden event as the example.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { eventName } from "../../packages/contracts/src/protocol/published-messages.ts";
import type { Json } from "./json.ts";
import type { Traffic } from "./protocol-traffic.ts";

const CONTRACTS = new URL("../../packages/contracts/", import.meta.url);
const FILE = new URL("src/protocol/examples.json", CONTRACTS);
const GOLDEN = new URL("golden/", CONTRACTS);
/** Headers that the examples show. Others, such as the expected sequence of an append, belong to the server. */
const SHOWN_HEADERS = /^(?:Nats-Msg-Id|Nats-Service-Error.*|Bioxen-.*|traceparent)$/;
/** Longest list in an example. A list of equal things says nothing more. */
const MAX_ITEMS = 2;

export function recordExamples(traffic: Traffic): void {
  const known: Record<string, Json> = JSON.parse(readFileSync(FILE, "utf8"));
  for (const [kind, { payload, headers }] of traffic.first) {
    const shown = Object.entries(headers).filter(([name]) => SHOWN_HEADERS.test(name));
    const isBinary = typeof payload === "string";
    known[kind] ??= {
      ...(shown.length > 0 ? { headers: Object.fromEntries(shown) } : {}),
      payload: isBinary ? "…" : shortened(payload),
    };
  }
  for (const name of readdirSync(GOLDEN).filter((file) => file.endsWith(".json"))) {
    const payload = JSON.parse(readFileSync(new URL(name, GOLDEN), "utf8"));
    known[eventName(payload.type)] ??= { payload: shortened(payload) };
  }
  const sorted = Object.fromEntries(Object.entries(known).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(FILE, `${JSON.stringify(sorted, undefined, 1)}\n`);
}

function shortened(value: Json): Json {
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map(shortened);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shortened(inner)]));
}
