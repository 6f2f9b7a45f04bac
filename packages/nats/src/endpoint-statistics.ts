/**
 * The statistics of the endpoints of one service instance, for the STATS answer of the NATS services protocol.
 *
 * The services library would count only what its own handler throws, and would measure only the time until that handler
 * returns. The receiver answers the requests of BioXen asynchronously, so this class counts every answer itself: a
 * refusal of a lane, a rejection and a fault are errors, and the processing time ends when the reply is sent.
 */
import type { NamedEndpointStats } from "@nats-io/services";
import { errorText } from "./error-headers.ts";

const NANOSECONDS_PER_MS = 1_000_000;

/** The fields of a STATS answer that this class fills; times are integers in nanoseconds. */
export type EndpointCounts = Pick<
  NamedEndpointStats,
  "num_requests" | "num_errors" | "last_error" | "processing_time" | "average_processing_time"
>;

/** The error of a reply, as far as the statistics name it. */
interface AnsweredError {
  readonly code: string;
  readonly message: string;
}

interface Tally {
  requests: number;
  errors: number;
  lastError: string | undefined;
  processingMs: number;
}

export class EndpointStatistics {
  readonly #tallies = new Map<string, Tally>();

  /** Counts one answer of the endpoint. `processingMs` is 0 for a request that its lane refused. */
  answered(subject: string, processingMs: number, error?: AnsweredError): void {
    let tally = this.#tallies.get(subject);
    if (tally === undefined) {
      tally = { requests: 0, errors: 0, lastError: undefined, processingMs: 0 };
      this.#tallies.set(subject, tally);
    }
    tally.requests += 1;
    tally.processingMs += processingMs;
    if (error === undefined) return;
    tally.errors += 1;
    tally.lastError = errorText(error);
  }

  /** Returns the counts of one endpoint since the start of this instance; all are 0 before its first answer. */
  of(subject: string): EndpointCounts {
    const { requests, errors, lastError, processingMs } = this.#tallies.get(subject) ?? {
      requests: 0,
      errors: 0,
      lastError: undefined,
      processingMs: 0,
    };
    const processingNs = Math.round(processingMs * NANOSECONDS_PER_MS);
    return {
      num_requests: requests,
      num_errors: errors,
      ...(lastError === undefined ? {} : { last_error: lastError }),
      processing_time: processingNs,
      average_processing_time: requests === 0 ? 0 : Math.round(processingNs / requests),
    };
  }
}
