/**
 * Stand-by instances: they run, but answer no requests, because an instance of a newer release answers them.
 */
import type { ServiceInstance } from "@bioxen/nats";
import type { Finding } from "./finding.ts";

export interface StandByInstance {
  readonly name: string;
  readonly version: string;
  readonly host: string | null;
  readonly pid: number | null;
  readonly waiting: string;
}

export function standBysOf(instances: readonly ServiceInstance[]): StandByInstance[] {
  return instances.flatMap(({ name, version, agentId, waiting, process }) => {
    const { host = null, pid = null } = process ?? {};
    return agentId === null && waiting !== null ? [{ name, version, host, pid, waiting }] : [];
  });
}

export function standByLine({ name, pid, waiting }: StandByInstance): string {
  return `${name} ${pid ?? ""} stands by: ${waiting}`;
}

export function standByFindings(standBys: readonly StandByInstance[]): Finding[] {
  return standBys.map((one) => ({
    check: one.name,
    verdict: "warn",
    found: standByLine(one),
    remedy: "replace it by the newer release",
  }));
}
