/**
 * Durable commands: for who publishes and goes on. What is submitted is on disk, and is carried out once, when its owner is there,
 * in the order of its VM; what became of it is kept for 24 h under its id.
 */
import { ENDPOINTS, type EndpointName, type RequestOf } from "@bioxen/contracts";
import { type Bus, Jobs, type Submitted } from "@bioxen/nats/client";
import type { ReplyOf } from "./calls.ts";
import { asBioxenError, type BioxenError } from "./errors.ts";

/** The reply of the job's command. */
export type JobOutcome<N extends EndpointName> = ReplyOf<N>;

export interface SubmitOptions {
  /** The job's id, and the `Nats-Msg-Id` of its command; default: a new UUID. */
  readonly messageId?: string;
}

export class ClientJobs {
  readonly #jobs: Jobs;

  constructor(bus: Bus) {
    this.#jobs = new Jobs(bus);
  }

  /**
   * Stores a command. Resolves with its id once it is on disk; the same id is carried out once, however often it is submitted.
   * Throws {@link BioxenError}: BAD_REQUEST for an id that cannot end a subject or
   * an endpoint that is no command of the contract, TOO_LARGE, UNAVAILABLE. What is wrong with the
   * command itself is its outcome.
   */
  async submit<N extends EndpointName>(
    name: N,
    request: RequestOf<N>,
    options: SubmitOptions = {},
  ): Promise<Submitted> {
    const messageId = options.messageId ?? crypto.randomUUID();
    return this.#asked(() => this.#jobs.submit(ENDPOINTS[name].subject, request, messageId));
  }

  /**
   * What became of a job: the reply of its command, a refusal included. Waits up to `timeoutMs` (default 0: what is known now).
   * Undefined when it has no outcome yet. Throws {@link BioxenError} UNAVAILABLE.
   */
  async outcome<N extends EndpointName>(
    id: string,
    options: { readonly timeoutMs?: number } = {},
  ): Promise<JobOutcome<N> | undefined> {
    const outcome = await this.#asked(() => this.#jobs.waitForOutcome(id, options.timeoutMs ?? 0));
    return outcome as JobOutcome<N> | undefined;
  }

  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    return ask().catch((thrown: unknown) => {
      throw asBioxenError(thrown);
    });
  }
}
