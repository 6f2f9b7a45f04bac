/**
 * The requests of a run. Request number N of a seed is always the same message, whatever was answered before.
 */
import {
  agentCheckpoint,
  agentExec,
  agentHold,
  agentOrphans,
  ENDPOINTS,
  type Endpoint,
} from "@bioxen/contracts";
import { large, wrongBytes } from "./bytes.ts";
import { blockOf, CORRELATION_ID, type Header, MESSAGE_ID, wrongHeaders } from "./headers.ts";
import { mutated, nested } from "./mutations.ts";
import { type Verdict, verdictOn } from "./oracle.ts";
import { type Random, randomOf, weighted } from "./random.ts";
import type { Outgoing } from "./raw-client.ts";
import { Fields, type Node, textOf, treeOf } from "./tree.ts";
import { fieldNamesOf, wellFormed } from "./well-formed.ts";

/** The agent of a local stack; its endpoints are not in the catalogue, because their subjects name the agent. */
const AGENT = "local";
export const TARGETS: readonly Endpoint[] = [
  ...Object.values(ENDPOINTS),
  agentExec(AGENT),
  agentCheckpoint(AGENT),
  agentHold(AGENT),
  agentOrphans(AGENT),
];

/**
 * What is wrong with a request, by weight. `odd` requests are well-formed and unusual: limits of ranges, unknown ids,
 * cursors and sequences from elsewhere. They are few, because a run is about refusals.
 */
const KINDS = {
  fields: 790,
  depth: 15,
  bytes: 100,
  headers: 50,
  "message id": 10,
  large: 3,
  odd: 20,
  reply: 5,
} as const;
export type Kind = keyof typeof KINDS;

/** What must come of a request: one answer, or none because it names no reply subject or one that is no inbox. */
export type Expected = Verdict | "dropped" | "silent";

export interface FuzzRequest extends Outgoing {
  readonly index: number;
  readonly kind: Kind;
  readonly endpoint: Endpoint;
  readonly expected: Expected;
  /** Whether an answer may also be the CONFLICT of a message id that was used for another payload. */
  readonly sharesId: boolean;
  /** `inbox`: a usual inbox. `other`: a subject of another form that no stream stores. Else the subject itself. */
  readonly reply: "inbox" | "other" | { readonly subject: string };
}

/** Reply subjects to which a service must not publish. */
const FOREIGN_REPLIES = [
  "bioxen.evt.vm.fz-run",
  "bioxen.job.vm.create",
  "bioxen.cmd.vm.destroy",
  "$KV.bioxen-leases.fuzz",
  "$JS.API.STREAM.PURGE.BIOXEN_EVENTS",
];
/** Value of a field that accepts any JSON, and of no other field. */
const ANY_JSON = { fz: { a: [[null]], b: {} } };
/** Fields of each endpoint that accept any JSON: only their validation goes as deep as the payload. */
const OPEN_FIELDS: ReadonlyMap<Endpoint, readonly string[]> = new Map(
  TARGETS.map((endpoint) => {
    const made = wellFormed(randomOf(0, 0), endpoint) as object;
    const isOpen = (name: string) => endpoint.request.safeParse({ ...made, [name]: ANY_JSON }).success;
    return [endpoint, fieldNamesOf(endpoint).filter(isOpen)];
  }),
);
const OPEN_TARGETS = TARGETS.filter((endpoint) => OPEN_FIELDS.get(endpoint)?.length !== 0);

/** Changes after which a request that is still well-formed gets a field that no command has. */
const MAX_CHANGES = 6;
/** Number of message ids of each endpoint that the requests of a run share. */
const SHARED_IDS = 5;
/** One request in this many has a message id of its own. Each costs two writes to the store of outcomes. */
const OWN_ID_IN = 40;

export function correlationOf(seed: number, index: number): string {
  return `fz-${seed}-${index}`;
}

/**
 * Longest payload, bytes. The server ends the connection of a client that sends more than 1 MiB, headers included; the
 * headers of a request are at most 20 000 bytes.
 */
const MAX_SENT_BYTES = 1_000_000;

/** Returns request `index` of the run. */
export function requestOf(seed: number, index: number): FuzzRequest {
  const request = uncutRequestOf(seed, index);
  if (request.payload.byteLength <= MAX_SENT_BYTES) return request;
  return { ...request, payload: request.payload.subarray(0, MAX_SENT_BYTES) };
}

function uncutRequestOf(seed: number, index: number): FuzzRequest {
  const random = randomOf(seed, index);
  const kind = weighted(random, KINDS);
  const endpoint = random.pick(kind === "depth" ? OPEN_TARGETS : TARGETS);
  const { subject } = endpoint;
  const correlation: Header = [CORRELATION_ID, correlationOf(seed, index)];
  const tree = treeOf(wellFormed(random, endpoint));
  const whole = { index, kind, endpoint, subject, sharesId: false, reply: "inbox" } as const;
  const judged = (payload: Uint8Array, headers: Uint8Array) =>
    verdictOn({ subject, payload, headers }, endpoint);

  if (kind === "headers" || kind === "bytes") {
    const message = wrongMessage(random, kind, tree, correlation, (m) => judged(m.payload, m.headers));
    return { ...whole, ...message, expected: judged(message.payload, message.headers) };
  }
  if (kind === "message id") {
    const headers = blockOf([
      correlation,
      [MESSAGE_ID, `fz-${seed}-shared-${random.between(1, SHARED_IDS)}`],
    ]);
    const payload = Buffer.from(textOf(random.chance(0.5) ? tree : malformed(random, tree, endpoint)));
    return { ...whole, payload, headers, sharesId: true, expected: judged(payload, headers) };
  }
  const own: Header[] = random.between(1, OWN_ID_IN) === 1 ? [[MESSAGE_ID, correlation[1]]] : [];
  const headers = blockOf([correlation, ...own]);
  if (kind === "odd" || kind === "depth") {
    const payload = Buffer.from(textOf(kind === "odd" ? tree : deepened(random, tree, endpoint)));
    return { ...whole, payload, headers, expected: judged(payload, headers) };
  }
  const text = textOf(malformed(random, tree, endpoint));
  const payload = kind === "large" ? large(random, text) : Buffer.from(text);
  const expected = judged(payload, headers);
  if (kind !== "reply") return { ...whole, payload, headers, expected };
  return { ...whole, payload, headers, ...foreignReply(random, expected) };
}

/** Puts a deeply nested value into a field that accepts any JSON. */
function deepened(random: Random, tree: Node, endpoint: Endpoint): Node {
  const name = random.pick(OPEN_FIELDS.get(endpoint) ?? []);
  const others = tree instanceof Fields ? tree.all.filter(([other]) => other !== name) : [];
  return new Fields([...others, [name, new Fields([["fz", nested(random)]])]]);
}

function foreignReply(random: Random, verdict: Verdict): Pick<FuzzRequest, "reply" | "expected"> {
  switch (random.pick(["foreign", "none", "other"] as const)) {
    case "foreign":
      return { reply: { subject: random.pick(FOREIGN_REPLIES) }, expected: "dropped" };
    case "none":
      return { reply: { subject: "" }, expected: "silent" };
    case "other":
      return { reply: "other", expected: verdict };
  }
}

/** Changes a request until its schema refuses it. */
function malformed(random: Random, tree: Node, endpoint: Endpoint): Node {
  let next = mutated(random, tree);
  for (let i = 1; i < MAX_CHANGES; i += 1) {
    const payload = Buffer.from(textOf(next));
    const { subject } = endpoint;
    if (verdictOn({ subject, payload, headers: undefined }, endpoint) !== "well-formed") return next;
    next = mutated(random, next);
  }
  const fields = next instanceof Fields ? next.all : [];
  return new Fields([...fields, ["no-such-field", 1]]);
}

interface Message {
  readonly payload: Uint8Array;
  readonly headers: Uint8Array;
}

/** Makes wrong bytes or headers; several times, when what comes out is well-formed after all. */
function wrongMessage(
  random: Random,
  kind: "headers" | "bytes",
  tree: Node,
  correlation: Header,
  judge: (message: Message) => Verdict,
): Message {
  const text = textOf(tree);
  let message: Message;
  let tries = 0;
  do {
    tries += 1;
    message =
      kind === "bytes"
        ? { payload: wrongBytes(random, text), headers: blockOf([correlation]) }
        : { payload: Buffer.from(text), headers: wrongHeaders(random, correlation) };
  } while (judge(message) === "well-formed" && tries < MAX_CHANGES);
  return message;
}
