/**
 * The streams of the API: events of the log, telemetry, and the output of guests.
 */
import {
  API_PREFIX,
  chassisTelemetrySubject,
  EVENT_TYPE_NAMES,
  type EventFilter,
  type Identity,
  isEventTypeName,
  principalOf,
  readsEverything,
  suggestion,
  vmSubjectsFor,
} from "@bioxen/contracts";
import { type EventLog, isId } from "@bioxen/kernel";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Caller } from "../app/callers.ts";
import { EventFlow } from "../app/event-flow.ts";
import { HttpError } from "../app/http-error.ts";
import { type InFlight, RETRY_AFTER_MS } from "../app/in-flight.ts";
import type { CallerOf } from "./request-callers.ts";
import { SseStream } from "./sse.ts";

/** What the streams read. */
export interface StreamSources {
  /** The events that a caller may follow. */
  log(as: Identity): Promise<Pick<EventLog, "follow" | "lastSeq">>;
  subscribe(subject: string, onMessage: (payload: unknown, subject: string) => void): { stop(): void };
}

export interface StreamRoutesOptions {
  readonly sources: StreamSources;
  readonly streams: InFlight;
  readonly callerOf: CallerOf;
}

type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Ids in one request: each telemetry stream of an id is a subscription. */
const MAX_IDS = 64;

export function addStreamRoutes(server: FastifyInstance, options: StreamRoutesOptions): void {
  const { sources, callerOf } = options;
  server.get(`${API_PREFIX}/events`, async (request, reply) => {
    const caller = callerOf(request);
    const query = known(request, ["from", "vm", "type", "principal"]);
    const filter: EventFilter = {
      vm: ids(query, "vm"),
      type: types(query),
      principal: one(query, "principal"),
      checkpoints: true,
    };
    const asked = fromOf(request, one(query, "from"));
    const log = await sources.log(caller.identity);
    const fromSeq = asked ?? (await log.lastSeq()) + 1;
    const stream = open(options, reply, caller);
    const flow = new EventFlow({ log, sink: stream, fromSeq, filter });
    stream.onClose(() => flow.stop());
    await flow.begin().catch(() => flow.stop());
  });
  server.get(`${API_PREFIX}/telemetry`, async (request, reply) => {
    const caller = callerOf(request);
    const query = known(request, ["vm", "chassis"]);
    const [vms, chassis] = [ids(query, "vm"), ids(query, "chassis")];
    const isAll = vms === undefined && chassis === undefined;
    const seesChassis = isAll ? readsEverything(caller.identity.role) : chassis !== undefined;
    if (seesChassis && !readsEverything(caller.identity.role)) {
      throw new HttpError("FORBIDDEN", "a tenant has no telemetry of chassis: ask for that of its VMs");
    }
    const vmSubjects = (vms ?? (isAll ? ["*"] : [])).map((id) => subjectsFor(caller, id).telemetry);
    const chassisSubjects = (chassis ?? (seesChassis ? ["*"] : [])).map(chassisTelemetrySubject);
    hear(options, { reply, caller, kinds: { vm: vmSubjects, chassis: chassisSubjects } });
  });
  server.get(`${API_PREFIX}/logs`, async (request, reply) => {
    const caller = callerOf(request);
    const vms = ids(known(request, ["vm"]), "vm") ?? ["*"];
    hear(options, { reply, caller, kinds: { line: vms.map((id) => subjectsFor(caller, id).log) } });
  });
}

function subjectsFor({ identity }: Caller, vmId: string) {
  return vmSubjectsFor(identity.role === "tenant" ? identity.name : undefined, vmId);
}

interface Hearing {
  readonly reply: FastifyReply;
  readonly caller: Caller;
  /** The subjects of each kind of event of the stream. */
  readonly kinds: Readonly<Record<string, readonly string[]>>;
}

/**
 * Passes on what is published. What a slow client does not read is lost, as for a slow subscriber on NATS, and a client
 * that does not read at all is disconnected.
 */
function hear(options: StreamRoutesOptions, { reply, caller, kinds }: Hearing): void {
  const stream = open(options, reply, caller);
  const subscriptions = Object.entries(kinds).flatMap(([event, subjects]) =>
    subjects.map((subject) =>
      options.sources.subscribe(subject, (data) => {
        if (stream.isFull) void stream.drained().catch(() => undefined);
        else stream.write({ event, data });
      }),
    ),
  );
  stream.onClose(() => {
    for (const subscription of subscriptions) subscription.stop();
  });
}

function open({ streams }: StreamRoutesOptions, reply: FastifyReply, caller: Caller): SseStream {
  const end = streams.begin(principalOf(caller.identity));
  if (end === undefined) {
    throw new HttpError("RATE_LIMITED", "too many streams are open: close one", {
      details: { retryAfterMs: RETRY_AFTER_MS },
    });
  }
  const stream = new SseStream(reply, caller.isAllowed);
  stream.onClose(end);
  return stream;
}

/** Returns the parameters. Throws `HttpError` for one that the stream does not have. */
function known({ query }: FastifyRequest, names: readonly string[]): Query {
  const unknown = Object.keys(query as Query).find((name) => !names.includes(name));
  if (unknown === undefined) return query as Query;
  throw bad(`${unknown} is no parameter of this stream${suggestion(unknown, names)}`);
}

function one(query: Query, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || typeof value === "string") return value === "" ? undefined : value;
  throw bad(`${name} is there several times: send it once`);
}

/** Returns the values of a parameter, which may be there several times or have commas; undefined without one. */
function values(query: Query, name: string): readonly string[] | undefined {
  const all = [query[name] ?? []]
    .flat()
    .flatMap((text) => text.split(","))
    .filter((text) => text !== "");
  if (all.length > MAX_IDS) throw bad(`${name} has ${all.length} values, the limit is ${MAX_IDS}`);
  return all.length === 0 ? undefined : all;
}

function ids(query: Query, name: string): readonly string[] | undefined {
  const all = values(query, name);
  const wrong = all?.find((id) => !isId(id));
  if (wrong !== undefined) throw bad(`${name}: ${JSON.stringify(wrong)} is no id`);
  return all;
}

function types(query: Query): readonly string[] | undefined {
  const all = values(query, "type");
  const wrong = all?.find((name) => !isEventTypeName(name));
  if (wrong === undefined) return all;
  throw bad(`type: ${JSON.stringify(wrong)} names no type of event${suggestion(wrong, EVENT_TYPE_NAMES)}`);
}

/** Returns the first sequence to send; undefined: from the next event on. A client that resumes names the last one. */
function fromOf({ headers }: FastifyRequest, from: string | undefined): number | undefined {
  const last = headers["last-event-id"];
  const text = typeof last === "string" && last !== "" ? last : from;
  if (text === undefined) return undefined;
  const seq = Number(text);
  if (!/^\d{1,15}$/.test(text))
    throw bad(`${text === last ? "Last-Event-ID" : "from"} must be a sequence of the log`);
  return Math.max(1, text === last ? seq + 1 : seq);
}

function bad(message: string): HttpError {
  return new HttpError("BAD_REQUEST", message, { details: { problems: [{ path: "", message }] } });
}
