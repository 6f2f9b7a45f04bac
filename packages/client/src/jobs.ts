/**
 * Durable commands: the server stores a submitted command on disk. The service that owns the command carries it out
 * once, after the earlier jobs of the same VM or chassis. A command waits while its service is not running. The outcome
 * is kept for 24 h under the job's id.
 */
import { ENDPOINTS, type EndpointName, type RequestOf } from "@bioxen/contracts";
import { type Bus, Jobs, type Submitted } from "@bioxen/nats/client";
import type { Connection, ReplyOf } from "./calls.ts";
import { asBioxenError, type BioxenError } from "./errors.ts";

/** The reply to the job's command; it may be a refusal. */
export type JobOutcome<N extends EndpointName> = ReplyOf<N>;

export interface SubmitOptions {
  /** Id of the job and `Nats-Msg-Id` of its command; default: a new UUID. */
  readonly messageId?: string;
}

export class ClientJobs {
  readonly #jobs: Jobs;
  readonly #connection: Pick<Connection, "call">;

  constructor(bus: Bus, connection: Pick<Connection, "call">) {
    this.#connection = connection;
    this.#jobs = new Jobs(bus);
  }

  /**
   * Stores a command on the server, and resolves with the id of its job once the command is on disk. A command that is
   * submitted again under the same id is carried out once.
   *
   * Throws {@link BioxenError}: BAD_REQUEST when the id cannot be part of a subject, or when the endpoint is not a
   * command; TOO_LARGE; UNAVAILABLE. A refusal of the command itself is not thrown: it is the outcome of the job.
   */
  async submit<N extends EndpointName>(
    name: N,
    request: RequestOf<N>,
    options: SubmitOptions = {},
  ): Promise<Submitted> {
    const messageId = options.messageId ?? crypto.randomUUID();
    return this.#mapFaults(() => this.#jobs.submit(ENDPOINTS[name].subject, request, messageId));
  }

  /**
   * Returns the outcome of a job; undefined when the job has no outcome yet. Waits for the outcome up to `timeoutMs`,
   * default 0. Throws {@link BioxenError} UNAVAILABLE.
   */
  async outcome<N extends EndpointName>(
    id: string,
    options: { readonly timeoutMs?: number } = {},
  ): Promise<JobOutcome<N> | undefined> {
    const outcome = await this.#mapFaults(() => this.#jobs.waitForOutcome(id, options.timeoutMs ?? 0));
    return outcome as JobOutcome<N> | undefined;
  }

  /**
   * Cancels a job that waits to be carried out: it has no effect then, and its outcome is the error CANCELLED. Resolves
   * with false when it was cancelled before.
   *
   * Throws {@link BioxenError}: INVALID_TRANSITION when the job has ended, JOB_NOT_FOUND, and CONFLICT when a try was
   * still under way at the end of the timeout. No further try follows it.
   */
  async cancel(id: string): Promise<boolean> {
    return (await this.#connection.call("jobCancel", { id })).changed;
  }

  async #mapFaults<T>(work: () => Promise<T>): Promise<T> {
    return work().catch((thrown: unknown) => {
      throw asBioxenError(thrown);
    });
  }
}
