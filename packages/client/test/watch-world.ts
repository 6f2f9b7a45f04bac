/**
 * A real server with an event log, and a client that watches it.
 */
import { EVENT_STREAM, eventSubject } from "@bioxen/contracts";
import type { EventLog } from "@bioxen/kernel";
import { type Bus, connectBus, openEventLog } from "@bioxen/nats";
import { cordoned, TestServer } from "@bioxen/testkit";
import { connect } from "../src/connection.ts";
import type { Bioxen, EventWatch, WatchedEvent } from "../src/index.ts";

const ASK_TIMEOUT_MS = 5_000;

export class WatchWorld {
  readonly server: TestServer;
  readonly bioxen: Bioxen;
  readonly #bus: Bus;
  #log: EventLog;
  readonly #lastOf = new Map<string, { version: number; seq: number }>();

  private constructor(server: TestServer, bioxen: Bioxen, bus: Bus, log: EventLog) {
    this.server = server;
    this.bioxen = bioxen;
    this.#bus = bus;
    this.#log = log;
  }

  static async open(): Promise<WatchWorld> {
    const server = await TestServer.start();
    const bus = await connectBus({ servers: server.url, name: "writer" });
    const log = await openEventLog(bus);
    return new WatchWorld(server, await connect({ servers: server.url }), bus, log);
  }

  connect(): Promise<Bioxen> {
    return connect({ servers: this.server.url });
  }

  /** Appends events of one chassis, or of several in turn; returns their sequences. */
  async append(count: number, ...ids: string[]): Promise<number[]> {
    const seqs: number[] = [];
    for (let i = 0; i < count; i += 1) {
      const id = ids[i % ids.length] ?? "";
      const { version, seq } = this.#lastOf.get(id) ?? { version: 0, seq: 0 };
      const appended = await this.#log.append(eventSubject("chassis", id), cordoned(id, version + 1), seq);
      if (appended.kind !== "appended") throw new Error("a conflict although this is the only writer");
      this.#lastOf.set(id, { version: version + 1, seq: appended.seq });
      seqs.push(appended.seq);
    }
    return seqs;
  }

  async putBytes(id: string, text: string): Promise<void> {
    await this.#ask(eventSubject("chassis", id), text);
  }

  get log(): EventLog {
    return this.#log;
  }

  /** Deletes the log and creates an empty one in its place. */
  async replaceLog(): Promise<void> {
    await this.#ask(`$JS.API.STREAM.DELETE.${EVENT_STREAM}`);
    this.#lastOf.clear();
    this.#log = await openEventLog(this.#bus);
  }

  /** Names of the consumers of the log on the server. */
  async consumers(): Promise<readonly string[]> {
    return (await this.#ask(`$JS.API.CONSUMER.NAMES.${EVENT_STREAM}`))["consumers"] as string[];
  }

  async close(): Promise<void> {
    await this.bioxen.close();
    await this.#bus.close();
    await this.server.stop();
  }

  async #ask(subject: string, payload = ""): Promise<Record<string, unknown>> {
    const reply = await this.#bus.connection.request(subject, payload, { timeout: ASK_TIMEOUT_MS });
    const answer = reply.json<Record<string, unknown>>();
    if (answer["error"] !== undefined) throw new Error(JSON.stringify(answer["error"]));
    return answer;
  }
}

/** The next `count` events. */
export async function take(watch: EventWatch, count: number): Promise<WatchedEvent[]> {
  const events: WatchedEvent[] = [];
  while (events.length < count) {
    const { done, value } = await watch.next();
    if (done === true) throw new Error(`the watch ended after ${events.length} of ${count} events`);
    events.push(value);
  }
  return events;
}

export const seqsOf = (events: readonly WatchedEvent[]) => events.map((event) => event.seq);
export const range = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);
