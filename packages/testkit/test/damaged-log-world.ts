/**
 * A real server whose event log tests damage, with what a service does at its start and while it runs.
 */
import { readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EVENT_STREAM, eventSubject } from "@bioxen/contracts";
import { EventFeed } from "@bioxen/kernel";
import {
  acceptLog,
  type Bus,
  connectBus,
  inRanges,
  LOG_RECORD_FILE,
  type LogGuard,
  openEventLog,
  openLogGuard,
  refuseDamagedLog,
} from "@bioxen/nats";
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { expect } from "vitest";
import { cordoned, eventually, TestServer } from "../src/index.ts";

/** The aggregates that get the events, in turn. */
const IDS = ["a", "b", "c", "d"];
/** Interval between two looks of a guard, ms. */
const LOOK_EVERY_MS = 50;
const noTimers = {
  after: () => ({ cancel: () => undefined }),
  every: () => ({ cancel: () => undefined }),
};

export interface Watched {
  readonly guard: LogGuard;
  readonly losses: { readonly seq: number; readonly sentence: string }[];
  readonly drifts: string[];
}

export class DamagedLogWorld {
  readonly server: TestServer;
  readonly bus: Bus;
  readonly jsm: JetStreamManager;
  #guards: LogGuard[] = [];

  private constructor(server: TestServer, bus: Bus, jsm: JetStreamManager) {
    this.server = server;
    this.bus = bus;
    this.jsm = jsm;
  }

  static async open(): Promise<DamagedLogWorld> {
    const server = await TestServer.start("max_payload: 2MB");
    const bus = await connectBus({ servers: server.url, name: "damage" });
    return new DamagedLogWorld(server, bus, await jetstreamManager(bus.connection));
  }

  async close(): Promise<void> {
    await this.endGuards();
    await this.bus.close();
    await this.server.stop();
  }

  async endGuards(): Promise<void> {
    for (const guard of this.#guards.splice(0)) await guard.end();
  }

  get place() {
    return { bus: this.bus, file: join(this.server.storeDir, "..", LOG_RECORD_FILE) };
  }

  /** Path of a block file of the event stream. */
  block(number = 1): string {
    const { storeDir } = this.server;
    return join(storeDir, "jetstream", "$G", "streams", EVENT_STREAM, "msgs", `${number}.blk`);
  }

  /** Appends `count` events to four aggregates. */
  async append(count: number): Promise<void> {
    const log = await openEventLog(this.bus);
    for (let i = 0; i < count; i += 1) {
      const id = IDS[(await log.lastSeq()) % IDS.length] ?? "a";
      const before = await log.read(eventSubject("chassis", id), 0);
      const event = cordoned(id, before.length + 1);
      await log.append(eventSubject("chassis", id), event, before.at(-1)?.seq ?? 0);
    }
  }

  /** Starts what a service starts: the check, the repair of the streams, and the guard. */
  async serve(): Promise<Watched> {
    await refuseDamagedLog(this.place);
    await openEventLog(this.bus);
    const losses: Watched["losses"] = [];
    const drifts: string[] = [];
    const guard = await openLogGuard({
      ...this.place,
      writes: true,
      onDamage: (seq, sentence) => losses.push({ seq, sentence }),
      onDrift: (drift) => drifts.push(drift),
      repair: async () => void (await openEventLog(this.bus)),
      lookEveryMs: LOOK_EVERY_MS,
    });
    this.#guards.push(guard);
    return { guard, losses, drifts };
  }

  /** Serves a log until it has `count` more events, and ends in order: the end of the log is on record. */
  async servedWith(count: number): Promise<void> {
    const { guard } = await this.serve();
    await this.append(count);
    await guard.end();
  }

  /** Ends the server, damages its store, and starts it again. */
  async damaged(damage: () => Promise<unknown>, how: "shutDown" | "kill" = "shutDown"): Promise<void> {
    await this.server[how]();
    await damage();
    await this.server.startAgain();
    await eventually("the bus is connected again", () => this.bus.connected || undefined);
  }

  /** Flips one bit within the body of the event with this sequence. */
  async flip(seq: number): Promise<void> {
    const bytes = await readFile(this.block());
    let at = -1;
    for (let i = 0; i < seq; i += 1) at = bytes.indexOf("bioxen.evt.chassis", at + 1);
    bytes[at + 120] = (bytes[at + 120] ?? 0) ^ 1;
    await writeFile(this.block(), bytes);
  }

  /** Cuts off the last bytes of the first block. */
  async tear(bytes: number): Promise<void> {
    await truncate(this.block(), (await stat(this.block())).size - bytes);
  }

  /** Expects that a start is refused with this sentence and the remedy, and works again once the loss is accepted. */
  async refusedUntilAccepted(sentence: RegExp, seq: number): Promise<void> {
    const refusal = await this.serve().then(
      () => undefined,
      (cause: unknown) => cause,
    );
    expect(refusal).toMatchObject({
      code: "CONFLICT",
      retryable: false,
      message: expect.stringMatching(sentence),
      details: { seq },
    });
    expect((refusal as Error).message).toMatch(/restore a backup.*bioxen up --accept-older-log/);
    expect((await acceptLog(this.place))?.problem).toMatch(sentence);
    await this.serve();
    await this.append(2);
    await this.serve();
  }

  /** Reads the whole log as a service does; resolves with the sequence of the last event. */
  async readAll(guard: LogGuard): Promise<number> {
    const feed = new EventFeed(await openEventLog(this.bus), [], noTimers);
    feed.mayMiss((seq) => inRanges(seq, guard.missing));
    try {
      await feed.start();
      return feed.appliedSeq;
    } finally {
      await feed.stop();
    }
  }
}
