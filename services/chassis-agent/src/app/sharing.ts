/**
 * Lends idle capacity of each chassis to its guests, quantum by quantum, and shares the real capacity of an
 * oversubscribed chassis.
 *
 * Before each step of simulated time the guests' caps are set through the driver. Lent capacity therefore returns to
 * its owner in the same quantum in which the owner can use it. A resumed owner has its allocation from its first
 * quantum on. The exception is an oversubscribed chassis whose guests demand more than its real capacity: these guests
 * share the real capacity. Caps are not in the log: the ledger has the allocations. A chassis is skipped if it is not
 * oversubscribed and no VM on it has a `burst` ceiling.
 */
import {
  fullDemandOfTypes,
  modelsFor,
  RATE_RESOURCES,
  type RecordedModel,
  realOffer,
  type Vm,
  withDemand,
} from "@bioxen/contracts";
import { type Amounts, amountOf, equalAmounts, type Logger, messageOf } from "@bioxen/kernel";
import type { VmDriver } from "@bioxen/vm-driver";
import { type Sharer, type Shares, sharesOf } from "../domain/shares.ts";
import { type Drivers, guestIn } from "./drivers.ts";

/**
 * Interval at which caps are set, ms of host time: the step of simulated time (`telemetry.ts`), and the longest time
 * until lent capacity returns.
 */
export const SHARING_QUANTUM_MS = 100;

/** The facts about the agent's VMs that sharing needs. */
export interface SharedGuests {
  /** The ids of the chassis that are oversubscribed or have a VM with a `burst` ceiling. */
  sharing(): Iterable<string>;
  /** The VMs on a chassis. */
  vmsOn(chassisId: string): Iterable<string>;
  chassisOf(vmId: string): string | null;
  vm(vmId: string): Vm | undefined;
  chassis(chassisId: string):
    | {
        readonly chassisType: string;
        readonly capacity: Amounts;
        readonly overheadPermille: number;
        readonly oversubscribePermille?: Amounts | undefined;
        readonly models?: readonly RecordedModel[] | undefined;
      }
    | undefined;
  /**
   * Returns the allocation that the guest has now, without lent capacity; `simMinutes` returns its minute. A new
   * allocation is a new object, so that callers can compare allocations by identity.
   */
  given(vmId: string, simMinutes: () => number): Amounts | undefined;
}

interface Guest {
  readonly vmId: string;
  readonly vm: Vm;
  readonly fence: number;
  readonly driver: VmDriver;
  readonly given: Amounts;
  readonly isRunning: boolean;
}

interface Applied {
  readonly given: Amounts;
  readonly shares: Shares;
}

export class Sharing {
  readonly #guests: SharedGuests;
  readonly #drivers: Drivers;
  readonly #logger: Logger;
  readonly #applied = new Map<string, Applied>();

  constructor(guests: SharedGuests, drivers: Drivers, logger: Logger) {
    this.#guests = guests;
    this.#drivers = drivers;
    this.#logger = logger;
  }

  /** Returns the VM's present caps and the lent part of them; undefined when the caps equal its allocation. */
  of(vmId: string): Shares | undefined {
    return this.#applied.get(vmId)?.shares;
  }

  /** Sets the caps of all guests for the next quantum. */
  apply(): void {
    const here = new Set<string>();
    for (const chassisId of this.#guests.sharing()) {
      const chassis = this.#guests.chassis(chassisId);
      const guests = this.#guestsOn(chassisId);
      if (chassis === undefined || guests.length === 0) continue;
      const oversubscribed = chassis.oversubscribePermille ?? {};
      const real = realOffer(chassis.chassisType, chassis.capacity, chassis.overheadPermille);
      const sharers = guests.map((guest) => this.#sharerOf(guest));
      const shares = sharesOf(real, oversubscribed, sharers);
      for (const [i, guest] of guests.entries()) {
        const [sharer, its] = [sharers[i], shares.get(guest.vmId)];
        if (sharer === undefined || its === undefined) continue;
        here.add(guest.vmId);
        this.#give(guest, sharer.caps, its);
      }
    }
    for (const vmId of this.#applied.keys()) if (!here.has(vmId)) this.#applied.delete(vmId);
  }

  #give({ vmId, driver, fence, given }: Guest, before: Amounts, shares: Shares): void {
    this.#applied.set(vmId, { given, shares });
    if (equalAmounts(before, shares.caps)) return;
    // A cell takes new caps at once, before time advances. A cell that rejects them has failed or is ending.
    driver.resize(vmId, fence, { ...given, ...shares.caps }).catch((thrown: unknown) => {
      this.#applied.delete(vmId);
      this.#logger.debug({ vmId, err: thrown }, `the guest rejected its caps: ${messageOf(thrown)}`);
    });
  }

  /** Returns the guests of type `basic` on the chassis that run under their VM's present reservation, in order of VM id. */
  #guestsOn(chassisId: string): Guest[] {
    const guests: Guest[] = [];
    const driver = this.#drivers.of("basic");
    if (driver === undefined) return guests;
    for (const vmId of [...this.#guests.vmsOn(chassisId)].sort()) {
      const vm = this.#guests.vm(vmId);
      const status = guestIn(driver, vmId);
      const given = this.#guests.given(vmId, () => driver.sample(vmId)?.simMinutes ?? 0);
      const isHere = this.#guests.chassisOf(vmId) === chassisId && vm?.vmType === "basic";
      if (!isHere || status?.fence !== vm.fence || status?.state === "failed" || given === undefined)
        continue;
      guests.push({ vmId, vm, fence: status.fence, driver, given, isRunning: status.state === "running" });
    }
    return guests;
  }

  /** Returns the full demand of the VM's cell, by the model that its chassis announces. */
  #fullDemandOf(vmId: string, vm: Vm): Amounts {
    const chassisId = this.#guests.chassisOf(vmId);
    const chassis = chassisId === null ? undefined : this.#guests.chassis(chassisId);
    return fullDemandOfTypes(
      withDemand(
        vm,
        modelsFor(vm.config, () => (chassis ? [chassis] : [])),
      ),
    );
  }

  #sharerOf({ vmId, vm, given, isRunning, driver }: Guest): Sharer {
    const sample = driver.sample(vmId);
    const applied = this.#applied.get(vmId);
    const caps = applied?.given === given ? applied.shares.caps : rateOf(given);
    return {
      vmId,
      priority: vm.priority,
      allocation: given,
      burst: vm.burst ?? {},
      fullDemand: this.#fullDemandOf(vmId, vm),
      isRunning,
      use: {
        ...(sample?.ribosomes === undefined ? {} : { ribosomes: sample.ribosomes.engaged }),
        ...(sample?.atp === undefined ? {} : { atpPerSecond: sample.atp.perSecond }),
      },
      caps,
    };
  }
}

function rateOf(amounts: Amounts): Amounts {
  return Object.fromEntries(RATE_RESOURCES.map((name) => [name, amountOf(amounts, name)]));
}
