/** What the xcpng driver is made with, and what it offers beside the driver port. */
import type { HostRoom, VmDriver } from "@bioxen/vm-driver";
import type { FailoverGap, PoolCapacity } from "./capacity.ts";
import type { PoolLinkOptions } from "./pool-link.ts";
import type { SshSettings } from "./programs.ts";

export interface XcpngDriverOptions extends PoolLinkOptions {
  /** Name or uuid of the template for VMs whose config names none. */
  readonly template: string;
  /** SSH access to machines, for `exec` and for cells. Without it, `exec` is `UNSUPPORTED`. */
  readonly ssh?: SshSettings | undefined;
  /** How long a start waits for the guest agent that its VM needs, ms. Default `DEFAULT_AGENT_WAIT_MS`. */
  readonly agentWaitMs?: number | undefined;
  /** Interval at which the driver looks at the cells in machines, ms. Default `CELL_POLL_MS`. */
  readonly cellPollMs?: number | undefined;
}

export interface XcpngDriver extends VmDriver {
  /** Number of open SSH connections into machines. */
  readonly connections: number;
  /** Resources that the pool can give to VMs now. Rejects with `UNAVAILABLE`. */
  capacity(): Promise<PoolCapacity>;
  /** The hosts that take VMs, each with its free memory now; undefined before the first call of {@link capacity}. */
  freeHosts(): readonly HostRoom[] | undefined;
  /** By how much the pool's high availability falls short, at the last call of {@link capacity}; undefined without gap. */
  failoverGap(): FailoverGap | undefined;
}
