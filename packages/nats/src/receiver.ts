/**
 * Receives the messages of all subscriptions of a service. A request goes into its lane (request-lanes.ts). A discovery
 * message (PING, INFO or STATS of the services protocol) goes to the services library. A message whose reply subject is
 * no inbox is dropped.
 */
import {
  accessOf,
  type Identity,
  type IdentityMode,
  type ServedEndpoint,
  servedSubjects,
} from "@bioxen/contracts";
import type { Msg, MsgCallback, NatsConnection, Subscription, SubscriptionOptions } from "@nats-io/nats-core";
import type { Bus } from "./bus.ts";
import { CallerCeiling } from "./caller-ceiling.ts";
import type { LaneConnections } from "./lane-connections.ts";
import { type LaneName, laneOf, type RefusedError } from "./lane-rules.ts";
import { ReplySubjects } from "./reply-subjects.ts";
import { type LaneLoad, type Request, RequestLane } from "./request-lanes.ts";

/** Maximum number of PINGs, INFOs and STATS that are answered per second. An INFO has the schemas of all endpoints. */
const DISCOVERIES_PER_SECOND = 100;
/** Maximum number of messages whose reply subject is being checked with the server. Further messages are dropped. */
const MAX_ASKING = 1_024;

/** The lanes without programs, which may run for a minute. */
const SHORT_LANES: readonly LaneName[] = ["commands", "queries", "internal"];

export interface ReceiverOptions {
  readonly bus: Bus;
  readonly connections: LaneConnections;
  readonly endpoints: readonly ServedEndpoint[];
  readonly callerLimit?: number | undefined;
  readonly identities?: IdentityMode | undefined;
  readonly onForeignReply?: ((subject: string, reply: string) => void) | undefined;
  /** Answers a request that its lane has accepted. */
  readonly answer: (request: Request) => Promise<void>;
  /** Called for each request that its lane refuses. */
  readonly onRefused?: ((served: ServedEndpoint, error: RefusedError, caller: Identity) => void) | undefined;
}

/** The present load of an inbox, and its refused requests, dropped messages and lost connections since its start. */
export interface InboxLoad {
  readonly lanes: readonly LaneLoad[];
  /**
   * Number of messages that were dropped without an answer. `reply`: the reply subject was no inbox. `discovery`: the
   * message was a PING, INFO or STATS above the rate limit.
   */
  readonly dropped: Readonly<Record<"reply" | "discovery", number>>;
  /** How often each connection of the lanes was lost. A server cuts a connection that is read too slowly. */
  readonly connectionLosses: Readonly<Record<string, number>>;
}

/** The `data` of an endpoint in the STATS of the services protocol. */
export interface EndpointLoad extends LaneLoad {
  readonly connectionLosses: number;
}

/** Receives the messages of all subscriptions of the service, and answers them. */
export class Receiver {
  /** The connection to pass to the services library. Each subscription that the library makes uses this receiver. */
  readonly connection: NatsConnection;
  readonly #options: ReceiverOptions;
  readonly #connections: LaneConnections;
  readonly #replies: ReplySubjects;
  readonly #served: ReadonlyMap<string, ServedEndpoint>;
  readonly #lanes: ReadonlyMap<LaneName, RequestLane>;
  /**
   * One rate limit for the PINGs, INFOs and STATS of all callers together, because their answers are large. A message
   * above the limit is dropped, because the services protocol has no error reply.
   */
  readonly #discovery = new CallerCeiling(DISCOVERIES_PER_SECOND, () => performance.now());
  /** The subscriptions to mapped subjects, which the services library does not know. */
  readonly #ofPrincipals: Subscription[] = [];
  readonly #dropped = { reply: 0, discovery: 0 };

  constructor(options: ReceiverOptions) {
    const { bus, callerLimit, connections, identities, answer, onRefused } = options;
    const lanes = new Set(options.endpoints.map(({ endpoint }) => laneOf(endpoint)));
    this.#options = options;
    this.#connections = connections;
    this.#replies = ReplySubjects.of(bus);
    this.#served = new Map(options.endpoints.map((served) => [served.endpoint.subject, served]));
    const laneOptions = (lane: LaneName) => ({
      lane,
      connection: connections.connectionOf(lane),
      ...(lane === "commands" || lane === "programs" ? { callerLimit } : {}),
      identities,
      answer,
      onRefused,
    });
    this.#lanes = new Map([...lanes].map((lane) => [lane, new RequestLane(laneOptions(lane))]));
    const subscribe: NatsConnection["subscribe"] = (subject, subscription = {}) => {
      const served = this.#served.get(subject);
      const hear = subscription.callback ?? (() => undefined);
      return served === undefined
        ? this.#subscribeDiscovery(subject, subscription, hear)
        : this.#subscribeEndpoint(served, subscription, hear);
    };
    this.connection = Object.create(bus.connection, { subscribe: { value: subscribe } }) as NatsConnection;
  }

  get load(): InboxLoad {
    return {
      lanes: [...this.#lanes.values()].map((lane) => lane.load),
      dropped: { ...this.#dropped },
      connectionLosses: Object.fromEntries(this.#connections.losses),
    };
  }

  /** The load of the lane that serves `subject`, in the form of {@link EndpointLoad}. */
  statsOf(subject: string): EndpointLoad | undefined {
    const served = this.#served.get(subject);
    const lane = served === undefined ? undefined : this.#lanes.get(laneOf(served.endpoint));
    if (lane === undefined) return undefined;
    const losses = [...this.#connections.losses.values()];
    return { ...lane.load, connectionLosses: losses.reduce((a, b) => a + b, 0) };
  }

  /** Takes no further request of principals; the services library ends its own subscriptions. */
  async leave(): Promise<void> {
    await Promise.all(this.#ofPrincipals.splice(0).map((subscription) => subscription.drain()));
  }

  /** Resolves when every request but the programs is answered, also those that wait, and at the latest after `ms`. */
  async finish(ms: number): Promise<void> {
    await this.#each(SHORT_LANES, (lane) => lane.finish(ms));
  }

  /**
   * Carries out `work` while only programs are under way; other requests wait. Requests of clients are held first, because
   * their work may need an internal request of this service. What is still under way after `ms` goes on beside `work`.
   */
  async quietly(work: () => Promise<void>, ms: number): Promise<void> {
    try {
      await this.#each(["commands", "queries"], (lane) => lane.hold(ms));
      await this.#each(["internal"], (lane) => lane.hold(ms));
      await work();
    } finally {
      await this.#each(SHORT_LANES, (lane) => lane.release());
    }
  }

  async #each(names: readonly LaneName[], act: (lane: RequestLane) => unknown): Promise<void> {
    await Promise.all(names.map((name) => this.#lanes.get(name)).map((lane) => lane && act(lane)));
  }

  async stop(): Promise<void> {
    await this.leave();
    await Promise.all([...this.#lanes.values()].map((lane) => lane.stop()));
  }

  #subscribeEndpoint(served: ServedEndpoint, subscription: SubscriptionOptions, hear: MsgCallback<Msg>) {
    const name = laneOf(served.endpoint);
    const lane = this.#lanes.get(name);
    const take = (message: Msg) => lane?.receive(served, message);
    const callback: MsgCallback<Msg> = (error, message) => {
      hear(error, message);
      if (error !== null) return;
      this.#connections.received(name);
      this.#withInbox(message, take);
    };
    const connection = this.#connections.connectionOf(name);
    const { endpoint } = served;
    const byAgents = accessOf("agent", endpoint) !== "none";
    const { identities = "open" } = this.#options;
    const [subject, ...mapped] = servedSubjects(endpoint.subject, identities, byAgents);
    for (const pattern of mapped) {
      this.#ofPrincipals.push(connection.subscribe(pattern, { ...subscription, callback }));
    }
    return connection.subscribe(subject, { ...subscription, callback });
  }

  /** Subscribes to a subject of the services protocol. The library answers its PING, INFO and STATS. */
  #subscribeDiscovery(subject: string, subscription: SubscriptionOptions, hear: MsgCallback<Msg>) {
    const take = (message: Msg) => hear(null, message);
    const callback: MsgCallback<Msg> = (error, message) => {
      if (error !== null) hear(error, message);
      else if (this.#discovery.take("") > 0) this.#dropped.discovery += 1;
      else this.#withInbox(message, take);
    };
    return this.#options.bus.connection.subscribe(subject, { ...subscription, callback });
  }

  /** Calls `take` when a service may answer on the message's reply subject; otherwise drops and counts the message. */
  #withInbox(message: Msg, take: (message: Msg) => void): void {
    const reply = message.reply ?? "";
    const verdict = this.#replies.verdict(reply);
    if (verdict === "accepted") take(message);
    else if (verdict === "refused") this.#drop(message.subject, reply);
    else if (this.#replies.asking >= MAX_ASKING) this.#drop(message.subject, reply);
    else {
      void this.#replies.isAccepted(reply).then((isAccepted) => {
        if (isAccepted) take(message);
        else this.#drop(message.subject, reply);
      });
    }
  }

  #drop(subject: string, reply: string): void {
    this.#dropped.reply += 1;
    this.#options.onForeignReply?.(subject, reply);
  }
}
