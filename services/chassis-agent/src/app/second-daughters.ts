/**
 * Records the second daughters of cells that divide into two VMs (`config.lineage: "both"`).
 *
 * The state of the daughter is stored first, then lifecycle records its VM, and only then the mother goes on. Each step can
 * be repeated: the daughter's id follows from the division, and a state without a VM is deleted by lifecycle.
 */
import { callEndpoint, daughterIdOf, ENDPOINTS, isFinalRefusal, type RequestOf } from "@bioxen/contracts";
import { causedBy, Fault, type ServicePorts } from "@bioxen/kernel";
import { DriverError, type GuestCheckpoint, type VmDriver } from "@bioxen/vm-driver";
import { publishLine, storeBytes } from "./checkpoints.ts";
import type { AgentClaim } from "./claim.ts";
import type { GuestStates } from "./guest-states.ts";
import type { GuestView } from "./guest-view.ts";

/** Deadline of one attempt to record a daughter, ms. */
const DIVIDE_TIMEOUT_MS = 5_000;

/** A daughter that was not taken yet. */
interface NextDaughter {
  readonly division: number;
  readonly checkpoint?: GuestCheckpoint | undefined;
}

type Mother = Partial<Pick<VmDriver, "daughter" | "daughterTaken">>;

export interface SecondDaughterPorts
  extends Pick<ServicePorts, "blobs" | "bus" | "clock" | "ids" | "logger"> {
  readonly agentId: string;
  readonly view: Pick<GuestView, "vms" | "chassisOf">;
  readonly claim: Pick<AgentClaim, "require">;
  readonly states: Pick<GuestStates, "restoresOf" | "programsRecorded">;
}

export class SecondDaughters {
  readonly #ports: SecondDaughterPorts;

  constructor(ports: SecondDaughterPorts) {
    this.#ports = ports;
  }

  /** Records all daughters that wait. Rejects with a retryable `DriverError` or `Fault` if one cannot be recorded now. */
  async record(driver: Mother, vmId: string, fence: number): Promise<void> {
    for (;;) {
      const daughter = await this.#next(driver, vmId, fence);
      if (daughter === undefined) return;
      if (daughter.checkpoint !== undefined)
        await this.#store(vmId, fence, daughter.division, daughter.checkpoint);
      await driver.daughterTaken?.(vmId, fence, daughter.division);
    }
  }

  /** Returns the next daughter; without a checkpoint if the state of the mother's program cannot be stored. */
  async #next(driver: Mother, vmId: string, fence: number): Promise<NextDaughter | undefined> {
    try {
      return await driver.daughter?.(vmId, fence);
    } catch (thrown) {
      if (!(thrown instanceof DriverError) || thrown.retryable) throw thrown;
      if (thrown.code !== "GUEST_ERROR" && thrown.code !== "TOO_LARGE") throw thrown;
      this.#say(vmId, `no second daughter: ${thrown.message}`);
      return { division: Number.MAX_SAFE_INTEGER };
    }
  }

  async #store(vmId: string, fence: number, division: number, checkpoint: GuestCheckpoint): Promise<void> {
    await this.#ports.states.programsRecorded(vmId);
    const daughterId = daughterIdOf(vmId, division);
    if (daughterId === undefined) {
      return this.#say(vmId, `no second daughter of division ${division}: its id would be too long`);
    }
    const stored = await storeBytes(this.#ports, daughterId, checkpoint);
    const restores = this.#ports.states.restoresOf(vmId, fence);
    const reason = await this.#divide({ vmId, fence, restores, division, checkpoint: stored });
    if (reason !== undefined) this.#say(vmId, `no second daughter of division ${division}: ${reason}`);
  }

  /** Returns why there is no VM for the daughter; undefined if there is one. */
  async #divide(request: RequestOf<"vmDivide">): Promise<string | undefined> {
    const { bus, claim, logger, view } = this.#ports;
    claim.require();
    const last = view.vms.last(request.vmId);
    const reply = await callEndpoint(bus, ENDPOINTS.vmDivide, request, {
      timeoutMs: DIVIDE_TIMEOUT_MS,
      ...(last === undefined ? {} : { causation: causedBy(last) }),
    });
    if (reply.ok) return reply.reason;
    if (!isFinalRefusal(reply.error)) {
      const message = `division of ${request.vmId}: ${reply.error.message}`;
      throw new Fault("UNAVAILABLE", message, { retryable: true });
    }
    logger.error({ request, error: reply.error }, "lifecycle rejected a division");
    return reply.error.message;
  }

  #say(vmId: string, line: string): void {
    publishLine(this.#ports, vmId, this.#ports.view.chassisOf(vmId), line);
  }
}
