/**
 * Real traffic, judged by the published docs/asyncapi.json as another program would use it: with ajv in strict mode.
 *
 * One subscription gets every message of the server in the order of the server. A reply belongs to the request whose
 * reply subject it has.
 */
import { readFileSync } from "node:fs";
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { Ajv, type ValidateFunction } from "ajv";
import type { Json } from "./json.ts";

const FILE = new URL("../../docs/asyncapi.json", import.meta.url);
const DEFINITIONS = "urn:bioxen:protocol";
/** Codes with which BioXen refuses a request that violates its schema. */
const MALFORMED_CODES = ["BAD_REQUEST", "TOO_LARGE"];
const decoder = new TextDecoder("utf-8", { fatal: true });

interface Channel {
  readonly pattern: RegExp;
  readonly messages: readonly string[];
  readonly replies: readonly string[];
}

interface Judged {
  /** Name of the message in the document. */
  readonly kind: string;
  readonly payload: Json;
  readonly headers: Readonly<Record<string, string>>;
}

interface OpenRequest {
  readonly channel: Channel;
  readonly kind: string;
  readonly isValid: boolean;
}

export class Traffic {
  /** Number of messages that satisfy the document, by the name of the message. */
  readonly counts = new Map<string, number>();
  /** One sentence for each message that violates the document. */
  readonly violations: string[] = [];
  /** The first message of each kind. */
  readonly first = new Map<string, Judged>();
  /** Codes of error replies, by the name of the request. */
  readonly refusals = new Map<string, Set<string>>();
  /** Ids of durable commands that violate their schema and are no dead letters yet. */
  readonly malformedJobs = new Set<string>();
  readonly #document: Json;
  readonly #channels: readonly Channel[];
  readonly #validators = new Map<string, ValidateFunction>();
  readonly #ajv: Ajv;
  readonly #open = new Map<string, OpenRequest>();
  readonly #ignored: (subject: string) => boolean;

  /**
   * `ignored`: the subjects on which the test itself publishes what no release of BioXen would. `document`: an AsyncAPI
   * document; default: the published one.
   */
  constructor(ignored: (subject: string) => boolean, document = publishedDocument()) {
    this.#ignored = ignored;
    this.#document = document;
    const formats = { "date-time": isInstant, binary: true } as const;
    this.#ajv = new Ajv({ strict: true, allErrors: true, keywords: ["components"], formats });
    this.#ajv.addSchema({ $id: DEFINITIONS, components: this.#document.components });
    this.#channels = channelsOf(this.#document);
  }

  listenTo(nats: NatsConnection): void {
    nats.subscribe(">", { callback: (_error, message) => this.#see(message) });
  }

  /** Names of all messages of the document. */
  get kinds(): string[] {
    return Object.keys(this.#document.components.messages);
  }

  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  #see(message: Msg): void {
    const { subject, reply = "" } = message;
    if (this.#ignored(subject)) return;
    const request = this.#open.get(subject);
    if (request !== undefined) {
      this.#open.delete(subject);
      this.#judgeReply(message, request);
    } else if (subject.startsWith("bioxen.")) {
      const channel = this.#channels.find(({ pattern }) => pattern.test(subject));
      if (channel === undefined) this.violations.push(`${subject} is in no document`);
      else if (channel.replies.length > 0 && reply !== "") this.#judgeRequest(message, channel);
      else if (subject.startsWith("bioxen.job.")) this.#judgeJob(message, channel);
      else this.#judge(message, channel.messages);
    }
  }

  /** A request that violates its schema is right when BioXen refuses it: the reply decides. */
  #judgeRequest(message: Msg, channel: Channel): void {
    const kind = channel.messages[0] as string;
    const judged = this.#judgedAs(kind, message);
    if (typeof judged !== "string") this.#count(judged);
    this.#open.set(String(message.reply), { channel, kind, isValid: typeof judged !== "string" });
  }

  /** A durable command that violates its schema is right when it becomes a dead letter. */
  #judgeJob(message: Msg, channel: Channel): void {
    const judged = this.#judgedAs(channel.messages[0] as string, message);
    if (typeof judged === "string") this.malformedJobs.add(message.headers?.get("Nats-Msg-Id") ?? "");
    else this.#count(judged);
  }

  #judgeReply(message: Msg, { channel, kind, isValid }: OpenRequest): void {
    // The server's own answer when no service listens on the subject.
    if (message.headers?.code === 503) return;
    const reply = this.#judge(message, channel.replies);
    const code = reply?.payload.error?.code;
    if (code !== undefined) this.refusals.set(kind, (this.refusals.get(kind) ?? new Set()).add(code));
    if (!isValid && !MALFORMED_CODES.includes(code)) {
      this.violations.push(`a request that violates ${kind} was answered ${JSON.stringify(reply?.payload)}`);
    }
  }

  /** Judges a message that must satisfy exactly one of `kinds`. */
  #judge(message: Msg, kinds: readonly string[]): Judged | undefined {
    const results = kinds.map((kind) => this.#judgedAs(kind, message));
    const fitting = results.filter((result) => typeof result !== "string");
    const [judged] = fitting;
    if (judged !== undefined && fitting.length === 1) {
      this.#count(judged);
      return judged;
    }
    const why = judged === undefined ? results.join("; ").slice(0, 600) : "it satisfies several schemas";
    this.violations.push(`${message.subject} ${decoded(message)?.type ?? ""}: ${why}`);
    return undefined;
  }

  #count(judged: Judged): void {
    if (judged.kind === "DeadLetter") this.malformedJobs.delete(judged.headers["Bioxen-Job-Id"] ?? "");
    this.counts.set(judged.kind, (this.counts.get(judged.kind) ?? 0) + 1);
    if (!this.first.has(judged.kind)) this.first.set(judged.kind, judged);
  }

  /** Returns the message when it satisfies the schemas of this kind, otherwise why it does not. */
  #judgedAs(kind: string, message: Msg): Judged | string {
    const { contentType } = this.#document.components.messages[kind];
    const isBinary = contentType === "application/octet-stream";
    const payload = isBinary ? Buffer.from(message.data).toString("latin1") : decoded(message);
    const headers = headersOf(message);
    for (const [part, value] of [["payload", payload] as const, ["headers", headers] as const]) {
      if (part === "headers" && this.#document.components.messages[kind].headers === undefined) continue;
      const validate = this.#validator(kind, part);
      if (!validate(value)) return `${kind} ${part}: ${this.#ajv.errorsText(validate.errors)}`;
    }
    return { kind, payload, headers };
  }

  #validator(kind: string, part: "payload" | "headers"): ValidateFunction {
    const $ref = `${DEFINITIONS}#/components/messages/${kind}/${part}`;
    const known = this.#validators.get($ref) ?? this.#ajv.compile({ $ref });
    this.#validators.set($ref, known);
    return known;
  }
}

export function publishedDocument(): Json {
  return JSON.parse(readFileSync(FILE, "utf8"));
}

/** An RFC 3339 instant: what the format `date-time` stands for. */
function isInstant(text: string): boolean {
  return (
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/.test(text) &&
    !Number.isNaN(Date.parse(text))
  );
}

/** Returns the payload as JSON; undefined for a payload that is none. */
function decoded({ data }: Msg): Json {
  try {
    return JSON.parse(decoder.decode(data));
  } catch {
    return undefined;
  }
}

function headersOf({ headers }: Msg): Record<string, string> {
  return Object.fromEntries((headers?.keys() ?? []).map((name) => [name, headers?.get(name) ?? ""]));
}

/** Returns the channels with an address, the channels with the fewest parameters first. */
function channelsOf(document: Json): Channel[] {
  const nameOf = (reference: { $ref: string }) => {
    const [, , channel = "", , key = ""] = reference.$ref.split("/");
    return document.channels[channel].messages[key].$ref.split("/").at(-1);
  };
  const found = Object.values<Json>(document.operations).map((operation) => {
    const { address } = document.channels[operation.channel.$ref.split("/").at(-1)];
    const pattern = new RegExp(`^${address.replaceAll(".", "\\.").replaceAll(/\{(\w+)\}/g, tokenOf)}$`);
    return {
      address,
      pattern,
      messages: operation.messages.map(nameOf),
      replies: (operation.reply?.messages ?? []).map(nameOf),
    };
  });
  const parametersIn = (address: string) => address.split("{").length;
  return found.sort((a, b) => parametersIn(a.address) - parametersIn(b.address));
}

/** The id of a job can have dots, every other parameter is one token. */
function tokenOf(_whole: string, name: string): string {
  return name === "jobId" ? ".+" : "[^.]+";
}
