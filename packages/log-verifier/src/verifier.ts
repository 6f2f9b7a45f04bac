/**
 * An independent check of the whole log, event by event.
 *
 * The verifier knows the contract and the meaning of events, and shares no code with the folds and deciders that wrote
 * the log, so that it does not share their bugs. It continues after a violation, so that one violation does not hide
 * the next.
 */
import { createHash } from "node:crypto";
import { type AlertEvent, type ChassisEvent, domainEventOf } from "@bioxen/contracts";
import type { StoredEvent, UnreadableMessage } from "@bioxen/kernel";
import { AlertAccount } from "./alert-account.ts";
import { ChassisRecords } from "./chassis-records.ts";
import { DrainRecords } from "./drain-records.ts";
import { ExperimentRecords } from "./experiment-records.ts";
import { checkAmounts, LedgerRecords } from "./ledger-records.ts";
import { QuotaAccounts } from "./quota-accounts.ts";
import { MAX_VIOLATIONS, type ReportViolation, type VerifierReport, type Violation } from "./report.ts";
import { SequenceAccount, type SequenceOptions } from "./sequence-account.ts";
import { VmRecords } from "./vm-records.ts";

/** An older seal of this log, for comparison: the digest of all events up to the sequence `seq`. */
export interface ExpectedSeal {
  readonly seq: number;
  readonly digest: string;
}

export class LogVerifier {
  readonly #versions = new Map<string, number>();
  readonly #digests = new Map<string, string>();
  readonly #seal = createHash("sha256");
  readonly #quotas = new QuotaAccounts();
  readonly #ledgers = new LedgerRecords(this.#quotas);
  readonly #chassis = new ChassisRecords();
  readonly #vms = new VmRecords(this.#ledgers, this.#quotas, this.#chassis);
  readonly #alerts = new Map<string, AlertAccount>();
  readonly #drains = new DrainRecords();
  readonly #experiments = new ExperimentRecords();
  readonly #violations: Violation[] = [];
  readonly #sequences: SequenceAccount;
  /** The aggregates of which at least one event carries the digest of the previous event. */
  readonly #chained = new Set<string>();
  /** Number of events from before the digest chain. */
  #notChained = 0;
  /** The older seal, until the check reaches its sequence and compares the digests. */
  #expectedSeal: ExpectedSeal | undefined;
  /** The digest that each skip has recorded, by the sequence of the skipped message. */
  readonly #skips: ReadonlyMap<number, string>;
  #skipped = 0;
  #leftOut = 0;
  #events = 0;

  /** `skips` are all skips that the log records; see {@link skipsOf}. */
  constructor(skips: ReadonlyMap<number, string> = new Map(), options: SequenceOptions = {}) {
    this.#skips = skips;
    this.#sequences = new SequenceAccount(options);
  }

  /** Compares the digest of the events up to `seal.seq` with an older seal. Call it before the first event. */
  expectSeal(seal: ExpectedSeal): void {
    this.#expectedSeal = seal;
  }

  /** Ends the check. `lastSeq` is the last sequence that the log has ever given to an event. */
  end(lastSeq: number): void {
    for (const gap of this.#sequences.end(lastSeq)) this.#add(gap);
    const seal = this.#expectedSeal;
    if (seal === undefined) return;
    this.#expectedSeal = undefined;
    const { lastSeq: seq } = this.#sequences;
    this.#add({ seq, subject: "", rule: "seal", message: `the log ends before the seal at ${seal.seq}` });
  }

  /** Records that the log differs from the record of its earlier state; `seq` is the first affected sequence. */
  lost(seq: number, message: string): void {
    if (this.#violations.some((violation) => violation.rule === "sequence" && violation.seq === seq)) return;
    this.#add({ seq, subject: "", rule: "lost", message });
  }

  /** Checks the next event of the log. */
  observe(event: StoredEvent): void {
    const { seq, envelope } = event;
    if (this.#isSkipped(event)) return;
    const report: ReportViolation = (rule, message) =>
      this.#add({ seq, subject: envelope.subject, rule, message });
    this.#events += 1;
    this.#checkChain(event, report);
    const body = domainEventOf(envelope);
    switch (body.kind) {
      case "vm":
        this.#vms.observe(body.id, body, report);
        break;
      case "ledger":
        this.#ledgers.observe(body.id, { seq, atMs: Date.parse(envelope.time) }, body, report);
        break;
      case "quota":
        for (const { rule, message } of this.#quotas.observe(body.id, body)) report(rule, message);
        break;
      case "alert":
        this.#observeAlert(body.id, envelope.id, body, report);
        break;
      case "drain": {
        const livesHere = (vmId: string) => this.#vms.chassisOf(vmId) === body.id;
        for (const problem of this.#drains.observe(body.id, body, livesHere)) report("drain", problem);
        break;
      }
      case "experiment":
        for (const problem of this.#experiments.observe(body.id, body)) report("experiment", problem);
        break;
      case "chassis":
        this.#observeChassis(body.id, body, report);
        break;
      case "log":
        if (body.data.seq >= seq) report("skip", `concerns event ${body.data.seq}, which comes later`);
        break;
    }
  }

  /**
   * Returns a digest of all events so far, in order. A later seal of the same events differs when any of them was
   * changed.
   */
  seal(): string {
    return this.#seal.copy().digest("hex");
  }

  /** Records that the next message of the log cannot be decoded. */
  unreadable(message: UnreadableMessage): void {
    const { seq, streamSubject, digest, why } = message;
    if (this.#isSkipped(message)) return;
    this.#take(seq, streamSubject, digest);
    const text = `event ${seq} on ${streamSubject} cannot be read: ${why}`;
    this.#add({ seq, subject: streamSubject, rule: "unreadable", message: text });
  }

  /** Returns true for a skipped message, and counts it. Reports a violation if its digest differs from the skip's. */
  #isSkipped({ seq, streamSubject, digest }: Pick<StoredEvent, "seq" | "streamSubject" | "digest">): boolean {
    const recorded = this.#skips.get(seq);
    if (recorded === undefined) return false;
    this.#skipped += 1;
    this.#take(seq, streamSubject, digest);
    if (recorded !== digest) {
      const message = "was skipped with another digest: the message was changed since";
      this.#add({ seq, subject: streamSubject, rule: "skip", message });
    }
    return true;
  }

  report(): VerifierReport {
    const atEnd = this.#vms
      .atEnd()
      .map(
        ({ vmId, ...rest }): Violation => ({ seq: this.#sequences.lastSeq, subject: `vm/${vmId}`, ...rest }),
      );
    const violations = [...this.#violations, ...atEnd].slice(0, MAX_VIOLATIONS);
    return {
      events: this.#events,
      aggregates: this.#versions.size,
      lastSeq: this.#sequences.lastSeq,
      skipped: this.#skipped,
      missingAccepted: this.#sequences.accepted,
      notChained: this.#notChained,
      violations,
      violationsLeftOut: this.#leftOut + this.#violations.length + atEnd.length - violations.length,
    };
  }

  /**
   * Checks that sequences grow and that versions have no gap. Each event must carry the digest of the aggregate's
   * previous event, and must be stored under the subject of its aggregate.
   */
  #checkChain({ seq, streamSubject, digest, envelope }: StoredEvent, report: ReportViolation): void {
    const { subject, aggregateversion, previoushash } = envelope;
    this.#take(seq, subject, digest);
    const expected = (this.#versions.get(subject) ?? 0) + 1;
    if (aggregateversion !== expected)
      report("version", `has version ${aggregateversion}, expected ${expected}`);
    this.#versions.set(subject, aggregateversion);
    if (previoushash !== undefined) this.#chained.add(subject);
    const before = this.#digests.get(subject);
    if (previoushash === undefined && before !== undefined && !this.#chained.has(subject)) {
      this.#notChained += 1;
    } else if (previoushash !== before) {
      report("chain", "does not carry the digest of the event before it: one of them was changed");
    }
    this.#digests.set(subject, digest);
    if (streamSubject !== `bioxen.evt.${subject.replace("/", ".")}`) {
      report("subject", `is stored under ${streamSubject}`);
    }
  }

  /**
   * Checks the sequence of the next message and adds its digest to the seal. When the log has reached the sequence of
   * the expected seal, compares the two seals.
   */
  #take(seq: number, subject: string, digest: string): void {
    if (this.#expectedSeal !== undefined && seq > this.#expectedSeal.seq)
      this.#compareSeal(this.#expectedSeal);
    for (const violation of this.#sequences.next(seq, subject)) this.#add(violation);
    this.#seal.update(`${seq} ${digest}\n`);
    if (this.#expectedSeal?.seq === seq) this.#compareSeal(this.#expectedSeal);
  }

  #compareSeal({ seq, digest }: ExpectedSeal): void {
    this.#expectedSeal = undefined;
    if (this.seal() === digest) return;
    const message = `the digest of the events up to ${seq} is ${this.seal()}, and the seal says ${digest}`;
    this.#add({ seq, subject: "", rule: "seal", message });
  }

  #observeAlert(ruleId: string, eventId: string, body: AlertEvent, report: ReportViolation): void {
    const account = this.#alerts.get(ruleId) ?? new AlertAccount();
    this.#alerts.set(ruleId, account);
    for (const problem of account.observe(eventId, body)) report("alert", problem);
  }

  #observeChassis(chassisId: string, body: ChassisEvent, report: ReportViolation): void {
    if ("capacity" in body.data) checkAmounts(body.data.capacity, report);
    const problem = this.#chassis.observe(chassisId, body);
    if (problem !== undefined) report("chassis-transition", problem);
  }

  #add(violation: Violation): void {
    if (this.#violations.length < MAX_VIOLATIONS) this.#violations.push(violation);
    else this.#leftOut += 1;
  }
}
