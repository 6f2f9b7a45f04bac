/**
 * Advances simulated time, and publishes a sample of every guest, a heartbeat of every chassis and the guests' output.
 */
import {
  aggregateOf,
  type ChassisSample,
  chassisTelemetrySubject,
  type HostRoom,
  SAMPLE_INTERVAL_MS,
  type VmSample,
  vmLogSubject,
  vmTelemetrySubject,
} from "@bioxen/contracts";
import type { EventFeed, ServicePorts } from "@bioxen/kernel";
import type { Shares } from "../domain/shares.ts";
import type { AgentClaim } from "./claim.ts";
import type { LogContact } from "./contact.ts";
import type { Courses } from "./courses.ts";
import { type DriverGuest, type Drivers, guestIn } from "./drivers.ts";
import type { GuestView } from "./guest-view.ts";
import type { PoolOrphans } from "./pool-orphans.ts";
import { SHARING_QUANTUM_MS, type SharedGuests, Sharing } from "./sharing.ts";
import { SharingChassis } from "./sharing-chassis.ts";

/**
 * Host time between two steps of simulated time, ms: short enough for a smooth display, long enough to leave the event
 * loop free in between.
 */
const TICK_INTERVAL_MS = SHARING_QUANTUM_MS;
/**
 * Maximum host time that one step simulates, ms. After the sleep of a laptop, guests skip the rest of the missed time.
 */
const MAX_TICK_MS = 5_000;

export interface TelemetryOptions {
  readonly ports: ServicePorts;
  readonly agentId: string;
  /** Names this process; unique among all processes that ever had this agent id. */
  readonly instance: string;
  readonly claim: Pick<AgentClaim, "isHeld">;
  readonly drivers: Drivers;
  readonly view: GuestView;
  readonly contact: Pick<LogContact, "isHolding" | "ask">;
  readonly orphans: Pick<PoolOrphans, "counts">;
  readonly courses: Pick<Courses, "observe" | "isFull" | "isBusy">;
  readonly monotonicMs: () => number;
  /** Returns the hosts of a pool with the memory that is free now; undefined for a chassis without hosts. */
  readonly freeHosts: (chassisId: string) => readonly HostRoom[] | undefined;
}

export class AgentTelemetry {
  readonly #options: TelemetryOptions;
  readonly #timers: { cancel(): void }[] = [];
  readonly #sampleNumbers = new Map<string, { fence: number; number: number }>();
  #sharing: Sharing | undefined;
  #heartbeats = 0;
  #lastTickMs = 0;
  #longestLagMs = 0;

  constructor(options: TelemetryOptions) {
    this.#options = options;
  }

  /**
   * Starts the timers and publishes from then on. `allocationOf` is {@link SharedGuests.given}.
   */
  begin(feed: EventFeed, allocationOf: SharedGuests["given"]): void {
    const { ports, drivers, view, contact } = this.#options;
    const { bus, clock, timers } = ports;
    drivers.onGuestEvent((event) => {
      this.#options.courses.observe(event);
      if (event.kind !== "log") return;
      const { vmId, line } = event;
      bus.publish(vmLogSubject(vmId), { vmId, chassisId: view.chassisOf(vmId), atMs: clock.nowMs(), line });
    });
    this.#lastTickMs = this.#options.monotonicMs();
    const shared = new SharingChassis(view);
    for (const vmId of view.vms.ids()) shared.noteVm(vmId);
    for (const [chassisId] of view.chassis.entries()) shared.noteChassis(chassisId);
    feed.onEvent(({ envelope }) => {
      const { kind, id } = aggregateOf(envelope.subject);
      if (kind === "vm") shared.noteVm(id);
      else if (kind === "chassis") shared.noteChassis(id);
    });
    const sharing = new Sharing(
      {
        sharing: () => shared.ids(),
        vmsOn: (chassisId) => view.vmsOn(chassisId),
        chassisOf: (vmId) => view.chassisOf(vmId),
        vm: (vmId) => view.vm(vmId),
        chassis: (chassisId) => view.registered(chassisId),
        given: allocationOf,
      },
      drivers,
      ports.logger,
    );
    this.#sharing = sharing;
    this.#timers.push(
      timers.every(TICK_INTERVAL_MS, () => this.#tick(sharing)),
      timers.every(SAMPLE_INTERVAL_MS, () => {
        // A process without the claim sends no heartbeats. Its chassis must count as silent, unless the holder of the
        // claim sends them.
        if (!this.#options.claim.isHeld()) return;
        for (const guest of drivers.list()) this.#publish(guest);
        this.heartbeat(feed);
        // The query to the log must follow the heartbeat on the same connection: see domain/self-fence.ts.
        contact.ask();
      }),
    );
    this.heartbeat(feed);
  }

  end(): void {
    for (const timer of this.#timers.splice(0)) timer.cancel();
  }

  #tick(sharing: Sharing): void {
    const { drivers, contact, courses, monotonicMs } = this.#options;
    const nowMs = monotonicMs();
    const elapsedMs = nowMs - this.#lastTickMs;
    this.#lastTickMs = nowMs;
    this.#longestLagMs = Math.max(this.#longestLagMs, elapsedMs - TICK_INTERVAL_MS);
    // Checked before each step too: after a sleep of this process, no guest may run on before the agent has paused it.
    if (contact.isHolding() || courses.isFull()) return;
    sharing.apply();
    drivers.tick(Math.min(elapsedMs, MAX_TICK_MS), { onlyAtRate: courses.isBusy() });
  }

  /** Publishes a sample of a guest that has just started, without waiting for the next interval. */
  publishVm(vmId: string): void {
    if (!this.#options.claim.isHeld()) return;
    for (const driver of this.#options.drivers.all) {
      const status = guestIn(driver, vmId);
      if (status !== undefined) this.#publish({ driver, status });
    }
  }

  #publish({ driver, status }: DriverGuest): void {
    const { vmId } = status;
    const chassisId = this.#options.view.chassisOf(vmId);
    const sample = driver.sample(vmId);
    if (status.state === "failed" || chassisId === null || sample === undefined) return;
    // After a sleep of this process, no guest runs before the agent has asked the log: its VM may run elsewhere by now.
    if (status.state === "running" && this.#options.contact.isHolding()) return;
    const { bus, clock } = this.#options.ports;
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

  /** Publishes a heartbeat of every chassis of this agent. */
  heartbeat(feed: EventFeed): void {
    const { ports, claim, drivers, view, agentId, instance, freeHosts } = this.#options;
    if (!claim.isHeld()) return;
    const { bus, clock } = ports;
    const perChassis = new Map<string, number>();
    const running = drivers.list();
    let strays = 0;
    for (const { vmId, fence } of running.map(({ status }) => status)) {
      const chassisId = view.isOwn(vmId, fence) ? view.chassisOf(vmId) : null;
      if (chassisId === null) strays += 1;
      else perChassis.set(chassisId, (perChassis.get(chassisId) ?? 0) + 1);
    }
    const here = new Set(running.map(({ status }) => status.vmId));
    for (const vmId of this.#sampleNumbers.keys()) if (!here.has(vmId)) this.#sampleNumbers.delete(vmId);
    this.#heartbeats += 1;
    for (const chassisId of view.hosted()) {
      const message: ChassisSample = {
        chassisId,
        agentId,
        instance,
        atMs: clock.nowMs(),
        sampleNumber: this.#heartbeats,
        guests: perChassis.get(chassisId) ?? 0,
        strays,
        ...this.#options.orphans.counts(chassisId),
        eventLoopLagMs: Math.max(0, Math.round(this.#longestLagMs)),
        appliedSeq: feed.appliedSeq,
        ...hostsIn(freeHosts(chassisId)),
      };
      bus.publish(chassisTelemetrySubject(chassisId), message);
    }
    this.#longestLagMs = 0;
  }
}

function hostsIn(hosts: readonly HostRoom[] | undefined): Pick<ChassisSample, "hosts"> {
  return hosts === undefined ? {} : { hosts: [...hosts] };
}

/** Returns the fields of a sample for the guest's caps and their lent part; empty if the caps equal its allocation. */
function sharesIn(shares: Shares | undefined): Pick<VmSample, "granted" | "lent"> {
  return shares === undefined ? {} : { granted: shares.caps, lent: shares.lent };
}
