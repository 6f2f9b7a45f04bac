/**
 * Commands on chassis (register, cordon, uncordon, remove), and queries for their state.
 */
import {
  agentOrphans,
  beyondLog,
  type ChassisState,
  type ChassisTypeData,
  callEndpoint,
  chassisFold,
  ENDPOINTS,
  type Handled,
  heldAmounts,
  isErrorCode,
  PAST_LIVENESS,
  type ParsedRequestOf,
  type ResultOf,
  refuse,
  reportedBy,
  viewOfChassis,
} from "@bioxen/contracts";
import { type Amounts, type Caller, type Causation, type EventLog, foldAt, subtract } from "@bioxen/kernel";
import { type ChassisCommand, chassisDecider, chassisNotFound } from "../domain/chassis.ts";
import { isDraining } from "../domain/drain.ts";
import { registrationOf } from "../domain/registration.ts";
import type { Cluster } from "./cluster.ts";

/** Deadline of a call to an agent, ms. */
const AGENT_TIMEOUT_MS = 5_000;

export class ChassisCommands {
  readonly #cluster: Cluster;
  readonly #log: EventLog;
  readonly #caller: Caller;
  readonly #types: ReadonlyMap<string, ChassisTypeData>;

  constructor(cluster: Cluster, log: EventLog, caller: Caller, types: ReadonlyMap<string, ChassisTypeData>) {
    this.#cluster = cluster;
    this.#log = log;
    this.#caller = caller;
    this.#types = types;
  }

  async register(
    request: ParsedRequestOf<"chassisRegister">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"chassisRegister">>> {
    const { chassisId, agentId } = request;
    const reported = reportedBy(causation, agentId);
    if (!reported.ok) return reported;
    const checked = registrationOf(request, this.#types);
    if ("problems" in checked) {
      const message = checked.problems.map((p) => `${p.path} ${p.message}`).join("; ");
      return refuse("BAD_REQUEST", message, { details: { problems: checked.problems } });
    }
    const byAgent = causation.role === "agent" ? agentId : undefined;
    const command = { type: "register", chassisId, registration: checked.registration, byAgent } as const;
    return this.#execute(chassisId, reported.causation, () => command);
  }

  cordon({ chassisId }: { chassisId: string }, causation: Causation) {
    return this.#execute(chassisId, causation, () => ({ type: "cordon", chassisId }));
  }

  async uncordon({ chassisId }: { chassisId: string }, causation: Causation) {
    const { drains } = this.#cluster;
    // Another instance may already have answered that the drain has ended, so this instance first reads the log.
    await drains.refresh(chassisId);
    return this.#execute(chassisId, causation, () => ({
      type: "uncordon",
      chassisId,
      isDraining: isDraining(drains.get(chassisId).state),
    }));
  }

  deleteMachine({ chassisId, uuid }: { chassisId: string; uuid: string }, causation: Causation) {
    return this.#execute(chassisId, causation, () => ({ type: "delete-machine", chassisId, uuid }));
  }

  async reportMachine(report: ParsedRequestOf<"chassisReportMachine">, causation: Causation) {
    const reported = this.#byAgentOf(report.chassisId, causation);
    if (!reported.ok) return reported;
    return this.#execute(report.chassisId, reported.causation, () => ({ type: "report-machine", ...report }));
  }

  async reportLeft(
    { chassisId, uuid, left }: ParsedRequestOf<"chassisReportLeft">,
    causation: Causation,
  ): Promise<Handled<ResultOf<"chassisReportLeft">>> {
    const reported = this.#byAgentOf(chassisId, causation);
    if (!reported.ok) return reported;
    return this.#execute(chassisId, reported.causation, () => ({ type: "report-left", uuid, left }));
  }

  /** Returns the causation of a report about the chassis, or the refusal of another agent than that of the chassis. */
  #byAgentOf(chassisId: string, causation: Causation) {
    const { state } = this.#cluster.chassis.get(chassisId);
    return reportedBy(causation, state.registered ? state.agentId : undefined);
  }

  /** Asks the agent of the chassis for one page of the orphans in its pool. */
  async orphans(request: ParsedRequestOf<"chassisOrphans">): Promise<Handled<ResultOf<"chassisOrphans">>> {
    const { chassisId } = request;
    const { state } = await this.#cluster.chassis.refresh(chassisId);
    if (!state.registered) return chassisNotFound(chassisId);
    const endpoint = agentOrphans(state.agentId);
    const reply = await callEndpoint(this.#caller, endpoint, request, { timeoutMs: AGENT_TIMEOUT_MS });
    if (reply.ok) return { ok: true, result: reply };
    const { code, message, retryable } = reply.error;
    return refuse(isErrorCode(code) ? code : "INTERNAL", message, { retryable });
  }

  async remove(
    { chassisId }: { chassisId: string },
    causation: Causation,
  ): Promise<Handled<ResultOf<"chassisRemove">>> {
    const { chassis, occupancy } = this.#cluster;
    const executed = await chassis.execute(chassisId, causation, (state) =>
      chassisDecider.decide(state, { type: "remove", chassisId, vmIds: occupancy.allOf(chassisId) }),
    );
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    return { ok: true, result: { changed: executed.changed, chassis: null } };
  }

  async get({ chassisId, atSeq }: ParsedRequestOf<"chassisGet">): Promise<Handled<ResultOf<"chassisGet">>> {
    if (atSeq !== undefined) return this.#getAt(chassisId, atSeq);
    const chassis = this.#view(chassisId, (await this.#cluster.chassis.refresh(chassisId)).state);
    return chassis === undefined ? chassisNotFound(chassisId) : { ok: true, result: { chassis } };
  }

  async #getAt(chassisId: string, atSeq: number): Promise<Handled<ResultOf<"chassisGet">>> {
    const beyond = await beyondLog(this.#log, atSeq);
    if (beyond !== undefined) return beyond;
    const subject = this.#cluster.chassis.streamSubject(chassisId);
    const state = await foldAt(this.#log, subject, chassisFold, atSeq);
    if (!state.registered) {
      return refuse("CHASSIS_NOT_FOUND", `there was no chassis ${chassisId} at sequence ${atSeq}`);
    }
    return { ok: true, result: { chassis: viewOfChassis(chassisId, state, PAST_LIVENESS) } };
  }

  list(request: ParsedRequestOf<"chassisList">, maxBytes: number): Promise<Handled<ResultOf<"chassisList">>> {
    return this.#cluster.chassisPages.many<ResultOf<"chassisList">>(request, maxBytes, {
      shape: ENDPOINTS.chassisList.pages ?? {},
      empty: { chassis: [], cursor: null },
      fragment: (chassisId, state) => {
        const view = this.#view(chassisId, state);
        return view === undefined ? undefined : { chassis: [view], cursor: null };
      },
    });
  }

  /**
   * Decides a command on the chassis, appends its event and returns the chassis. `command` builds the command again for
   * each decision, so that every decision uses the newest folds.
   */
  async #execute(
    chassisId: string,
    causation: Causation,
    command: () => ChassisCommand,
  ): Promise<Handled<ResultOf<"chassisRegister">>> {
    const executed = await this.#cluster.chassis.execute(chassisId, causation, (state) =>
      chassisDecider.decide(state, command()),
    );
    if (!executed.ok) return { ok: false, rejection: executed.rejection };
    const chassis = this.#view(chassisId, executed.current.state);
    if (chassis === undefined) return chassisNotFound(chassisId);
    return { ok: true, result: { changed: executed.changed, chassis } };
  }

  /** Returns what no VM holds; no field while the chassis has no ledger. */
  #free(chassisId: string): { readonly free?: Amounts } {
    const ledger = this.#cluster.ledgers.get(chassisId);
    return ledger.open ? { free: subtract(ledger.offered, heldAmounts(ledger)) } : {};
  }

  #view(chassisId: string, state: ChassisState) {
    return state.registered
      ? { ...viewOfChassis(chassisId, state, this.#cluster.liveness.of(chassisId)), ...this.#free(chassisId) }
      : undefined;
  }
}
