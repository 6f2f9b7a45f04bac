/**
 * Drivers on fake pools, for tests.
 */

import { createFakeXapi, type FakeOptions, type FakeXapi, TEMPLATE_NAME } from "@bioxen/fake-xapi";
import type { GuestSpec } from "@bioxen/vm-driver";
import type { XcpngDriver, XcpngDriverOptions } from "../src/driver/driver-options.ts";
import type { MachineOwner } from "../src/driver/ownership.ts";
import type { SshSettings } from "../src/driver/programs.ts";
import { createXcpngDriver } from "../src/driver/xcpng-driver.ts";
import { DEFAULT_CONNECT_TIMEOUT_MS } from "../src/ssh/limits.ts";
import { parsePins } from "../src/xapi/trust.ts";

/** An agent of the test cluster, whose log has every reservation. */
export function ownerOf(agentId: string, clusterId = CLUSTER_ID): MachineOwner {
  const reservationOf = async (vmId: string, fence: number) => `reservation-${vmId}-${fence}`;
  return { clusterId, agentId, reservationOf };
}

export const CLUSTER_ID = "00112233aabbccdd";

export function driverOf(fake: FakeXapi, options: Partial<XcpngDriverOptions> = {}): XcpngDriver {
  const { url, fingerprint, username, password } = fake;
  return createXcpngDriver({
    url,
    credentials: async () => ({ username, password }),
    trust: { kind: "pins", pins: parsePins(fingerprint) },
    owner: ownerOf("test"),
    chassisId: "xcpng-1",
    template: TEMPLATE_NAME,
    ...options,
  });
}

/** SSH settings for a fake's guests, as an operator would configure them. */
export function sshOf(fake: FakeXapi, changed: Partial<SshSettings> = {}): SshSettings {
  const { ssh } = fake;
  if (ssh === undefined) throw new Error("this fake has no guestSsh option: its guests do not answer SSH");
  return {
    login: async () => ({ user: ssh.username, password: ssh.password }),
    hostKeys: new Set(),
    knownHostsFile: undefined,
    port: ssh.port,
    connectTimeoutMs: DEFAULT_CONNECT_TIMEOUT_MS,
    ...changed,
  };
}

export function machineSpec(vmId: string, fence: number, fields: Partial<GuestSpec> = {}): GuestSpec {
  return {
    vmId,
    fence,
    incarnation: 1,
    biologicalType: "ecoli",
    seed: 1,
    allocation: { vcpus: 2, memoryMiB: 2_048 },
    config: {},
    ...fields,
  };
}

export interface Rig {
  readonly fake: FakeXapi;
  readonly driver: XcpngDriver;
  /** Creates another driver of the same owner, as a restarted agent does. */
  again(options?: Partial<XcpngDriverOptions>): XcpngDriver;
}

/** Runs `body` with a driver on a new fake, then closes everything. */
export async function withDriver(
  body: (rig: Rig) => Promise<void>,
  fakeOptions: FakeOptions = {},
  driverOptions: Partial<XcpngDriverOptions> = {},
): Promise<void> {
  const fake = await createFakeXapi(fakeOptions);
  const drivers = [driverOf(fake, driverOptions)];
  const [driver] = drivers as [XcpngDriver];
  const again = (options: Partial<XcpngDriverOptions> = {}): XcpngDriver => {
    const next = driverOf(fake, { ...driverOptions, ...options });
    drivers.push(next);
    return next;
  };
  try {
    await driver.whenReady();
    await body({ fake, driver, again });
  } finally {
    for (const each of drivers) await each.close();
    await fake.close();
  }
}
