/**
 * Durable commands from outside: publish one, learn what became of it, look after those that could not be carried out.
 */
import {
  commandSubject,
  isJobCommand,
  isSubjectTail,
  jobIdProblem,
  jobOutcomeSubject,
  jobSubject,
} from "@bioxen/contracts";
import { Fault, type Reply } from "@bioxen/kernel";
import type { Bus } from "./bus.ts";
import { type DeadLetter, type Job, nextRoundHeaders } from "./job-message.ts";
import { JobStore } from "./job-store.ts";

/** Between two looks for an outcome that was not announced, ms: an announcement can be lost, or come before it is stored. */
const LOOK_INTERVAL_MS = 100;
/** Tries to have a job acknowledged; each under the same id, so it is stored once. */
const MAX_PUBLISH_TRIES = 4;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface Submitted {
  readonly id: string;
  /** True when a job with this id was stored within the last two minutes, and this one was not. */
  readonly duplicate: boolean;
}

export class Jobs {
  readonly #bus: Bus;
  #store: Promise<JobStore> | undefined;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /**
   * Stores a command to be carried out once its owner is there. Resolved: it is on disk. `command` is a subject of the catalogue.
   * Throws `Fault`: BAD_REQUEST for an id that cannot name a job or a command there is not, TOO_LARGE, UNAVAILABLE.
   */
  async submit(command: string, payload: unknown, messageId: string): Promise<Submitted> {
    const idProblem = jobIdProblem(messageId);
    if (idProblem !== undefined) throw badRequest(`the job ${idProblem}`);
    if (!isJobCommand(command)) throw badRequest(`there is no command ${command}`);
    const store = await this.#reach();
    const data = encoder.encode(JSON.stringify(payload));
    const { duplicate } = await insist(() => store.publish(jobSubject(command), data, { messageId }));
    return { id: messageId, duplicate };
  }

  /** What became of a job, as the reply of its command; undefined: nothing yet, or more than 24 h ago. */
  async outcome(id: string): Promise<Reply | undefined> {
    if (!isSubjectTail(id)) return undefined;
    const stored = await (await this.#reach()).outcome(id);
    return stored === undefined ? undefined : (JSON.parse(decoder.decode(stored.data)) as Reply);
  }

  /** As `outcome`, waited for; undefined: none within `timeoutMs`. */
  async waitForOutcome(id: string, timeoutMs: number): Promise<Reply | undefined> {
    if (!isSubjectTail(id)) return undefined;
    const deadline = Date.now() + timeoutMs;
    let wake: () => void = () => undefined;
    const announced = this.#bus.subscribe(jobOutcomeSubject(id), () => wake());
    try {
      for (;;) {
        const outcome = await this.outcome(id);
        const leftMs = deadline - Date.now();
        if (outcome !== undefined || leftMs <= 0) return outcome;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, Math.min(LOOK_INTERVAL_MS, leftMs));
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    } finally {
      announced.stop();
    }
  }

  async waiting(limit: number): Promise<Job[]> {
    return (await this.#reach()).waiting(limit);
  }

  async deadLetters(limit: number): Promise<DeadLetter[]> {
    return (await this.#reach()).deadLetters(limit);
  }

  async deadLetter(id: string): Promise<DeadLetter | undefined> {
    return isSubjectTail(id) ? (await this.#reach()).deadLetter(id) : undefined;
  }

  /**
   * Publishes a dead letter again, as the next round under the same id: its failed outcome does not count for it and is taken
   * away. The letter goes last, so that a crash leaves it to be retried again. Undefined: there is none.
   */
  async retry(id: string): Promise<DeadLetter | undefined> {
    const letter = await this.deadLetter(id);
    if (letter === undefined) return undefined;
    const store = await this.#reach();
    const failed = await store.outcome(id);
    const round = letter.round + 1;
    // The first id is taken for two minutes; two who retry at once mean one round.
    const options = { headers: nextRoundHeaders(letter), messageId: `${id} round ${round}` };
    await insist(() => store.publish(letter.subject, letter.data, options));
    if (failed !== undefined && failed.round < round) await store.removeOutcome(failed.seq);
    await store.removeDeadLetter(letter.seq);
    return letter;
  }

  /** Takes a dead letter away for good; its outcome stays its 24 h. Undefined: there is none. */
  async drop(id: string): Promise<DeadLetter | undefined> {
    const letter = await this.deadLetter(id);
    if (letter !== undefined) await (await this.#reach()).removeDeadLetter(letter.seq);
    return letter;
  }

  #reach(): Promise<JobStore> {
    this.#store ??= JobStore.open(this.#bus).catch((thrown: unknown) => {
      this.#store = undefined;
      throw thrown;
    });
    return this.#store;
  }
}

/** The command a job or dead letter stands for. */
export function commandOf({ subject }: { readonly subject: string }): string {
  return commandSubject(subject);
}

function badRequest(message: string): Fault {
  return new Fault("BAD_REQUEST", message, { retryable: false });
}

async function insist<T>(publish: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await publish();
    } catch (thrown) {
      if (!(thrown instanceof Fault) || !thrown.retryable || attempt === MAX_PUBLISH_TRIES) throw thrown;
    }
  }
}
