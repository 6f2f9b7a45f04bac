/**
 * Proposes one batch of placements to the ledger of a chassis. The allocator decides: it checks each reservation on the
 * ledger's newest state and answers with the ones that no longer fit.
 *
 * Every proposal carries the token of the scheduler's lease. A ledger that has seen a newer token rejects the proposal,
 * so a scheduler that was succeeded while it slept cannot place anything.
 */
import { callEndpoint, callFailure, causedByMove, ENDPOINTS } from "@bioxen/contracts";
import {
  type Causation,
  causedBy,
  isPossibleToken,
  type SentPart,
  type ServicePorts,
  sendInParts,
} from "@bioxen/kernel";
import type { Placement } from "@bioxen/placement";
import type { Cluster } from "./cluster.ts";
import type { Leadership } from "./leadership.ts";

/** Deadline of one proposal, ms: the allocator appends to the quotas concerned and to the ledger. */
const CALL_TIMEOUT_MS = 10_000;
/**
 * Maximum number of reservations in one proposal. Each adds 500 bytes to the ledger's event, or 1 200 with the longest
 * names.
 */
export const MAX_BATCH = 250;

export interface ProposalOutcome {
  /**
   * Sequence of the newest event that the proposal caused, 0 for none. Plan again only once the folds have applied it.
   */
  readonly seq: number;
  /** Number of reservations that did not fit the ledger any more: the plan was stale. */
  readonly refused: number;
}

type ProposalPorts = Pick<ServicePorts, "bus" | "clock" | "logger">;

export class Proposals {
  readonly #ports: ProposalPorts;
  readonly #cluster: Pick<Cluster, "vms" | "ledgers">;
  readonly #leadership: Pick<Leadership, "surpass">;

  constructor(
    ports: ProposalPorts,
    cluster: Pick<Cluster, "vms" | "ledgers">,
    leadership: Pick<Leadership, "surpass">,
  ) {
    this.#ports = ports;
    this.#cluster = cluster;
    this.#leadership = leadership;
  }

  /**
   * Proposes the batch; in parts, if the events of the whole batch are too large for the server. Throws `Fault`
   * UNAVAILABLE when the allocator could not decide; proposing the same plan again is safe.
   */
  async propose(
    plan: { readonly token: number; readonly planId: string; readonly chassisId: string },
    placements: readonly Placement[],
  ): Promise<ProposalOutcome> {
    const outcomes = await sendInParts(placements, (part) => this.#proposePart(plan, part));
    return {
      seq: Math.max(...outcomes.map(({ seq }) => seq)),
      refused: outcomes.reduce((sum, { refused }) => sum + refused, 0),
    };
  }

  async #proposePart(
    { token, planId, chassisId }: { token: number; planId: string; chassisId: string },
    placements: readonly Placement[],
  ): Promise<SentPart<ProposalOutcome>> {
    const reservations = placements.map(({ vm, decision }) => ({
      vmId: vm.vmId,
      incarnation: vm.incarnation,
      amounts: vm.request,
      decision,
    }));
    const proposal = { chassisId, planId, reservations, proposerToken: token };
    const causation = this.#causeOf(reservations.map(({ vmId }) => vmId));
    const reply = await callEndpoint(this.#ports.bus, ENDPOINTS.ledgerReserve, proposal, {
      timeoutMs: CALL_TIMEOUT_MS,
      ...(causation && { causation }),
    });
    if (!reply.ok) {
      const newest = reply.error.details?.["newestToken"];
      if (typeof newest !== "number" || !this.#isPossible(newest)) {
        const cause = callFailure(ENDPOINTS.ledgerReserve.subject, reply.error);
        if (reply.error.code === "TOO_LARGE") return { kind: "too-large", cause };
        throw cause;
      }
      this.#ports.logger.warn(
        { chassisId, token, newest },
        "proposal rejected: another scheduler holds a newer lease",
      );
      this.#leadership.surpass(newest);
      return { kind: "sent", result: { seq: 0, refused: 0 } };
    }
    const { seq, quotaSeq, refused } = reply;
    if (refused.length > 0) {
      this.#ports.logger.info({ chassisId, refused: refused.length }, "the plan was stale: planning again");
    }
    return {
      kind: "sent",
      result: { seq: Math.max(seq ?? 0, quotaSeq ?? 0), refused: refused.length },
    };
  }

  /**
   * Returns true if the token in a reply can have been issued. Any client of the server can reply, with any token. A
   * token far above the clock and above the tokens in all ledgers must not be believed: this scheduler would then issue
   * tokens that the allocator refuses.
   */
  #isPossible(token: number): boolean {
    const recorded = [...this.#cluster.ledgers.values()].map(({ proposerToken }) => proposerToken);
    return isPossibleToken(token, { nowMs: this.#ports.clock.nowMs(), newest: Math.max(0, ...recorded) });
  }

  /** Returns the newest event that made one of these VMs wait: the cause of the whole batch. */
  #causeOf(vmIds: readonly string[]): Causation | undefined {
    const { vms } = this.#cluster;
    const newest = vmIds.reduce((best, vmId) => (vms.lastSeq(vmId) > vms.lastSeq(best) ? vmId : best));
    const vm = vms.get(newest);
    if (vm.exists && vm.migration !== null) return causedByMove(vm.migration);
    const cause = vms.last(newest);
    return cause && causedBy(cause);
  }
}
