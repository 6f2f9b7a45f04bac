/**
 * Lets simulated time pass and publishes what there is to see: a sample of every guest, a heartbeat of every chassis, what
 * guests print.
 */
import {
  type ChassisSample,
  chassisTelemetrySubject,
  SAMPLE_INTERVAL_MS,
  type VmSample,
  vmLogSubject,
  vmTelemetrySubject,
} from "@bioxen/contracts";
import type { EventFeed, ServicePorts } from "@bioxen/kernel";
import type { Shares } from "../domain/shares.ts";
import type { LogContact } from "./contact.ts";
import { type Drivers, guestIn, type HeldGuest } from "./drivers.ts";
import type { Guests } from "./guests.ts";
import { SHARING_QUANTUM_MS, type SharedGuests, Sharing } from "./sharing.ts";

/** Simulated time passes in steps of this host time, ms: smooth to the eye, and the loop is free in between. */
const TICK_INTERVAL_MS = SHARING_QUANTUM_MS;
/** A host that slept this long owes its guests no more, ms: a suspended laptop must not be caught up with. */
const MAX_TICK_MS = 5_000;

export class AgentTelemetry {
  readonly #ports: ServicePorts;
  readonly #agentId: string;
  readonly #drivers: Drivers;
  readonly #monotonicMs: () => number;
  readonly #contact: Pick<LogContact, "isHolding" | "ask">;
  readonly #timers: { cancel(): void }[] = [];
  readonly #sampleNumbers = new Map<string, { fence: number; number: number }>();
  #sharing: Sharing | undefined;
  #heartbeats = 0;
  #lastTickMs = 0;
  #longestHoldUpMs = 0;

  constructor(
    ports: ServicePorts,
    agentId: string,
    drivers: Drivers,
    monotonicMs: () => number,
    contact: Pick<LogContact, "isHolding" | "ask">,
  ) {
    this.#contact = contact;
    this.#ports = ports;
    this.#agentId = agentId;
    this.#drivers = drivers;
    this.#monotonicMs = monotonicMs;
  }

  begin(guests: Guests, feed: EventFeed): void {
    const { bus, clock, timers } = this.#ports;
    this.#drivers.onGuestEvent((event) => {
      if (event.kind !== "log") return;
      const { vmId, line } = event;
      bus.publish(vmLogSubject(vmId), { vmId, chassisId: guests.chassisOf(vmId), atMs: clock.nowMs(), line });
    });
    this.#lastTickMs = this.#monotonicMs();
    const sharing = new Sharing(sharedGuests(guests), this.#drivers, this.#ports.logger);
    this.#sharing = sharing;
    this.#timers.push(
      timers.every(TICK_INTERVAL_MS, () => this.#tick(sharing)),
      timers.every(SAMPLE_INTERVAL_MS, () => {
        for (const held of this.#drivers.list()) this.#publish(held, guests);
        this.heartbeat(guests, feed);
        // In this order, on one connection: see domain/self-fence.ts.
        this.#contact.ask();
      }),
    );
    this.heartbeat(guests, feed);
  }

  end(): void {
    for (const timer of this.#timers.splice(0)) timer.cancel();
  }

  #tick(sharing: Sharing): void {
    const nowMs = this.#monotonicMs();
    const elapsedMs = nowMs - this.#lastTickMs;
    this.#lastTickMs = nowMs;
    this.#longestHoldUpMs = Math.max(this.#longestHoldUpMs, elapsedMs - TICK_INTERVAL_MS);
    // Asked here and not only when guests are held: one that slept past its time must not run a moment longer.
    if (this.#contact.isHolding()) return;
    sharing.apply();
    this.#drivers.tick(Math.min(elapsedMs, MAX_TICK_MS));
  }

  /** A sample now, without waiting for the next round: the guest has just started. */
  publishVm(vmId: string, guests: Guests): void {
    for (const driver of this.#drivers.all) {
      const status = guestIn(driver, vmId);
      if (status !== undefined) this.#publish({ driver, status }, guests);
    }
  }

  #publish({ driver, status }: HeldGuest, guests: Guests): void {
    const { vmId } = status;
    const chassisId = guests.chassisOf(vmId);
    const sample = driver.sample(vmId);
    if (status.state === "failed" || chassisId === null || sample === undefined) return;
    const { bus, clock } = this.#ports;
    const message: VmSample = {
      vmId,
      chassisId,
      atMs: clock.nowMs(),
      sampleNumber: this.#nextNumber(vmId, status.fence),
      state: status.state,
      ...sample,
      ...sharesIn(this.#sharing?.of(vmId)),
    };
    bus.publish(vmTelemetrySubject(vmId), message);
  }

  #nextNumber(vmId: string, fence: number): number {
    const before = this.#sampleNumbers.get(vmId);
    const number = before?.fence === fence ? before.number + 1 : 1;
    this.#sampleNumbers.set(vmId, { fence, number });
    return number;
  }

  heartbeat(guests: Guests, feed: EventFeed): void {
    const { bus, clock } = this.#ports;
    const perChassis = new Map<string, number>();
    const running = this.#drivers.list();
    let strays = 0;
    for (const { vmId, fence } of running.map(({ status }) => status)) {
      const chassisId = guests.isOwn(vmId, fence) ? guests.chassisOf(vmId) : null;
      if (chassisId === null) strays += 1;
      else perChassis.set(chassisId, (perChassis.get(chassisId) ?? 0) + 1);
    }
    const here = new Set(running.map(({ status }) => status.vmId));
    for (const vmId of this.#sampleNumbers.keys()) if (!here.has(vmId)) this.#sampleNumbers.delete(vmId);
    this.#heartbeats += 1;
    for (const chassisId of guests.hosted()) {
      const message: ChassisSample = {
        chassisId,
        agentId: this.#agentId,
        atMs: clock.nowMs(),
        sampleNumber: this.#heartbeats,
        guests: perChassis.get(chassisId) ?? 0,
        strays,
        eventLoopLagMs: Math.max(0, Math.round(this.#longestHoldUpMs)),
        appliedSeq: feed.appliedSeq,
      };
      bus.publish(chassisTelemetrySubject(chassisId), message);
    }
    this.#longestHoldUpMs = 0;
  }
}

/** Absent where it is the allocation and nothing else. */
function sharesIn(shares: Shares | undefined): Pick<VmSample, "granted" | "lent"> {
  return shares === undefined ? {} : { granted: shares.caps, lent: shares.lent };
}

function sharedGuests(guests: Guests): SharedGuests {
  return {
    chassisOf: (vmId) => guests.chassisOf(vmId),
    given: (vmId) => guests.given(vmId),
    vm(vmId) {
      const vm = guests.vms.get(vmId);
      return vm.exists ? vm : undefined;
    },
    chassis(chassisId) {
      const chassis = guests.chassis.get(chassisId);
      return chassis.registered ? chassis : undefined;
    },
  };
}
