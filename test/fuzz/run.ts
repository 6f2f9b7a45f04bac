/**
 * One run: sends the requests of a seed to the services of a cluster, and checks every answer, the log, the memory and
 * the pace afterwards. It returns the problems as sentences.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "@bioxen/testkit/eventually";
import { connect } from "@nats-io/transport-node";
import { accountFor } from "./account.ts";
import { Counts, codeOf, countLine, problemOfAnswer } from "./answers.ts";
import { Cluster } from "./cluster.ts";
import { problemOf } from "./http-client.ts";
import { httpRequestOf } from "./http-requests.ts";
import { randomOf } from "./random.ts";
import { RawClient } from "./raw-client.ts";
import { correlationOf, requestOf } from "./requests.ts";

export interface FuzzOptions {
  /** The server of a cluster whose chassis take VMs, and on which no one else acts. */
  readonly url: string;
  readonly seed: number;
  /** Number of requests on subjects of NATS; one HTTP request in fifty comes on top. */
  readonly requests: number;
  /** The requests are sent in rounds of equal size. The memory is compared over the last two of three or more. */
  readonly rounds: number;
  /** Makes every service collect its garbage; called after each round. Absent: the memory is not compared. */
  readonly collectGarbage?: () => void;
  readonly say: (line: string) => void;
}

export interface FuzzResult {
  readonly counts: Counts;
  readonly problems: readonly string[];
}

/** Requests under way at once: below the lanes of a service, so that none is refused for lack of room. */
const CONCURRENCY = 32;
const HTTP_IN = 50;
/** The least share of requests that validation must refuse. */
const LEAST_JUDGED = 0.95;
/** The most that the memory of a service may grow from the last round but one to the last. */
const MAX_GROWTH = 1.1;
/** Collections of garbage after a round, and the rest before each and after the last, ms: some samples of a service. */
const COLLECTIONS = 3;
const SETTLE_MS = 3_000;
/** Number of lone queries, before and after. */
const LONE_QUERIES = 300;
/** A lone query may take this many times as long as before, and this many ms more: a machine has other work. */
const MAX_SLOWER = 3;
const SLOWER_MS = 15;
const PACE_TRIES = 5;
const MIB = 2 ** 20;
/** Problems of one kind are alike, and a broken service has one for every request. */
const MAX_PROBLEMS = 100;

export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const nats = await connect({ servers: options.url });
  const client = await RawClient.open(options.url, `fuzz-${options.seed}`);
  try {
    return await new Run(options, new Cluster(nats, options.url), client).whole();
  } finally {
    client.close();
    await nats.close();
  }
}

class Run {
  readonly #options: FuzzOptions;
  readonly #cluster: Cluster;
  readonly #client: RawClient;
  readonly #counts = new Counts();
  readonly #problems: string[] = [];
  readonly #accepted = new Set<string>();
  readonly #refused = new Set<string>();
  #httpUrls: readonly string[] = [];

  constructor(options: FuzzOptions, cluster: Cluster, client: RawClient) {
    this.#options = options;
    this.#cluster = cluster;
    this.#client = client;
  }

  async whole(): Promise<FuzzResult> {
    const { seed, requests, rounds, say } = this.#options;
    const setUp = `fz-${seed}-set-up`;
    this.#accepted.add(setUp);
    const firstSequence = await this.#cluster.lastSequence();
    await this.#cluster.setUp(setUp);
    this.#httpUrls = await this.#cluster.httpUrls();
    const loneBefore = await this.#cluster.loneQueryMs(LONE_QUERIES);
    const droppedBefore = await this.#cluster.dropped(this.#httpUrls);
    const sizes: Map<string, number>[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const beganAt = performance.now();
      await this.#round(
        Math.floor((requests * round) / rounds),
        Math.floor((requests * (round + 1)) / rounds),
      );
      const seconds = (performance.now() - beganAt) / 1_000;
      await this.#settle();
      sizes.push(this.#cluster.sizes());
      const inMiB = [...(sizes.at(-1) ?? [])]
        .sort()
        .map(([name, bytes]) => `${name} ${Math.round(bytes / MIB)}`);
      say(`round ${round + 1}: ${seconds.toFixed(1)} s; resident MiB: ${inMiB.join(", ") || "not read"}`);
    }
    await this.#allDropped(droppedBefore);
    this.#checkSizes(sizes);
    this.#sayCounts();
    await this.#checkPace(loneBefore);
    await this.#checkLog(firstSequence);
    for (const problem of this.#client.problems) this.#problem(problem);
    return { counts: this.#counts, problems: this.#problems };
  }

  /** Lets the services come to rest, and reads their memory over some samples. */
  async #settle(): Promise<void> {
    this.#cluster.restartSizes();
    if (this.#options.collectGarbage === undefined) return;
    for (let i = 0; i < COLLECTIONS; i += 1) {
      await sleep(SETTLE_MS);
      this.#options.collectGarbage();
    }
    this.#cluster.restartSizes();
    await sleep(SETTLE_MS);
  }

  #problem(text: string): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(text);
  }

  /** Sends the requests from `first` to before `end`, and waits for every answer. */
  async #round(first: number, end: number): Promise<void> {
    let next = first;
    const worker = async () => {
      while (next < end) {
        const index = next;
        next += 1;
        await this.#one(index);
        if (index % HTTP_IN === 0) await this.#http(index);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    await this.#client.flush();
    for (const reply of this.#client.answeredTwice()) this.#problem(`${reply} had more than one answer`);
  }

  async #one(index: number): Promise<void> {
    const request = requestOf(this.#options.seed, index);
    const correlation = correlationOf(this.#options.seed, index);
    this.#counts.request(request);
    if (typeof request.reply === "object") {
      this.#refused.add(correlation);
      await this.#client.publish(request, request.reply.subject);
      return;
    }
    const answer = await this.#client.request(
      request,
      this.#client.replyOf(index, request.reply === "inbox"),
    );
    this.#counts.answer(request, answer);
    (codeOf(answer) === "ok" ? this.#accepted : this.#refused).add(correlation);
    const problem = problemOfAnswer(request, answer);
    if (problem !== undefined) this.#problem(problem);
  }

  async #http(index: number): Promise<void> {
    const random = randomOf(~this.#options.seed, index);
    const url = this.#httpUrls[Math.floor(random.random() * this.#httpUrls.length)];
    if (url === undefined) return this.#problem("no service has an HTTP address");
    this.#counts.http += 1;
    const problem = await problemOf(url, httpRequestOf(random));
    if (problem !== undefined) this.#problem(`HTTP request ${index}: ${problem}`);
  }

  /** Waits until the services have counted every request whose reply subject is no inbox. */
  async #allDropped(before: number): Promise<void> {
    const expected = this.#counts.dropped;
    let counted = 0;
    await eventually("every request with a foreign reply subject is dropped", async () => {
      counted = (await this.#cluster.dropped(this.#httpUrls)) - before;
      return counted === expected ? true : undefined;
    }).catch(() =>
      this.#problem(`${counted} requests were dropped, ${expected} have a reply subject that is no inbox`),
    );
  }

  #checkSizes(sizes: readonly Map<string, number>[]): void {
    if (sizes.length < 3) return;
    const [before, last] = sizes.slice(-2);
    for (const [name, bytes] of last ?? []) {
      const earlier = before?.get(name) ?? bytes;
      if (bytes <= earlier * MAX_GROWTH) continue;
      const [from, to] = [earlier, bytes].map((size) => Math.round(size / MIB));
      this.#problem(`the memory of ${name} grew from ${from} to ${to} MiB in the last round`);
    }
  }

  /** Waits until a lone query is as fast as before; other work of the machine may disturb single measurements. */
  async #checkPace(before: number): Promise<void> {
    let after = Number.POSITIVE_INFINITY;
    for (let i = 0; i < PACE_TRIES && after > before * MAX_SLOWER + SLOWER_MS; i += 1) {
      after = await this.#cluster.loneQueryMs(LONE_QUERIES);
    }
    const [was, is] = [before, after].map((ms) => ms.toFixed(1));
    this.#options.say(`lone vm.get p99: ${was} ms before, ${is} ms after`);
    if (after > before * MAX_SLOWER + SLOWER_MS)
      this.#problem(`a lone vm.get takes ${is} ms, before ${was} ms`);
  }

  #sayCounts(): void {
    const { say } = this.#options;
    const { sent, judged, byCode, byKind, bySubject, http, dropped, silent, largestAnswer } = this.#counts;
    const share = judged / sent;
    say(`${sent} requests on ${bySubject.size} subjects (${countLine(byKind)}), ${http} over HTTP`);
    say(`answers: ${countLine(byCode)}; dropped ${dropped}, without reply subject ${silent}`);
    say(`refused by validation: ${(share * 100).toFixed(2)} %; largest answer ${largestAnswer} bytes`);
    if (share < LEAST_JUDGED) this.#problem(`validation refused only ${(share * 100).toFixed(2)} %`);
  }

  async #checkLog(after: number): Promise<void> {
    const { report, events } = await this.#cluster.log();
    const outcomes = { after, accepted: this.#accepted, refused: this.#refused };
    const account = accountFor(events, outcomes);
    this.#options.say(
      `log: ${events.length - after} events since the start, ${account.byRequest} of accepted requests, ` +
        `of services: ${countLine(account.byService) || "none"}; ${report.violations.length} violations`,
    );
    for (const problem of account.problems) this.#problem(problem);
    for (const violation of report.violations) this.#problem(`verify: ${JSON.stringify(violation)}`);
  }
}
