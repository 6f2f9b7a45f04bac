/**
 * Decides which reply subjects an answer may be published to.
 *
 * A service publishes its answers with its own rights, and the server does not check the reply subject of a request. A
 * caller could otherwise name a subject of the log, a bucket or the API of JetStream, and make the service write there.
 *
 * Inboxes of the usual form are known by their prefix. A client may choose another prefix for its inboxes; such a
 * subject is accepted when no stream stores it. The server is asked once per prefix, and its answer is kept for 30 s.
 */
import type { Bus } from "./bus.ts";
import { streamManagerOf } from "./jet-stream.ts";

/** Beginnings of the inboxes of clients, and of the reply subjects that a server makes for an imported service. */
const INBOX_PREFIXES = ["_INBOX.", "_INBOX_", "_R_."];
/**
 * Time for which the server's answer about a prefix is kept, ms. A new stream on a known prefix can therefore store
 * answers of a service for at most 30 s.
 */
const VERDICT_MS = 30_000;
/** Maximum number of prefixes whose acceptance or refusal is kept. A further prefix replaces the oldest one. */
const MAX_PREFIXES = 1_000;
/** Longest wait for the server's list of streams, ms. Without an answer the reply subject is refused. */
const LOOKUP_TIMEOUT_MS = 2_000;

/** Whether a service may answer on a reply subject. `ask` means that the server must be asked first. */
export type ReplyVerdict = "accepted" | "refused" | "ask";

/**
 * Decides from the form of a reply subject alone whether a service may answer on it. Accepts the empty subject: the
 * request then expects no reply.
 */
export function verdictOf(reply: string): ReplyVerdict {
  if (reply === "" || INBOX_PREFIXES.some((prefix) => reply.startsWith(prefix))) {
    return /[*>]/.test(reply) ? "refused" : "accepted";
  }
  const isOwn = reply === "bioxen" || reply.startsWith("bioxen.");
  return isOwn || reply.startsWith("$") || /[*>\s]/.test(reply) ? "refused" : "ask";
}

/** Returns a reply subject without its last token, which differs from request to request. */
export function prefixOf(reply: string): string {
  const lastDot = reply.lastIndexOf(".");
  return lastDot < 0 ? reply : reply.slice(0, lastDot);
}

interface KeptVerdict {
  readonly isAccepted: boolean;
  readonly untilMs: number;
}

export class ReplySubjects {
  readonly #streamsOn: (filter: string) => Promise<readonly string[]>;
  readonly #nowMs: () => number;
  readonly #kept = new Map<string, KeptVerdict>();
  readonly #asking = new Map<string, Promise<boolean>>();
  #waiting = 0;

  /** `streamsOn` returns the names of the streams whose subjects overlap with a filter. */
  constructor(streamsOn: (filter: string) => Promise<readonly string[]>, nowMs = () => performance.now()) {
    this.#streamsOn = streamsOn;
    this.#nowMs = nowMs;
  }

  static of(bus: Bus): ReplySubjects {
    return new ReplySubjects(async (filter) => {
      const options = { checkAPI: false, timeout: LOOKUP_TIMEOUT_MS };
      const jsm = await streamManagerOf(bus, options);
      return jsm.streams.names(filter).next();
    });
  }

  /** Returns whether a service may answer on `reply`, without a request to the server; `ask` when that is not known. */
  verdict(reply: string): ReplyVerdict {
    const verdict = verdictOf(reply);
    if (verdict !== "ask") return verdict;
    const kept = this.#kept.get(prefixOf(reply));
    if (kept === undefined || kept.untilMs <= this.#nowMs()) return "ask";
    return kept.isAccepted ? "accepted" : "refused";
  }

  /** Number of messages that wait until the server has answered about their reply subject. */
  get asking(): number {
    return this.#waiting;
  }

  /** Resolves with true when an answer may be published to `reply`. Never rejects. */
  async isAccepted(reply: string): Promise<boolean> {
    const verdict = this.verdict(reply);
    if (verdict !== "ask") return verdict === "accepted";
    const prefix = prefixOf(reply);
    let asking = this.#asking.get(prefix);
    if (asking === undefined) {
      asking = this.#ask(prefix, reply).finally(() => this.#asking.delete(prefix));
      this.#asking.set(prefix, asking);
    }
    this.#waiting += 1;
    return asking.finally(() => {
      this.#waiting -= 1;
    });
  }

  async #ask(prefix: string, reply: string): Promise<boolean> {
    try {
      const streams = await this.#streamsOn(prefix === reply ? reply : `${prefix}.>`);
      const isAccepted = streams.length === 0;
      const [oldest] = this.#kept.keys();
      if (oldest !== undefined && this.#kept.size >= MAX_PREFIXES) this.#kept.delete(oldest);
      this.#kept.delete(prefix);
      this.#kept.set(prefix, { isAccepted, untilMs: this.#nowMs() + VERDICT_MS });
      return isAccepted;
    } catch {
      return false;
    }
  }
}
