/**
 * Faults of a simulated agent's driver: it refuses a call, carries one out late, or loses a guest.
 */
import { DriverError, type ScriptedDriver } from "@bioxen/vm-driver";
import type { Cluster } from "./cluster.ts";

/** A delayed call is carried out within this time, ms. */
const DRIVER_RELEASE_MS = 3_000;

export function troubleDriver(
  driver: ScriptedDriver,
  { universe, faults }: Pick<Cluster, "universe" | "faults">,
  isAlive: () => boolean,
): void {
  const verb = universe.pick(["start", "stop", "pause", "resume", "resize", "snapshot", "restart"] as const);
  if (faults.strikes("driver-away")) {
    driver.script(verb, { kind: "refuse", error: new DriverError("UNAVAILABLE", "not now") });
  }
  if (faults.strikes("driver-late")) {
    driver.script(verb, { kind: universe.pick(["late-effect", "late-reply"] as const) });
  }
  universe.after(universe.between(1, DRIVER_RELEASE_MS), () => {
    if (isAlive()) driver.release();
  });
  const [guest] = driver.list().filter((one) => one.state !== "failed");
  if (guest !== undefined && faults.strikes("guest-failed")) driver.failGuest(guest.vmId, "it died");
}
