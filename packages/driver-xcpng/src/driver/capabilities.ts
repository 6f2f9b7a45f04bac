/**
 * The driver's capabilities, which depend on whether SSH access to machines is configured.
 */
import type { DriverCapabilities } from "@bioxen/vm-driver";
import { MAX_PROGRAM_TIMEOUT_MS } from "../ssh/limits.ts";
import { NO_SSH, type SshSettings } from "./programs.ts";

export function capabilitiesOf(ssh: SshSettings | undefined): DriverCapabilities {
  const hasExec = ssh !== undefined;
  return {
    vmType: "xcpng",
    exec: hasExec,
    noExec: hasExec ? undefined : NO_SSH,
    pause: true,
    liveResize: true,
    snapshot: false,
    clock: "own",
    keepsStopped: true,
    meters: [],
    maxExecTimeoutMs: hasExec ? MAX_PROGRAM_TIMEOUT_MS : 0,
  };
}
