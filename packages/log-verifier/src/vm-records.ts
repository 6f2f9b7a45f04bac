/**
 * A record of each VM, and the rules for the events of VMs: transitions, places, allocations in ledgers, preemption,
 * moves, guest states.
 */
import type { VmEvent } from "@bioxen/contracts";
import type { ChassisRecords } from "./chassis-records.ts";
import { guestStateStep, type KeptState, NOTHING_KEPT } from "./guest-state-rules.ts";
import { type Holding, sameAmounts } from "./ledger-account.ts";
import { checkAmounts, type LedgerRecords } from "./ledger-records.ts";
import { type Moving, moveStep, NOT_MOVING } from "./move-rules.ts";
import { NEVER_OBSERVED, type Observed, observationStep } from "./observation-rules.ts";
import { beneficiaryProblems, NEVER_CREATED, type Preemptable, preemptionStep } from "./preemption-rules.ts";
import type { QuotaAccounts } from "./quota-accounts.ts";
import type { ReportViolation, Rule } from "./report.ts";
import { TRANSITIONS } from "./vm-transitions.ts";

type DataOf<Type extends VmEvent["type"]> = Extract<VmEvent, { type: Type }>["data"];
type Place = DataOf<"bioxen.vm.placed.v1">;

interface VmRecord extends Preemptable, Moving {
  incarnation: number;
  kept: KeptState;
  observed: Observed;
  /** Number of resizes of the VM's ledger entry before the last preemption of the VM. */
  ledgerChanges: number;
}

const NO_RECORD: VmRecord = {
  ...NEVER_CREATED,
  ...NOT_MOVING,
  incarnation: 0,
  chassisId: null,
  fence: null,
  kept: NOTHING_KEPT,
  observed: NEVER_OBSERVED,
  ledgerChanges: 0,
};

export interface OpenViolation {
  readonly vmId: string;
  readonly rule: Rule;
  readonly message: string;
}

export class VmRecords {
  readonly #records = new Map<string, VmRecord>();
  readonly #ledgers: LedgerRecords;
  readonly #quotas: QuotaAccounts;
  readonly #chassis: ChassisRecords;

  constructor(ledgers: LedgerRecords, quotas: QuotaAccounts, chassis: ChassisRecords) {
    this.#ledgers = ledgers;
    this.#quotas = quotas;
    this.#chassis = chassis;
  }

  chassisOf(vmId: string): string | null | undefined {
    return this.#records.get(vmId)?.chassisId;
  }

  /** Applies the event and reports its violations. */
  observe(vmId: string, body: VmEvent, report: ReportViolation): void {
    const before = this.#records.get(vmId) ?? NO_RECORD;
    const state = stateAfter(before.state, body, report);
    const { kept, problems } = guestStateStep(before.kept, before.fence, body);
    for (const problem of problems) report("guest-state", problem);
    const next: VmRecord = { ...before, state, kept };
    if (body.type === "bioxen.vm.observed.v1") {
      const step = observationStep(before.observed, state, before.gaveUp === "pause", body.data);
      Object.assign(next, { state: step.state, observed: step.observed });
      for (const problem of step.problems) report("observation", problem);
    }
    if (["pending", "stopped", "error", "destroyed"].includes(state)) {
      next.chassisId = null;
      next.fence = null;
    }
    if (body.type === "bioxen.vm.created.v1") {
      next.incarnation = body.data.incarnation;
      this.#quotas.created(vmId, next.incarnation, body.data.labels);
      checkAmounts(body.data.request, report);
    }
    if (body.type === "bioxen.vm.placed.v1") this.#placed(vmId, next, body.data, report);
    if (body.type === "bioxen.vm.started.v1" && this.#holding(vmId, next) === undefined) {
      report("started-without-reservation", `fence ${next.fence} is not held`);
    }
    if (body.type === "bioxen.vm.start-refused.v1" || body.type === "bioxen.vm.start-progressed.v1") {
      if (body.data.fence !== before.fence) report("transition", `fence ${body.data.fence} is not its place`);
    }
    if (body.type === "bioxen.vm.displaced.v2") this.#displaced(before, body.data, report);
    if (body.type === "bioxen.vm.resized.v1") this.#resized(vmId, next, body.data, report);
    this.#preemption(vmId, next, before.state, body, report);
    const isHeld = (place: Place) => this.#isHeld(vmId, next.incarnation, place);
    for (const problem of moveStep(next, body, isHeld)) report("move", problem);
    if (next.fence !== null) next.observed = { ...next.observed, machineFence: next.fence };
    this.#records.set(vmId, next);
  }

  /** Returns the violations that count only at the end of the log: until then a later event can resolve them. */
  atEnd(): OpenViolation[] {
    const out: OpenViolation[] = [];
    for (const [vmId, record] of this.#records) {
      const runs = record.state === "running" || record.state === "paused";
      if (runs && this.#holding(vmId, record) === undefined) {
        const message = `it is ${record.state}, but no ledger holds its fence ${record.fence}`;
        out.push({ vmId, rule: "running-without-allocation", message });
      }
      // The allocation that a moved VM has just left is released by a later event.
      const chassisIds = this.#ledgers.allocatedOn(vmId, record.leftFence);
      if (chassisIds.length > 1) {
        out.push({ vmId, rule: "two-allocations", message: `allocated on ${chassisIds.join(" and ")}` });
      }
    }
    return out;
  }

  #placed(vmId: string, next: VmRecord, data: Place, report: ReportViolation): void {
    next.chassisId = data.chassisId;
    next.fence = data.fence;
    if (this.#isHeld(vmId, next.incarnation, data)) return;
    const message = `no ledger entry of ${data.chassisId} has fence ${data.fence} and these amounts`;
    report("placed-without-reservation", message);
  }

  #displaced(
    before: VmRecord,
    { code, chassisId }: DataOf<"bioxen.vm.displaced.v2">,
    report: ReportViolation,
  ): void {
    if (code !== "CHASSIS_LOST") return;
    if (chassisId === before.chassisId && this.#chassis.wasLost(chassisId ?? "")) return;
    report("unfounded-displacement", `${chassisId} was never lost, or is not its chassis`);
  }

  #resized(
    vmId: string,
    record: VmRecord,
    { request, allocation, given = {} }: DataOf<"bioxen.vm.resized.v1">,
    report: ReportViolation,
  ): void {
    checkAmounts(request, report);
    checkAmounts(given, report);
    if (allocation === null) return;
    if (Object.entries(given).some(([name, n]) => n > (allocation[name] ?? 0))) {
      report("running-without-allocation", "its cell gets more than the new allocation");
    }
    const held = this.#holding(vmId, record);
    const granted = held === undefined ? [] : [held.amounts, ...held.before];
    if (granted.some((amounts) => sameAmounts(amounts, allocation))) return;
    report("running-without-allocation", "its ledger never held the new allocation");
  }

  #preemption(vmId: string, next: VmRecord, before: string, body: VmEvent, report: ReportViolation): void {
    for (const problem of preemptionStep(next, before, body)) report("preemption", problem);
    const isEviction = body.type === "bioxen.vm.displaced.v2" && body.data.code === "PREEMPTED";
    if (isEviction || body.type === "bioxen.vm.preempted.v1") {
      const { by = "", byPriority = 0 } = body.data;
      for (const problem of beneficiaryProblems(next, this.#records.get(by), byPriority)) {
        report("preemption", problem);
      }
      next.ledgerChanges = this.#holding(vmId, next)?.before.length ?? 0;
    }
    if (body.type !== "bioxen.vm.reinstated.v1") return;
    const held = this.#holding(vmId, next);
    const since = held === undefined ? [] : [held.amounts, ...held.before.slice(next.ledgerChanges + 1)];
    const isGranted = since.some((amounts) => sameAmounts(amounts, body.data.allocation));
    if (held?.before.length !== next.ledgerChanges && isGranted) return;
    report("reinstated-without-room", "its ledger has not granted these amounts since the preemption");
  }

  #isHeld(vmId: string, incarnation: number, { chassisId, fence, allocation }: Place): boolean {
    const held = this.#ledgers.held(vmId, chassisId, fence);
    return held?.incarnation === incarnation && sameAmounts(held.amounts, allocation);
  }

  #holding(vmId: string, { chassisId, fence }: VmRecord): Holding | undefined {
    return chassisId === null || fence === null ? undefined : this.#ledgers.held(vmId, chassisId, fence);
  }
}

/**
 * Returns the VM's state after the event, by the table of transitions; returns `before` when the table has no
 * transition for the event. Reports an event that the table does not allow in the state `before`.
 */
function stateAfter(before: string, body: VmEvent, report: ReportViolation): string {
  const transition = TRANSITIONS[body.type];
  if (transition === undefined || !transition.from.includes(before)) {
    report("transition", `${body.type} of a VM that is ${before}`);
  }
  if (body.type === "bioxen.vm.start-refused.v1" && body.data.code === "CAPACITY_EXCEEDED") return "pending";
  if (body.type === "bioxen.vm.until-reached.v1" && body.data.then === "stop") return "stopping";
  if (transition === undefined || transition.to === "same") return before;
  return body.type === "bioxen.vm.started.v1" && body.data.paused === true ? "paused" : transition.to;
}
