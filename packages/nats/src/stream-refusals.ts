/**
 * The server's refusals to create or change a stream, in words: which stream, which account, what is missing, and the
 * setting that helps.
 */
import { Fault, messageOf } from "@bioxen/kernel";
import { JetStreamApiError } from "@nats-io/jetstream";
import type { Bus } from "./bus.ts";
import { foreignStreamInWords, foreignStreams } from "./foreign-streams.ts";
import { isRefusal } from "./server-codes.ts";
import { STREAM_NAMES } from "./storage.ts";

/** Longest wait for the server to name the account of this login, ms. Without its answer, errors name no account. */
const ACCOUNT_TIMEOUT_MS = 500;
/**
 * Maximum number of JetStream consumers of one installation: a follower of the log per service and per watching client,
 * and a worker per kind of job. See docs/how-to/server.md.
 */
export const NEEDED_CONSUMERS = 32;

interface Refusal {
  readonly problem: string;
  readonly remedy: string;
}

/** Problem and remedy for each error code of JetStream (`server/errors.json` of nats-server). */
const REFUSALS: Readonly<Record<number, Refusal>> = {
  10002: {
    problem: "the account has used up its storage",
    remedy: "raise the account's limit, or lower BIOXEN_STREAM_MAX_BYTES",
  },
  10023: {
    problem: "the servers have not enough storage left",
    remedy: "raise max_file_store of the servers, or lower BIOXEN_STREAM_MAX_BYTES",
  },
  10026: {
    problem: "the account has as many consumers as it may have",
    remedy: `raise its max_consumers: BioXen needs up to ${NEEDED_CONSUMERS}`,
  },
  10027: {
    problem: "the account has as many streams as it may have",
    remedy: `raise its max_streams: BioXen needs ${STREAM_NAMES.length}`,
  },
  10039: { problem: "JetStream is not enabled for the account", remedy: "enable it for the account" },
  10047: {
    problem: "the server has not enough storage left",
    remedy: "raise max_file_store of the server or the account's limit, or lower BIOXEN_STREAM_MAX_BYTES",
  },
  10074: {
    problem: "the server belongs to no cluster, so that more than one copy is impossible",
    remedy: "set BIOXEN_EVENT_REPLICAS=1, or run a cluster (docs/how-to/cluster.md)",
  },
  10113: {
    problem: "the account requires a largest size of every stream",
    remedy: "set BIOXEN_STREAM_MAX_BYTES (docs/how-to/server.md)",
  },
  10122: {
    problem: "the size is above what the account allows for a stream",
    remedy: "lower BIOXEN_STREAM_MAX_BYTES, or raise the account's limit",
  },
};
const SUBJECTS_OVERLAP = 10_065;
const NO_SUITABLE_PEERS = 10_005;

/** JetStream's error code for a stream that wants more copies than a single server can have. */
export const SINGLE_SERVER = 10_074;

/**
 * Returns the error to throw for a failed request about a stream: a `Fault` for a refusal that a repetition cannot
 * change, and otherwise an error after which the caller may try again.
 */
export async function streamRefusal(bus: Bus, stream: string, cause: unknown): Promise<unknown> {
  if (!isRefusal(cause) || !(cause instanceof JetStreamApiError)) return cause;
  if (cause.code === NO_SUITABLE_PEERS) {
    return new Error(
      `stream ${stream}: too few servers of the cluster are up for its copies (${cause.message})`,
    );
  }
  return refusalFault(bus, stream, await inWords(bus, cause), cause);
}

/** Returns the fault for a stream whose settings demand more copies than a single server can have. */
export async function singleServerFault(bus: Bus, stream: string): Promise<Fault> {
  return refusalFault(bus, stream, REFUSALS[SINGLE_SERVER] ?? { problem: "", remedy: "" }, undefined);
}

async function refusalFault(bus: Bus, stream: string, refusal: Refusal, cause: unknown): Promise<Fault> {
  const account = await accountOf(bus);
  const where = account === undefined ? "" : ` (account ${account})`;
  return new Fault("UNAVAILABLE", `stream ${stream}${where}: ${refusal.problem}; ${refusal.remedy}`, {
    retryable: false,
    cause,
    details: { stream, ...(account === undefined ? {} : { account }) },
  });
}

async function inWords(bus: Bus, cause: JetStreamApiError): Promise<Refusal> {
  const known = REFUSALS[cause.code];
  if (known !== undefined) return known;
  if (cause.code !== SUBJECTS_OVERLAP) {
    return { problem: `the server refuses it: ${cause.message}`, remedy: "change the stream manually" };
  }
  const foreign = await foreignStreams(bus).catch((thrown: unknown) => messageOf(thrown));
  const names =
    typeof foreign === "string"
      ? foreign
      : foreign
          .filter((one) => one.interferes)
          .map(foreignStreamInWords)
          .join("; ");
  return {
    problem: `its subjects are taken: ${names}`,
    remedy: "remove the subjects from that stream, or give BioXen an account of its own",
  };
}

/** Returns the NATS account of this connection; undefined when the server does not say. */
async function accountOf(bus: Bus): Promise<string | undefined> {
  try {
    const reply = await bus.connection.request("$SYS.REQ.USER.INFO", "", { timeout: ACCOUNT_TIMEOUT_MS });
    const { data } = reply.json<{ data?: { account?: string } }>();
    return data?.account || undefined;
  } catch {
    return undefined;
  }
}
