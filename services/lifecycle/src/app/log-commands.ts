/**
 * The commands and the query about messages of the log that cannot be read.
 */
import {
  beyondLog,
  done,
  type Handled,
  LOG_SKIPS_ID,
  type LogState,
  MAX_LISTED_MESSAGES,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  type SkippedMessage,
  type UnreadableView,
} from "@bioxen/contracts";
import {
  type Aggregates,
  type Causation,
  type EventLog,
  isUnreadable,
  type UnreadableMessage,
} from "@bioxen/kernel";
import { logDecider } from "../domain/log-skips.ts";

export interface LogPorts {
  readonly skips: Aggregates<LogState>;
  readonly log: EventLog;
  /** Returns the unreadable messages that this instance knows, in order of sequence. */
  readonly unreadable: () => readonly UnreadableMessage[];
  /** Resolves once this instance has applied every event up to this sequence. */
  readonly applied: (seq: number) => Promise<void>;
  /** Resolves once this instance has folded the events of a subject again, without the messages skipped by now. */
  readonly reread: (streamSubject: string) => Promise<void>;
}

export class LogCommands {
  readonly #ports: LogPorts;

  constructor(ports: LogPorts) {
    this.#ports = ports;
  }

  async skip(
    { seq, ...request }: ParsedRequestOf<"logSkip">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"logSkip">>> {
    const { skips } = this.#ports;
    const known = (await skips.refresh(LOG_SKIPS_ID)).state.skipped[seq];
    if (known !== undefined) return done({ changed: false, skipped: known });
    const found = await this.#unreadableAt(seq);
    if (!found.ok) return found;
    const message = viewOf(found.result);
    const executed = await skips.execute(LOG_SKIPS_ID, causation, (state) =>
      logDecider.decide(state, { type: "skip", message, ...request }),
    );
    if (!executed.ok) return executed;
    await this.#ports.applied(executed.current.lastSeq);
    await this.#ports.reread(message.subject);
    const skipped = executed.current.state.skipped[seq];
    return skipped === undefined
      ? refuse("CONFLICT", `the skip of event ${seq} was taken back at the same time`, { retryable: true })
      : done({ changed: executed.changed, skipped });
  }

  async unskip(
    { seq, reason, by }: ParsedRequestOf<"logUnskip">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"logUnskip">>> {
    const { skips, log, applied, reread } = this.#ports;
    const known = (await skips.refresh(LOG_SKIPS_ID)).state.skipped[seq];
    const later = known === undefined ? [] : await log.readMessages(known.subject, seq);
    const command = { type: "unskip", seq, reason, by, laterSeq: later[0]?.seq } as const;
    const executed = await skips.execute(LOG_SKIPS_ID, causation, (state) =>
      logDecider.decide(state, command),
    );
    if (!executed.ok) return executed;
    await applied(executed.current.lastSeq);
    if (known !== undefined) await reread(known.subject);
    return done({ changed: executed.changed, seq });
  }

  async problems(): Promise<Handled<ResultOf<"logProblems">>> {
    const { state } = await this.#ports.skips.refresh(LOG_SKIPS_ID);
    const unreadable = this.#ports.unreadable();
    const skipped: SkippedMessage[] = Object.values(state.skipped).sort((a, b) => a.seq - b.seq);
    return done({
      unreadable: {
        count: unreadable.length,
        first: unreadable.slice(0, MAX_LISTED_MESSAGES).map((message) => viewOf(message)),
      },
      skipped: { count: skipped.length, first: skipped.slice(0, MAX_LISTED_MESSAGES) },
    });
  }

  /**
   * Returns the message with this sequence if the message cannot be read, or if the fold of its aggregate stops at this
   * message. Refuses any other message.
   */
  async #unreadableAt(seq: number): Promise<Handled<UnreadableMessage>> {
    const { log, unreadable, applied } = this.#ports;
    const beyond = await beyondLog(log, seq);
    if (beyond !== undefined) return beyond;
    await applied(seq);
    const known = unreadable().find((one) => one.seq === seq);
    if (known !== undefined) return done(known);
    const message = await log.messageAt(seq);
    if (message !== undefined && isUnreadable(message)) return done(message);
    const blocking = unreadable().find(
      (one) => one.streamSubject === message?.streamSubject && one.seq < seq,
    );
    const why =
      blocking === undefined
        ? "only a message that no service can read can be skipped"
        : `it waits for event ${blocking.seq}: skip that first`;
    const problems = [{ path: "seq", message: why }];
    return refuse("BAD_REQUEST", `event ${seq} can be read: ${why}`, { details: { problems } });
  }
}

function viewOf({ seq, streamSubject, digest, why, isNewer }: UnreadableMessage): UnreadableView {
  return { seq, subject: streamSubject, digest, problem: why, newer: isNewer };
}
