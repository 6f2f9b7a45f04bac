/**
 * One command's view of a BioXen: which server, one connection, calls by name of the endpoint.
 */
import { setTimeout as sleep } from "node:timers/promises";
import {
  ENDPOINTS,
  type EndpointName,
  MAX_EXEC_TIMEOUT_MS,
  type RequestOf,
  type ResultOf,
  type VmView,
} from "@bioxen/contracts";
import { type EventLog, Fault, type Reply, type StoredEvent } from "@bioxen/kernel";
import { type Bus, connectBus, findServer, openExistingEventLog } from "@bioxen/nats";
import { CommandEnd, EXIT_UNREACHABLE, refused } from "./outcome.ts";
import { DEFAULT_TIMEOUT_MS } from "./settings.ts";

export interface GlobalOptions {
  readonly json?: boolean;
  readonly server?: string;
  /** ms */
  readonly timeout?: number;
}

/** Longest the first connection is tried, ms: a command should not hang where nothing runs. */
const CONNECT_TIMEOUT_MS = 3_000;
/** Between two tries of one command, ms: a service that was started again answers after some of them. */
const RETRY_INTERVAL_MS = 250;

export class Session {
  readonly bus: Bus;
  readonly url: string;
  readonly timeoutMs: number;

  private constructor(bus: Bus, url: string, timeoutMs: number) {
    this.bus = bus;
    this.url = url;
    this.timeoutMs = timeoutMs;
  }

  /** The server that is set, else the local stack's. */
  static async open(options: GlobalOptions): Promise<Session> {
    const url = options.server ?? (await findServer());
    if (url === undefined) {
      throw new CommandEnd(
        EXIT_UNREACHABLE,
        "no BioXen is reachable: start one with `bioxen up`, or name its server with --server or `bioxen config set server`",
        { code: "UNAVAILABLE", message: "no local stack runs and no server is named", retryable: true },
      );
    }
    const timeoutMs = options.timeout ?? DEFAULT_TIMEOUT_MS;
    const bus = await connectBus({
      servers: url,
      name: "bioxen-cli",
      connectTimeoutMs: Math.min(CONNECT_TIMEOUT_MS, timeoutMs),
    });
    return new Session(bus, url, timeoutMs);
  }

  /** The reply, whatever it says; the same `messageId` has one outcome. Throws `Fault` when there is none. */
  call<N extends EndpointName>(name: N, request: RequestOf<N>, messageId?: string): Promise<Reply> {
    const margin = name === "vmExec" ? MAX_EXEC_TIMEOUT_MS : 0;
    const id = messageId === undefined ? {} : { messageId };
    return this.bus.call(ENDPOINTS[name].subject, request, { timeoutMs: this.timeoutMs + margin, ...id });
  }

  /** {@link call}, again under the same message id while it may help and the deadline of a request has not passed. */
  async insist<N extends EndpointName>(name: N, request: RequestOf<N>, messageId: string): Promise<Reply> {
    const deadline = Date.now() + this.timeoutMs;
    for (;;) {
      const reply = await this.call(name, request, messageId).catch((thrown: unknown) => {
        if (thrown instanceof Fault && thrown.retryable && Date.now() < deadline) return undefined;
        throw thrown;
      });
      if (reply?.ok || (reply !== undefined && (!reply.error.retryable || Date.now() >= deadline)))
        return reply;
      await sleep(RETRY_INTERVAL_MS);
    }
  }

  /** What was asked for; a refusal ends the command with exit code 1. */
  async ask<N extends EndpointName>(name: N, request: RequestOf<N>): Promise<ResultOf<N>> {
    const reply = await this.call(name, request);
    if (!reply.ok) throw refused(reply.error);
    return reply as unknown as ResultOf<N>;
  }

  /** Every VM that fits, all pages of it. */
  async allVms(filter: Omit<RequestOf<"vmList">, "cursor"> = {}): Promise<VmView[]> {
    const vms: VmView[] = [];
    let cursor: string | null = null;
    do {
      const page: ResultOf<"vmList"> = await this.ask("vmList", {
        ...filter,
        ...(cursor === null ? {} : { cursor }),
      });
      vms.push(...page.vms);
      cursor = page.cursor;
    } while (cursor !== null);
    return vms;
  }

  eventLog(): Promise<EventLog> {
    return openExistingEventLog(this.bus);
  }

  close(): Promise<void> {
    return this.bus.close();
  }
}

export interface WalkOptions {
  readonly fromSeq?: number;
  readonly toSeq?: number;
  /** Longest silence of the log, ms; default {@link DEFAULT_TIMEOUT_MS}. Then the walk ends with `Fault` TIMEOUT. */
  readonly stallMs?: number;
}

/** Every event from `fromSeq` up to what is the end now, in order. Returns what stopped it before that; undefined: nothing did. */
export async function walkLog(
  log: EventLog,
  onEvent: (event: StoredEvent) => void,
  options: WalkOptions = {},
): Promise<unknown> {
  const end = Math.min(await log.lastSeq(), options.toSeq ?? Number.POSITIVE_INFINITY);
  const { fromSeq = 1, stallMs = DEFAULT_TIMEOUT_MS } = options;
  if (end < fromSeq) return undefined;
  let stop: () => void = () => undefined;
  let watchdog: NodeJS.Timeout | undefined;
  let seen = 0;
  let seenBefore = 0;
  const cause = await new Promise<unknown>((resolve) => {
    watchdog = setInterval(() => {
      const isSilent = seen === seenBefore;
      seenBefore = seen;
      const message = `the log gave no event for ${stallMs} ms`;
      if (isSilent) resolve(new Fault("TIMEOUT", message, { retryable: true }));
    }, stallMs);
    log
      .follow({
        fromSeq,
        onEvent: (event) => {
          seen = event.seq;
          if (event.seq <= end) onEvent(event);
          if (event.seq >= end) resolve(undefined);
        },
        onCaughtUp: () => undefined,
        onStop: (why) => resolve(why),
      })
      .then((following) => {
        stop = () => void following.stop();
      }, resolve);
  });
  clearInterval(watchdog);
  stop();
  return cause;
}
