/**
 * A second opinion on the whole log, event by event.
 *
 * It knows the contract and the meaning of events, and shares no line with the folds and deciders that wrote them: a bug there
 * cannot hide here. It never stops at a violation, so that one does not cover the next.
 */
import { createHash } from "node:crypto";
import {
  type AlertEvent,
  type ChassisEvent,
  type DrainEvent,
  domainEventOf,
  type LedgerEvent,
  type VmEvent,
} from "@bioxen/contracts";
import type { StoredEvent } from "@bioxen/kernel";
import { AlertAccount } from "./alert-account.ts";
import { ChassisStories } from "./chassis-stories.ts";
import { DrainStories } from "./drain-stories.ts";
import { guestStateStep, type KeptState, NOTHING_KEPT } from "./guest-state-rules.ts";
import { LedgerAccount, sameAmounts, unsoundAmounts } from "./ledger-account.ts";
import { type Moving, moveStep, NOT_MOVING } from "./move-rules.ts";
import { NEVER_WATCHED, observationStep, type Watched } from "./observation-rules.ts";
import { NEVER_CREATED, type Preemptable, preemptionStep, takenFor } from "./preemption-rules.ts";
import { QuotaBooks, type QuotaBreach } from "./quota-books.ts";
import { MAX_VIOLATIONS, type Rule, type VerifierReport, type Violation } from "./report.ts";
import { MOVES } from "./vm-transitions.ts";

type PlaceData = Extract<VmEvent, { type: "bioxen.vm.placed.v1" }>["data"];

interface VmStory extends Preemptable, Moving {
  incarnation: number;
  kept: KeptState;
  watched: Watched;
  /** How often its ledger had changed what it holds when something was last taken from it. */
  ledgerChanges: number;
}

const NO_STORY: VmStory = {
  ...NEVER_CREATED,
  ...NOT_MOVING,
  incarnation: 0,
  chassisId: null,
  fence: null,
  kept: NOTHING_KEPT,
  watched: NEVER_WATCHED,
  ledgerChanges: 0,
};

export class LogVerifier {
  readonly #versions = new Map<string, number>();
  readonly #digests = new Map<string, string>();
  readonly #seal = createHash("sha256");
  readonly #vms = new Map<string, VmStory>();
  readonly #ledgers = new Map<string, LedgerAccount>();
  readonly #quotas = new QuotaBooks();
  readonly #alerts = new Map<string, AlertAccount>();
  readonly #chassis = new ChassisStories();
  readonly #drains = new DrainStories();
  readonly #violations: Violation[] = [];
  #leftOut = 0;
  #events = 0;
  #lastSeq = 0;

  observe(event: StoredEvent): void {
    const { seq, streamSubject, envelope } = event;
    this.#events += 1;
    if (seq <= this.#lastSeq) this.#break(event, "sequence", `follows ${this.#lastSeq}`);
    this.#lastSeq = seq;
    const expected = (this.#versions.get(envelope.subject) ?? 0) + 1;
    if (envelope.aggregateversion !== expected) {
      this.#break(event, "version", `has version ${envelope.aggregateversion}, expected ${expected}`);
    }
    this.#versions.set(envelope.subject, envelope.aggregateversion);
    if (envelope.previoushash !== this.#digests.get(envelope.subject)) {
      this.#break(
        event,
        "chain",
        "does not carry the digest of the event before it: one of them was changed",
      );
    }
    this.#digests.set(envelope.subject, event.digest);
    this.#seal.update(`${seq} ${event.digest}\n`);
    if (streamSubject !== `bioxen.evt.${envelope.subject.replace("/", ".")}`) {
      this.#break(event, "subject", `is stored under ${streamSubject}`);
    }
    const body = domainEventOf(envelope);
    if (body.kind === "vm") this.#vm(event, body.id, body);
    if (body.kind === "ledger") this.#ledger(event, body.id, body);
    if (body.kind === "quota") this.#breaches(event, this.#quotas.observe(body.id, body));
    if (body.kind === "alert") this.#alert(event, body.id, body);
    if (body.kind === "drain") this.#drain(event, body.id, body);
    if (body.kind === "chassis") this.#ofChassis(event, body.id, body);
  }

  /** One digest of all events so far, in order: whoever quotes it can tell later whether any was changed. */
  seal(): string {
    return this.#seal.copy().digest("hex");
  }

  /** An event that could not even be decoded: reading ends there. */
  unreadable(seq: number, message: string): void {
    this.#add({ seq, subject: "", rule: "unreadable", message });
  }

  report(): VerifierReport {
    const atEnd = this.#atEnd();
    const violations = [...this.#violations, ...atEnd].slice(0, MAX_VIOLATIONS);
    return {
      events: this.#events,
      aggregates: this.#versions.size,
      lastSeq: this.#lastSeq,
      violations,
      violationsLeftOut: this.#leftOut + this.#violations.length + atEnd.length - violations.length,
    };
  }

  #vm(event: StoredEvent, vmId: string, body: VmEvent): void {
    const story = this.#vms.get(vmId) ?? NO_STORY;
    const move = MOVES[body.type];
    if (move === undefined || !move.from.includes(story.state)) {
      this.#break(event, "transition", `${body.type} of a VM that is ${story.state}`);
    }
    const isLeftPaused = body.type === "bioxen.vm.started.v1" && body.data.paused === true;
    const state = move === undefined || move.to === "same" ? story.state : isLeftPaused ? "paused" : move.to;
    const { kept, problems } = guestStateStep(story.kept, story.fence, body);
    for (const problem of problems) this.#break(event, "guest-state", problem);
    const next: VmStory = { ...story, state, kept };
    if (body.type === "bioxen.vm.observed.v1") {
      const step = observationStep(story.watched, state, story.gaveUp === "pause", body.data);
      Object.assign(next, { state: step.state, watched: step.watched });
      for (const problem of step.problems) this.#break(event, "observation", problem);
    }
    if (["pending", "stopped", "error", "destroyed"].includes(state)) {
      next.chassisId = null;
      next.fence = null;
    }
    if (body.type === "bioxen.vm.created.v1") {
      next.incarnation = body.data.incarnation;
      this.#quotas.created(vmId, next.incarnation, body.data.labels);
      this.#checkAmounts(event, body.data.request);
    }
    if (body.type === "bioxen.vm.placed.v1") this.#placed(event, vmId, next, body.data);
    if (body.type === "bioxen.vm.started.v1" && this.#holding(vmId, next) === undefined) {
      this.#break(event, "started-without-reservation", `fence ${next.fence} is not held`);
    }
    if (body.type === "bioxen.vm.displaced.v2" && body.data.code === "CHASSIS_LOST") {
      const { chassisId } = body.data;
      if (chassisId !== story.chassisId || !this.#chassis.wasLost(chassisId ?? "")) {
        this.#break(event, "unfounded-displacement", `${chassisId} was never lost, or is not its chassis`);
      }
    }
    if (body.type === "bioxen.vm.resized.v1") this.#resized(event, vmId, next, body.data);
    this.#preemption(event, vmId, next, story.state, body);
    const isHeld = (place: PlaceData) => this.#isHeld(vmId, next.incarnation, place);
    for (const problem of moveStep(next, body, isHeld)) this.#break(event, "move", problem);
    if (next.fence !== null) next.watched = { ...next.watched, machineFence: next.fence };
    this.#vms.set(vmId, next);
  }

  #placed(event: StoredEvent, vmId: string, next: VmStory, data: PlaceData): void {
    next.chassisId = data.chassisId;
    next.fence = data.fence;
    if (this.#isHeld(vmId, next.incarnation, data)) return;
    const message = `no ledger entry of ${data.chassisId} has fence ${data.fence} and these amounts`;
    this.#break(event, "placed-without-reservation", message);
  }

  #isHeld(vmId: string, incarnation: number, { chassisId, fence, allocation }: PlaceData): boolean {
    const held = this.#ledgers.get(chassisId)?.held(vmId, fence);
    return held?.incarnation === incarnation && sameAmounts(held.amounts, allocation);
  }

  #drain(event: StoredEvent, chassisId: string, body: DrainEvent): void {
    const livesHere = (vmId: string) => this.#vms.get(vmId)?.chassisId === chassisId;
    for (const problem of this.#drains.observe(chassisId, body, livesHere))
      this.#break(event, "drain", problem);
  }

  #resized(
    event: StoredEvent,
    vmId: string,
    story: VmStory,
    data: Extract<VmEvent, { type: "bioxen.vm.resized.v1" }>["data"],
  ): void {
    this.#checkAmounts(event, data.request);
    const { allocation } = data;
    if (allocation === null) return;
    const held = this.#holding(vmId, story);
    const granted = held === undefined ? [] : [held.amounts, ...held.before];
    if (granted.some((amounts) => sameAmounts(amounts, allocation))) return;
    this.#break(event, "running-without-allocation", "its ledger never held the new allocation");
  }

  #preemption(event: StoredEvent, vmId: string, next: VmStory, before: string, body: VmEvent): void {
    for (const problem of preemptionStep(next, before, body)) this.#break(event, "preemption", problem);
    const isEviction = body.type === "bioxen.vm.displaced.v2" && body.data.code === "PREEMPTED";
    if (isEviction || body.type === "bioxen.vm.preempted.v1") {
      const { by = "", byPriority = 0 } = body.data;
      for (const problem of takenFor(next, this.#vms.get(by), byPriority)) {
        this.#break(event, "preemption", problem);
      }
      next.ledgerChanges = this.#holding(vmId, next)?.before.length ?? 0;
    }
    if (body.type !== "bioxen.vm.reinstated.v1") return;
    const held = this.#holding(vmId, next);
    const since = held === undefined ? [] : [held.amounts, ...held.before.slice(next.ledgerChanges + 1)];
    const { allocation } = body.data;
    if (held?.before.length !== next.ledgerChanges && since.some((one) => sameAmounts(one, allocation)))
      return;
    this.#break(event, "reinstated-without-room", "its ledger has not granted it that since");
  }

  #holding(vmId: string, story: VmStory) {
    if (story.chassisId === null || story.fence === null) return undefined;
    return this.#ledgers.get(story.chassisId)?.held(vmId, story.fence);
  }

  #ledger(event: StoredEvent, chassisId: string, body: LedgerEvent): void {
    const account = this.#ledgers.get(chassisId) ?? new LedgerAccount();
    this.#ledgers.set(chassisId, account);
    switch (body.type) {
      case "bioxen.ledger.opened.v1":
      case "bioxen.ledger.capacity-changed.v1":
        this.#checkAmounts(event, body.data.offered);
        account.offered = body.data.offered;
        account.maxVms = body.data.maxVms;
        break;
      case "bioxen.ledger.reserved.v1":
        this.#proposer(event, account, body.data.proposerToken);
        for (const { vmId, incarnation, amounts } of body.data.reservations) {
          this.#checkAmounts(event, amounts);
          if (account.holdings.has(vmId))
            this.#break(event, "two-allocations", `${vmId} holds an entry already`);
          account.holdings.set(vmId, {
            incarnation,
            fence: event.seq,
            amounts,
            before: [],
            committed: false,
          });
          this.#breaches(event, this.#quotas.hold(vmId, chassisId, { incarnation, amounts }));
        }
        break;
      case "bioxen.ledger.committed.v1":
        for (const { vmId, fence } of body.data.entries) {
          const held = account.held(vmId, fence);
          if (held === undefined) this.#break(event, "unknown-entry", `${vmId} #${fence} is not held`);
          else held.committed = true;
        }
        break;
      case "bioxen.ledger.released.v1":
      case "bioxen.ledger.expired.v1":
        for (const { vmId, fence } of body.data.entries) {
          if (account.held(vmId, fence) === undefined) {
            this.#break(event, "unknown-entry", `${vmId} #${fence} is not held`);
          } else {
            account.holdings.delete(vmId);
            this.#quotas.hold(vmId, chassisId, null);
          }
        }
        break;
      case "bioxen.ledger.resized.v1": {
        this.#checkAmounts(event, body.data.amounts);
        const held = account.held(body.data.vmId, body.data.fence);
        if (held === undefined) this.#break(event, "unknown-entry", `${body.data.vmId} is not held`);
        else {
          held.before.push(held.amounts);
          held.amounts = body.data.amounts;
          this.#breaches(event, this.#quotas.hold(body.data.vmId, chassisId, { ...held }));
        }
        break;
      }
      case "bioxen.ledger.fenced.v1":
        break;
      case "bioxen.ledger.closed.v1":
        account.offered = {};
        account.maxVms = 0;
        break;
    }
    for (const over of account.overdrafts()) this.#break(event, "over-offer", over);
  }

  /** Who proposed under an older lease had been succeeded. */
  #proposer(event: StoredEvent, account: LedgerAccount, token = 0): void {
    if (token < account.proposerToken) {
      this.#break(event, "stale-proposer", `lease ${token} reserved after lease ${account.proposerToken}`);
    }
    account.proposerToken = Math.max(account.proposerToken, token);
  }

  #alert(event: StoredEvent, ruleId: string, body: AlertEvent): void {
    const account = this.#alerts.get(ruleId) ?? new AlertAccount();
    this.#alerts.set(ruleId, account);
    for (const wrong of account.observe(event.envelope.id, body)) this.#break(event, "alert", wrong);
  }

  #ofChassis(event: StoredEvent, chassisId: string, body: ChassisEvent): void {
    if ("capacity" in body.data) this.#checkAmounts(event, body.data.capacity);
    const problem = this.#chassis.observe(chassisId, body);
    if (problem !== undefined) this.#break(event, "chassis-transition", problem);
  }

  #checkAmounts(event: StoredEvent, amounts: Readonly<Record<string, number>>): void {
    for (const problem of unsoundAmounts(amounts)) this.#break(event, "amounts", problem);
  }

  /** What must hold once everything under way has been said. */
  #atEnd(): Violation[] {
    const out: Violation[] = [];
    const at = (vmId: string) => ({ seq: this.#lastSeq, subject: `vm/${vmId}` });
    for (const [vmId, story] of this.#vms) {
      const runs = story.state === "running" || story.state === "paused";
      if (runs && this.#holding(vmId, story) === undefined) {
        const message = `it is ${story.state} and no ledger holds its fence ${story.fence}`;
        out.push({ ...at(vmId), rule: "running-without-allocation", message });
      }
      const holders = [...this.#ledgers].filter(
        // What it has just left is still to be given back.
        ([, account]) => {
          const held = account.holdings.get(vmId);
          return held?.committed === true && held.fence !== story.leftFence;
        },
      );
      if (holders.length > 1) {
        const message = `allocated on ${holders.map(([chassisId]) => chassisId).join(" and ")}`;
        out.push({ ...at(vmId), rule: "two-allocations", message });
      }
    }
    return out;
  }

  #breaches(event: StoredEvent, breaches: readonly QuotaBreach[]): void {
    for (const { rule, message } of breaches) this.#break(event, rule, message);
  }

  #break(event: StoredEvent, rule: Rule, message: string): void {
    this.#add({ seq: event.seq, subject: event.envelope.subject, rule, message });
  }

  #add(violation: Violation): void {
    if (this.#violations.length < MAX_VIOLATIONS) this.#violations.push(violation);
    else this.#leftOut += 1;
  }
}
