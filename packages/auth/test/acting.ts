/**
 * A user that tries something, and the state of the server that its acts must not change.
 */
import { createHash } from "node:crypto";
import { mappedParts } from "@bioxen/contracts";
import { STREAM_NAMES } from "@bioxen/nats";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { headers, type Msg, type NatsConnection } from "@nats-io/transport-node";
import type { KeyedServer } from "./keyed-server.ts";

/** Time in which the server would have delivered a message, ms. */
const DELIVERY_MS = 60;
const ANSWER_TIMEOUT_MS = 400;

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A user with its connection. */
export class Acting {
  readonly name: string;
  readonly connection: NatsConnection;

  constructor(name: string, connection: NatsConnection) {
    this.name = name;
    this.connection = connection;
  }

  /** Publishes, with any reply subject. */
  send(
    subject: string,
    payload: unknown = {},
    reply?: string,
    header: Readonly<Record<string, string>> = {},
  ): void {
    const h = headers();
    for (const [name, value] of Object.entries(header)) h.set(name, value);
    const text = typeof payload === "string" ? payload : JSON.stringify(payload);
    const options = { headers: h, ...(reply === undefined ? {} : { reply }) };
    this.connection.publish(subject, text, options);
  }

  /** Returns the answer's text; undefined when there is none, or when it is an error of the server. */
  async ask(subject: string, payload: unknown = {}, header: Readonly<Record<string, string>> = {}) {
    const h = headers();
    for (const [name, value] of Object.entries(header)) h.set(name, value);
    const text = typeof payload === "string" ? payload : JSON.stringify(payload);
    try {
      const answer = await this.connection.request(subject, text, { timeout: ANSWER_TIMEOUT_MS, headers: h });
      const said = answer.string();
      return /"error":/.test(said) ? undefined : said;
    } catch {
      return undefined;
    }
  }

  /** Returns the messages that arrive on a subject while `during` runs, as text; undefined when none arrives. */
  async hears(subject: string, during: () => unknown = () => undefined): Promise<string | undefined> {
    const heard: string[] = [];
    const subscription = this.connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) heard.push(`${message.subject} ${message.string()}`);
      },
    });
    await this.connection.flush();
    await during();
    await wait(DELIVERY_MS);
    subscription.unsubscribe();
    return heard.length === 0 ? undefined : heard.join("\n");
  }

  /** Creates a push consumer, if the server accepts one. */
  pushes(
    stream: string,
    name: string,
    deliver_subject: string,
    filter = "bioxen.evt.>",
  ): Promise<string | undefined> {
    const config = {
      name,
      deliver_subject,
      filter_subject: filter,
      ack_policy: "none",
      deliver_policy: "all",
    };
    const subject = `$JS.API.CONSUMER.CREATE.${stream}.${name}.${filter}`;
    return this.ask(subject, {
      stream_name: stream,
      config: { ...config, inactive_threshold: 2_000_000_000 },
    });
  }
}

/** A message that a service or an agent received. */
export interface Received {
  readonly by: string;
  readonly subject: string;
}

/** Subscribes as every service and agent to everything that it serves, and answers whatever reply subject is named. */
export class Receivers {
  readonly received: Received[] = [];

  async begin(keyed: KeyedServer, served: Readonly<Record<string, readonly string[]>>): Promise<void> {
    for (const [name, subjects] of Object.entries(served)) {
      const connection = await keyed.as(name);
      for (const subject of subjects) {
        connection.subscribe(subject, { callback: (error, message) => this.#receive(name, error, message) });
      }
      await connection.flush();
    }
  }

  #receive(by: string, error: Error | null, message: Msg): void {
    if (error !== null) return;
    this.received.push({ by, subject: message.subject });
    // An unsafe answer: a real service answers inboxes only.
    message.respond("{}");
  }

  /** Returns the received messages that name another caller than `callers`, and forgets all. */
  takeForeign(callers: ReadonlySet<string>): Received[] {
    const foreign = this.received.filter(({ subject }) => {
      const parts = mappedParts(subject);
      if (parts === undefined) return !callers.has("lifecycle");
      const { role, name, via } = parts.identity;
      return !callers.has(via ?? (role === "agent" ? `agent-${name}` : name));
    });
    this.received.length = 0;
    return foreign;
  }
}

/** The content of all streams, and their configuration and consumers. */
export class Inspector {
  readonly #log: JetStreamManager;
  readonly #feed: JetStreamManager;

  private constructor(log: JetStreamManager, feed: JetStreamManager) {
    this.#log = log;
    this.#feed = feed;
  }

  static async open(keyed: KeyedServer): Promise<Inspector> {
    const [log, feed] = [await keyed.as("inspector"), await keyed.as("feed-inspector")];
    return new Inspector(await jetstreamManager(log), await jetstreamManager(feed));
  }

  /** Returns one line per stream; equal lines mean that nothing was changed. */
  async state(): Promise<string[]> {
    await wait(DELIVERY_MS);
    const names = await this.#log.streams.names().next();
    const ofLog = [...new Set([...STREAM_NAMES, ...names])].map((name) =>
      this.#stream(this.#log, name, true),
    );
    const ofFeed = (await this.#feed.streams.names().next()).map((name) =>
      this.#stream(this.#feed, name, false),
    );
    return Promise.all([...ofLog, ...ofFeed]);
  }

  async #stream(jsm: JetStreamManager, name: string, withConsumers: boolean): Promise<string> {
    const { config, state } = await jsm.streams.info(name, { subjects_filter: ">" });
    const { messages, first_seq, last_seq, subjects } = state;
    const consumers: unknown[] = [];
    // Readers come and go on the log, and the mirror is one of them: only the workers' consumers must stay.
    if (withConsumers && name === "BIOXEN_COMMANDS") {
      for await (const one of jsm.consumers.list(name)) {
        consumers.push([one.name, one.config.filter_subject, one.ack_floor.stream_seq, one.num_ack_pending]);
      }
    }
    const settings = createHash("sha256").update(JSON.stringify(config)).digest("hex").slice(0, 8);
    return JSON.stringify({ name, settings, messages, first_seq, last_seq, subjects, consumers });
  }
}
