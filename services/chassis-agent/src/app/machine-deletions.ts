/**
 * Deletes the machines of other owners that an operator has decided to delete, and reports each outcome.
 *
 * The decision is an event of the chassis. The driver first claims the machine, under its own uuid as the id of a VM that
 * the log does not have, and then ends and removes it like a guest. A restarted agent begins again: every step is
 * idempotent, and a machine that is gone counts as deleted. Each machine has steps and waits of its own, so a machine
 * that the pool keeps busy does not delay the others.
 */
import { aggregateOf, callEndpoint, ENDPOINTS, type RequestOf } from "@bioxen/contracts";
import { type EventFeed, messageOf, Reconciler, type ServicePorts, type StepResult } from "@bioxen/kernel";
import { DriverError, type VmDriver } from "@bioxen/vm-driver";
import { type Drivers, guestIn, keptIn } from "./drivers.ts";
import type { GuestView } from "./guest-view.ts";
import { remainsOf } from "./remains.ts";

/** Deadline of a report, ms. */
const REPORT_TIMEOUT_MS = 5_000;
/** Interval at which the agent looks whether the pool has removed what it kept at first, ms. */
const LOOK_AGAIN_MS = 2_000;

type Outcome = Pick<RequestOf<"chassisReportMachine">, "outcome" | "reason">;

export interface MachineDeletionsOptions {
  readonly ports: Pick<ServicePorts, "bus" | "clock" | "timers" | "logger">;
  readonly claim: { isHeld(): boolean };
  readonly drivers: Drivers;
  readonly view: GuestView;
}

export class MachineDeletions {
  readonly #options: MachineDeletionsOptions;
  /** The keys name one machine each: see {@link keyOf}. */
  readonly #reconciler: Reconciler;

  constructor(options: MachineDeletionsOptions) {
    this.#options = options;
    const { clock, timers, logger } = options.ports;
    this.#reconciler = new Reconciler({
      clock,
      timers,
      step: (key) => this.#step(key),
      onError: (key, thrown) => {
        const { chassisId, uuid } = machineIn(key);
        const message = `deleting the machine ${uuid} of ${chassisId}: ${messageOf(thrown)}`;
        logger.warn({ chassisId, uuid, err: thrown }, message);
      },
    });
  }

  begin(feed: EventFeed): void {
    feed.onEvent(({ envelope }) => {
      const { kind, id } = aggregateOf(envelope.subject);
      if (kind === "chassis") this.#wake(id);
    });
    for (const chassisId of this.#options.view.hosted()) this.#wake(chassisId);
  }

  end(): Promise<void> {
    return this.#reconciler.stop();
  }

  #wake(chassisId: string): void {
    for (const uuid of this.#deletingIn(chassisId)) this.#reconciler.wake(keyOf({ chassisId, uuid }));
  }

  /** Returns the machines that this agent is to delete in the pool of this chassis. */
  #deletingIn(chassisId: string): readonly string[] {
    const { view } = this.#options;
    if (!view.hosted().includes(chassisId)) return [];
    return view.registered(chassisId)?.deletingMachines ?? [];
  }

  async #step(key: string): Promise<StepResult> {
    const { ports, claim, drivers } = this.#options;
    const { chassisId, uuid } = machineIn(key);
    if (!this.#deletingIn(chassisId).includes(uuid)) return undefined;
    // Until the log shows the report, the chassis still names the machine.
    const again = { dueAtMs: ports.clock.nowMs() + LOOK_AGAIN_MS };
    if (!claim.isHeld()) return again;
    const driver = drivers.all.find(({ claimOrphan }) => claimOrphan !== undefined);
    const outcome =
      driver === undefined
        ? ({ outcome: "KEPT", reason: "this agent has no pool" } as const)
        : await outcomeOf(driver, uuid);
    if (outcome === undefined) return again;
    const report = { chassisId, uuid, ...outcome };
    const reply = await callEndpoint(ports.bus, ENDPOINTS.chassisReportMachine, report, {
      timeoutMs: REPORT_TIMEOUT_MS,
    });
    if (!reply.ok) throw new Error(`${reply.error.code}: ${reply.error.message}`);
    return again;
  }
}

interface DeletingMachine {
  readonly chassisId: string;
  readonly uuid: string;
}

/** Returns the reconciler's key for a machine. No chassis id has a space. */
function keyOf({ chassisId, uuid }: DeletingMachine): string {
  return `${chassisId} ${uuid}`;
}

function machineIn(key: string): DeletingMachine {
  const [chassisId = "", uuid = ""] = key.split(" ");
  return { chassisId, uuid };
}

/** Deletes a machine. Resolves with undefined while the driver still tries to. */
async function outcomeOf(driver: VmDriver, uuid: string): Promise<Outcome | undefined> {
  await driver.whenReady();
  const remains = remainsOf(driver, uuid);
  if (remains.kind === "kept") return { outcome: "KEPT", reason: remains.reason };
  if (remains.kind === "tried") return undefined;
  try {
    if ((await driver.claimOrphan?.(uuid)) !== true) return { outcome: "DELETED", reason: "" };
    const guest = guestIn(driver, uuid);
    if (guest !== undefined) await driver.stop(uuid, guest.fence);
    const kept = keptIn(driver, uuid);
    if (kept !== undefined) await driver.discard(uuid, kept.incarnation);
  } catch (thrown) {
    if (!(thrown instanceof DriverError) || thrown.retryable) throw thrown;
    return { outcome: "KEPT", reason: thrown.message };
  }
  return undefined;
}
