/**
 * The bus of a simulated cluster: requests and publications, which are lost, repeated, delayed and reordered on the way.
 */
import { digestOf, type HandlerResult, type ServedEndpoint } from "@bioxen/contracts";
import {
  type CallOptions,
  type Causation,
  Fault,
  onBehalfOf,
  type Reply,
  servedPrincipal,
} from "@bioxen/kernel";
import type { Faults } from "./faults.ts";
import type { SimLanes } from "./lanes.ts";
import type { SimLog } from "./log.ts";
import type { Universe } from "./universe.ts";

export interface Served {
  readonly alive: () => boolean;
  /** Resolves once the process is awake. */
  readonly awake: () => Promise<void>;
  readonly endpoints: ReadonlyMap<string, ServedEndpoint>;
  /** The lanes through which requests come in a run with a flood. */
  readonly lanes: SimLanes | undefined;
}

const encoder = new TextEncoder();

/** The caller of a request that names none: all ordinary clients together. */
const CLIENTS = "clients";

/** Delivers a request to one instance that serves its subject, and a publication to every listener. */
export class SimBus {
  readonly #universe: Universe;
  readonly #faults: Faults;
  readonly #log: SimLog;
  readonly #serving = new Set<Served>();
  readonly #listeners = new Set<{
    readonly wants: (subject: string) => boolean;
    readonly hear: (payload: unknown, subject: string) => void;
  }>();
  readonly #firstOutcomes = new Map<string, HandlerResult>();
  readonly #onBug: (thrown: unknown) => void;
  #ids = 0;

  constructor(universe: Universe, faults: Faults, log: SimLog, onBug: (thrown: unknown) => void) {
    this.#universe = universe;
    this.#faults = faults;
    this.#log = log;
    this.#onBug = onBug;
  }

  serve(served: Served): () => void {
    this.#serving.add(served);
    return () => this.#serving.delete(served);
  }

  /** Sends a request. `caller` is the name under which lanes count its sender. */
  async call(subject: string, payload: unknown, options: CallOptions, caller = CLIENTS): Promise<Reply> {
    const text = JSON.stringify(payload);
    const reply = this.#delivered(subject, text, options, caller);
    const deadline = this.#universe.delay(options.timeoutMs).then(() => {
      throw new Fault("TIMEOUT", `no reply on ${subject}`, { retryable: true });
    });
    deadline.catch(() => undefined);
    return Promise.race([reply, deadline]);
  }

  async #delivered(subject: string, text: string, options: CallOptions, caller: string): Promise<Reply> {
    await this.#universe.delay(this.#log.delayMs());
    if (this.#faults.strikes("request-lost")) return never();
    if (this.#faults.strikes("request-repeated"))
      void this.#atAnInstance(subject, text, options, caller).catch(() => undefined);
    const reply = await this.#atAnInstance(subject, text, options, caller);
    await this.#universe.delay(this.#log.delayMs());
    if (this.#faults.strikes("reply-lost")) return never();
    if (!reply.ok) this.#faults.count(`refused ${reply.error.code}`);
    if (!reply.ok && reply.error.details?.["newestToken"] !== undefined) {
      this.#faults.count("stale-proposer-refused");
    }
    return JSON.parse(JSON.stringify(reply)) as Reply;
  }

  async #atAnInstance(subject: string, text: string, options: CallOptions, caller: string): Promise<Reply> {
    const able = [...this.#serving].filter((one) => one.alive() && one.endpoints.has(subject));
    if (able.length === 0)
      throw new Fault("UNAVAILABLE", `no instance serves ${subject}`, { retryable: true });
    const instance = this.#universe.pick(able);
    const served = instance.endpoints.get(subject);
    if (served === undefined) return never();
    const causation = this.#causationOf(served, text, options);
    await instance.awake();
    if (!instance.alive()) return never();
    const work = () => this.#firstOutcome(served, text, causation);
    const { lanes } = instance;
    const { endpoint } = served;
    const result = await (lanes === undefined
      ? work()
      : lanes.outcomeOf({ endpoint, caller, causeId: causation.causeId, bytes: text.length, work }));
    if (!instance.alive()) return never();
    return result.ok ? { ok: true, ...result.result } : { ok: false, error: result.rejection };
  }

  /** Loses the outcomes of all commands, as `accept-older-log` and an older store do. */
  forgetOutcomes(): void {
    this.#firstOutcomes.clear();
  }

  /** Like the real inbox: one message id has one outcome. */
  async #firstOutcome(served: ServedEndpoint, text: string, causation: Causation): Promise<HandlerResult> {
    const carriedOut = async (): Promise<HandlerResult> => {
      const parsed = served.endpoint.request.safeParse(JSON.parse(text));
      if (!parsed.success) {
        return {
          ok: false,
          rejection: { code: "BAD_REQUEST", message: parsed.error.message, retryable: false },
        };
      }
      try {
        return await served.handle(parsed.data as never, causation);
      } catch (thrown) {
        if (!(thrown instanceof Fault)) {
          this.#onBug(thrown);
          return never();
        }
        const code = thrown.code === "TOO_LARGE" ? thrown.code : "UNAVAILABLE";
        return { ok: false, rejection: { code, message: thrown.message, retryable: thrown.retryable } };
      }
    };
    if (!causation.deduplicate) return carriedOut();
    const key = causation.causeId;
    const before = this.#firstOutcomes.get(key);
    if (before !== undefined) {
      this.#faults.count("outcome-found-again");
      return before;
    }
    const outcome = await carriedOut();
    // A fault of the service is no outcome of the command.
    const isFault = !outcome.ok && (outcome.rejection.retryable || outcome.rejection.code === "UNAVAILABLE");
    if (isFault) return outcome;
    const first = this.#firstOutcomes.get(key) ?? outcome;
    this.#firstOutcomes.set(key, first);
    return first;
  }

  #causationOf({ endpoint }: ServedEndpoint, text: string, { messageId, causation }: CallOptions): Causation {
    const { subject, internal } = endpoint;
    this.#ids += 1;
    const causeId =
      messageId === undefined ? (causation?.causeId ?? `request-${this.#ids}`) : `${subject}:${messageId}`;
    return {
      causeId,
      correlationId: causation?.correlationId ?? causeId,
      deduplicate: messageId !== undefined,
      ...(internal ? calledBy(causation) : { principal: CLIENTS, role: "operator" }),
      ...(messageId === undefined || internal ? {} : { payloadDigest: digestOf(encoder.encode(text)) }),
    };
  }

  publish(subject: string, payload: unknown): void {
    if (this.#faults.strikes("telemetry-lost")) return;
    const text = JSON.stringify(payload);
    for (const listener of this.#listeners) {
      if (!listener.wants(subject)) continue;
      this.#universe.after(this.#log.delayMs(), () => {
        if (this.#listeners.has(listener)) listener.hear(JSON.parse(text), subject);
      });
    }
  }

  subscribe(subject: string, hear: (payload: unknown, subject: string) => void): { stop(): void } {
    const pattern = new RegExp(`^${subject.replaceAll(".", "\\.").replaceAll("*", "[^.]+")}$`);
    const known = new Map<string, boolean>();
    const wants = (of: string) => {
      const before = known.get(of);
      if (before !== undefined) return before;
      const isWanted = pattern.test(of);
      known.set(of, isWanted);
      return isWanted;
    };
    const listener = { wants, hear };
    this.#listeners.add(listener);
    return { stop: () => void this.#listeners.delete(listener) };
  }
}

/** The caller of an endpoint between services: another service, for the principal whose command began the chain. */
function calledBy(causation: Causation | undefined) {
  const service = { principal: "service:peer", role: "service" };
  return { ...service, ...onBehalfOf(causation && servedPrincipal(causation)) };
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}
