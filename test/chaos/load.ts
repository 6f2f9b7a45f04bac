/**
 * Clients that send mixed commands, each repeated under its message id until the answer is final.
 *
 * Every choice of a worker comes from its seed, so that its commands are the same in every run of the seed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { connect, headers } from "@nats-io/transport-node";
import { Universe } from "../sim/universe.ts";

/** Workers of each client, one command at a time each. */
const WORKERS_PER_CLIENT = 12;
const VMS = 200;
/**
 * Timeout of one request, ms. A service that cannot append answers after 8 s, so that a longer silence means a dead
 * service. Kills cause most silences, so the timeout is shorter.
 */
const REQUEST_TIMEOUT_MS = 3_000;
const PAUSE_BEFORE_RETRY_MS = 50;
/**
 * Deadline of a command with all repetitions, ms: longer than the longest fault with its recovery. A later answer is a
 * violation.
 */
const INTENT_DEADLINE_MS = 60_000;
/** One command in this many is sent twice at once. */
const TWICE_SHARE = 20;
/** The verbs; the more often a verb is listed, the more often it is sent. */
const VERBS = [
  "create",
  "create",
  "create",
  "start",
  "start",
  "start",
  "stop",
  "pause",
  "resume",
  "resize",
  "destroy",
] as const;

// biome-ignore lint/suspicious/noExplicitAny: a client knows no types.
export type Reply = any;

export interface Intent {
  readonly causeId: string;
  readonly vmId: string;
  /** `changed`, `unchanged`, an error code of a final refusal, or `unanswered`. */
  readonly outcome: string;
  /** Version of the VM in the answer; 0 without one. */
  readonly version: number;
  readonly attempts: number;
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
}

/** A client that sends one command once. It returns a missing answer as a retryable refusal. */
export interface Asker {
  ask(subject: string, payload: string, id: string): Promise<Reply>;
  close(): Promise<void>;
}

export interface LoadOptions {
  readonly url: string;
  /** Default: a bare NATS client. */
  readonly connect?: (url: string) => Promise<Asker>;
  readonly seed: number;
  readonly clients: number;
  /** Total number of commands, after which the load ends. */
  readonly commands: number;
  /** Highest total of commands per second. */
  readonly rate: number;
}

export class Load {
  readonly intents: Intent[] = [];
  /** Message ids with two different outcomes, as sentences. */
  readonly problems: string[] = [];
  readonly retryable = new Map<string, number>();
  readonly #options: LoadOptions;
  #sent = 0;
  #over = false;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  get sent(): number {
    return this.#sent;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Sends no new command. Those under way are still repeated until they are answered. */
  end(): void {
    this.#over = true;
  }

  async run(): Promise<void> {
    const { url, clients, connect: open = bareClient } = this.#options;
    const askers: Asker[] = [];
    for (let i = 0; i < clients; i += 1) askers.push(await open(url));
    const workers = askers.flatMap((asker, client) =>
      Array.from({ length: WORKERS_PER_CLIENT }, (_, worker) =>
        this.#work(asker, client * WORKERS_PER_CLIENT + worker),
      ),
    );
    await Promise.all(workers);
    this.#over = true;
    await Promise.all(askers.map((asker) => asker.close()));
  }

  async #work(asker: Asker, worker: number): Promise<void> {
    const choose = new Universe(this.#options.seed * 1_000 + worker);
    const intervalMs = (1_000 * this.#options.clients * WORKERS_PER_CLIENT) / this.#options.rate;
    let dueMs = performance.now() + choose.between(0, Math.ceil(intervalMs));
    for (let n = 1; !this.#over && this.#sent < this.#options.commands; n += 1) {
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      // A worker that was held up does not catch up, so that no burst of commands follows an outage.
      dueMs = Math.max(dueMs, performance.now() - intervalMs) + intervalMs;
      this.#sent += 1;
      const verb = choose.pick(VERBS);
      const vmId = `chaos-${choose.between(1, VMS)}`;
      const share = `${choose.between(1, 10)}%`;
      const resources = { ribosomes: share, rnaPolymerases: 5, atpPerSecond: share };
      const payload =
        verb === "create"
          ? { vmId, biologicalType: "syn3a", resources }
          : verb === "resize"
            ? { vmId, resources: { ribosomes: share } }
            : { vmId };
      const subject = `bioxen.cmd.vm.${verb}`;
      const id = `chaos-${this.#options.seed}-${worker}-${n}`;
      const isTwice = choose.between(1, TWICE_SHARE) === 1;
      await this.#insist(asker, subject, vmId, JSON.stringify(payload), id, isTwice);
    }
  }

  async #insist(
    asker: Asker,
    subject: string,
    vmId: string,
    payload: string,
    id: string,
    isTwice: boolean,
  ): Promise<void> {
    const sentAtMs = performance.now();
    let attempts = 0;
    for (;;) {
      attempts += 1;
      const asked = [asker.ask(subject, payload, id)];
      if (isTwice && attempts === 1) asked.push(asker.ask(subject, payload, id));
      const replies = await Promise.all(asked);
      const final = replies.filter((reply) => reply.ok || !reply.error.retryable);
      const [first, second] = final;
      if (second !== undefined && JSON.stringify(first) !== JSON.stringify(second)) {
        this.problems.push(
          `${subject}:${id} has two outcomes: ${JSON.stringify(first)} and ${JSON.stringify(second)}`,
        );
      }
      for (const reply of replies) if (!final.includes(reply)) this.#count(reply.error.code);
      const answeredAtMs = performance.now();
      const isTooLate = answeredAtMs - sentAtMs > INTENT_DEADLINE_MS;
      if (first === undefined && !isTooLate) {
        await sleep(PAUSE_BEFORE_RETRY_MS);
        continue;
      }
      const outcome =
        first === undefined
          ? "unanswered"
          : first.ok
            ? first.changed
              ? "changed"
              : "unchanged"
            : first.error.code;
      const version = first?.vm?.version ?? 0;
      this.intents.push({
        causeId: `${subject}:${id}`,
        vmId,
        outcome,
        version,
        attempts,
        sentAtMs,
        answeredAtMs,
      });
      return;
    }
  }

  #count(code: string): void {
    this.retryable.set(code, (this.retryable.get(code) ?? 0) + 1);
  }
}

async function bareClient(url: string): Promise<Asker> {
  const servers = url.split(",");
  const nats = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  return {
    async ask(subject, payload, id) {
      const h = headers();
      h.set("Nats-Msg-Id", id);
      try {
        return (await nats.request(subject, payload, { timeout: REQUEST_TIMEOUT_MS, headers: h })).json();
      } catch (thrown) {
        return noAnswer(thrown);
      }
    },
    close: () => nats.close(),
  };
}

/** Returns a missing answer as a retryable refusal. */
export function noAnswer(thrown: unknown): Reply {
  const code = thrown instanceof Error ? thrown.name : "unknown";
  return { ok: false, error: { code: `no answer (${code})`, retryable: true } };
}
