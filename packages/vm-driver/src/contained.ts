/**
 * Contains the failures of a third-party driver, so that they affect neither the agent nor the guests of other drivers.
 *
 * A rejection with any other error than {@link DriverError} becomes a `DriverError`. For a start its code is
 * `GUEST_ERROR`, so that the VM fails with the reason and is not retried without end. For all other calls its code is
 * `UNAVAILABLE`. If `list`, `guest` or `sample` throws, the last result is used, so that no guest counts as absent. A
 * driver that blocks the thread cannot be contained.
 */
import { messageOf } from "@bioxen/kernel";
import type { DriverCapabilities, GuestSpec, GuestStatus, SnapshotKeeper, VmDriver } from "./driver.ts";
import { DriverError, type DriverErrorCode } from "./driver-error.ts";
import { capabilitiesOfGuest, type GuestCapabilities } from "./guest-capabilities.ts";
import type { GuestEvent } from "./guest-event.ts";
import type { GuestSample } from "./guest-sample.ts";
import type { KeptGuest, LeftBehind } from "./remains.ts";

const METHODS = [
  "start",
  "restart",
  "pause",
  "resume",
  "stop",
  "resize",
  "exec",
  "snapshot",
  "sample",
  "whenReady",
  "list",
  "kept",
  "discard",
  "onGuestEvent",
  "tick",
  "close",
] as const satisfies readonly (keyof VmDriver)[];

/** Returns what `value` lacks to be a driver, one text per problem; empty if it is a valid driver. */
export function driverProblems(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return ["is not an object"];
  const driver = value as Partial<Record<string, unknown>>;
  const problems = METHODS.filter((name) => typeof driver[name] !== "function").map(
    (name) => `has no method ${name}`,
  );
  const capabilities = driver["capabilities"];
  if (typeof capabilities !== "object" || capabilities === null) return [...problems, "has no capabilities"];
  const { vmType, clock, meters, maxExecTimeoutMs } = capabilities as Partial<DriverCapabilities>;
  if (typeof vmType !== "string") problems.push("capabilities.vmType: is not a string");
  if (clock !== "host" && clock !== "own") problems.push("capabilities.clock: is not host or own");
  if (!Array.isArray(meters)) problems.push("capabilities.meters: is not a list");
  if (!Number.isSafeInteger(maxExecTimeoutMs))
    problems.push("capabilities.maxExecTimeoutMs: is not an integer");
  for (const name of ["exec", "pause", "liveResize", "snapshot", "keepsStopped"] as const) {
    if (typeof (capabilities as Partial<DriverCapabilities>)[name] !== "boolean") {
      problems.push(`capabilities.${name}: is not true or false`);
    }
  }
  return problems;
}

export type OnTrouble = (message: string, cause: unknown) => void;

/**
 * Wraps `driver` so that its failures are contained. `onTrouble` is called with each exception that is not a
 * `DriverError`.
 */
export function containedDriver(driver: VmDriver, onTrouble: OnTrouble): VmDriver {
  return new Contained(driver, onTrouble);
}

class Contained implements VmDriver {
  readonly capabilities: DriverCapabilities;
  readonly snapshots: SnapshotKeeper | undefined;
  readonly hold: VmDriver["hold"];
  readonly change: VmDriver["change"];
  readonly daughter: VmDriver["daughter"];
  readonly daughterTaken: VmDriver["daughterTaken"];
  readonly #driver: VmDriver;
  readonly #onTrouble: OnTrouble;
  readonly #samples = new Map<string, GuestSample>();
  readonly #guests = new Map<string, GuestStatus>();
  #listed: ReturnType<VmDriver["list"]> = [];
  #kept: ReturnType<VmDriver["kept"]> = [];
  #left: readonly LeftBehind[] = [];

  constructor(driver: VmDriver, onTrouble: OnTrouble) {
    this.#driver = driver;
    this.#onTrouble = onTrouble;
    this.capabilities = Object.freeze({ ...driver.capabilities });
    this.snapshots = driver.snapshots && this.#contain(driver.snapshots);
    const { hold, change, daughter, daughterTaken } = driver;
    this.hold = hold && ((...args) => this.#guard("hold", "UNAVAILABLE", () => hold.apply(driver, args)));
    this.change =
      change && ((...args) => this.#guard("change", "UNAVAILABLE", () => change.apply(driver, args)));
    this.daughter =
      daughter && ((...args) => this.#guard("daughter", "UNAVAILABLE", () => daughter.apply(driver, args)));
    this.daughterTaken =
      daughterTaken &&
      ((...args) => this.#guard("daughterTaken", "UNAVAILABLE", () => daughterTaken.apply(driver, args)));
  }

  #contain(keeper: SnapshotKeeper): SnapshotKeeper {
    let listed: ReturnType<SnapshotKeeper["list"]> = [];
    return {
      take: (...args) => this.#guard("taking a snapshot", "UNAVAILABLE", () => keeper.take(...args)),
      drop: (...args) => this.#guard("dropping a snapshot", "UNAVAILABLE", () => keeper.drop(...args)),
      list: () => {
        listed = this.#guardNow("listing snapshots", listed, () => keeper.list());
        return listed;
      },
      of: (vmId) =>
        this.#guardNow(
          "listing snapshots",
          listed.filter((one) => one.vmId === vmId),
          () => keeper.of?.(vmId) ?? keeper.list().filter((one) => one.vmId === vmId),
        ),
    };
  }

  async #guard<T>(verb: string, code: DriverErrorCode, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (thrown) {
      if (thrown instanceof DriverError) throw thrown;
      this.#onTrouble(`the driver of ${this.capabilities.vmType} failed on ${verb}`, thrown);
      throw new DriverError(code, `the driver failed: ${messageOf(thrown)}`, { cause: thrown });
    }
  }

  #guardNow<T>(what: string, otherwise: T, call: () => T): T {
    try {
      return call();
    } catch (thrown) {
      this.#onTrouble(`the driver of ${this.capabilities.vmType} failed on ${what}`, thrown);
      return otherwise;
    }
  }

  start(spec: GuestSpec): Promise<void> {
    return this.#guard("start", "GUEST_ERROR", () => this.#driver.start(spec));
  }

  restart(spec: GuestSpec): Promise<void> {
    return this.#guard("restart", "GUEST_ERROR", () => this.#driver.restart(spec));
  }

  pause(vmId: string, fence: number): Promise<void> {
    return this.#guard("pause", "UNAVAILABLE", () => this.#driver.pause(vmId, fence));
  }

  resume(...args: Parameters<VmDriver["resume"]>): Promise<void> {
    return this.#guard("resume", "UNAVAILABLE", () => this.#driver.resume(...args));
  }

  async stop(...args: Parameters<VmDriver["stop"]>): Promise<void> {
    const [vmId] = args;
    await this.#guard("stop", "UNAVAILABLE", () => this.#driver.stop(...args));
    this.#samples.delete(vmId);
    this.#guests.delete(vmId);
  }

  resize(...args: Parameters<VmDriver["resize"]>): Promise<void> {
    return this.#guard("resize", "UNAVAILABLE", () => this.#driver.resize(...args));
  }

  exec(...args: Parameters<VmDriver["exec"]>): ReturnType<VmDriver["exec"]> {
    return this.#guard("exec", "UNAVAILABLE", () => this.#driver.exec(...args));
  }

  snapshot(vmId: string, fence: number): ReturnType<VmDriver["snapshot"]> {
    return this.#guard("snapshot", "UNAVAILABLE", () => this.#driver.snapshot(vmId, fence));
  }

  sample(vmId: string): GuestSample | undefined {
    const sample = this.#guardNow("sample", this.#samples.get(vmId), () => this.#driver.sample(vmId));
    if (sample === undefined) this.#samples.delete(vmId);
    else this.#samples.set(vmId, sample);
    return sample;
  }

  whenReady(): Promise<void> {
    return this.#guard("whenReady", "UNAVAILABLE", () => this.#driver.whenReady());
  }

  list(): ReturnType<VmDriver["list"]> {
    this.#listed = this.#guardNow("list", this.#listed, () => this.#driver.list());
    return this.#listed;
  }

  kept(): ReturnType<VmDriver["kept"]> {
    this.#kept = this.#guardNow("kept", this.#kept, () => this.#driver.kept());
    return this.#kept;
  }

  guest(vmId: string): GuestStatus | undefined {
    const driver = this.#driver;
    if (driver.guest === undefined) return this.list().find((one) => one.vmId === vmId);
    const guest = this.#guardNow("guest", this.#guests.get(vmId), () => driver.guest?.(vmId));
    if (guest === undefined) this.#guests.delete(vmId);
    else this.#guests.set(vmId, guest);
    return guest;
  }

  guestCapabilities(vmId: string): GuestCapabilities | undefined {
    const caps = () => capabilitiesOfGuest(this.#driver, vmId);
    return this.#guardNow("guestCapabilities", undefined, caps);
  }

  keptGuest(vmId: string): KeptGuest | undefined {
    const driver = this.#driver;
    if (driver.keptGuest === undefined) return this.kept().find((one) => one.vmId === vmId);
    const lastKnown = this.#kept.find((one) => one.vmId === vmId);
    return this.#guardNow("keptGuest", lastKnown, () => driver.keptGuest?.(vmId));
  }

  leftBehind(): readonly LeftBehind[] {
    this.#left = this.#guardNow("leftBehind", this.#left, () => this.#driver.leftBehind?.() ?? []);
    return this.#left;
  }

  discard(vmId: string, incarnation: number): Promise<void> {
    return this.#guard("discard", "UNAVAILABLE", () => this.#driver.discard(vmId, incarnation));
  }

  onGuestEvent(listener: (event: GuestEvent) => void): void {
    this.#driver.onGuestEvent(listener);
  }

  tick(...args: Parameters<VmDriver["tick"]>): void {
    this.#guardNow("tick", undefined, () => this.#driver.tick(...args));
  }

  async close(): Promise<void> {
    await this.#guard("close", "UNAVAILABLE", () => this.#driver.close());
  }
}
