/**
 * Formats VMs as text: one VM in lines, many in a table.
 */
import type { VmSample, VmView } from "@bioxen/contracts";
import type { Amounts } from "@bioxen/kernel";
import { ago, minutes, paintState, table } from "../terminal.ts";

/** Returns amounts of resources as text, such as `ribosomes 503, atpPerSecond 13247`; a dash for null. */
export function amountsLine(amounts: Amounts | null): string {
  if (amounts === null) return "–";
  return Object.entries(amounts)
    .map(([name, amount]) => `${name} ${amount}`)
    .join(", ");
}

export function vmTable(vms: readonly VmView[], nowMs: number): string {
  const rows = vms.map((vm) => [
    vm.vmId,
    vm.biologicalType,
    paintState(vm.state),
    vm.chassisId ?? "–",
    String(vm.allocation?.["ribosomes"] ?? vm.allocation?.["vcpus"] ?? "–"),
    String(vm.priority),
    ago(nowMs - vm.createdAtMs),
    vm.reason ?? "",
  ]);
  return table(["VM", "TYPE", "STATE", "CHASSIS", "RIBOSOMES", "PRIO", "AGE", "REASON"], rows);
}

export function vmWords(vm: VmView, sample: VmSample | null): string {
  const lines = [
    `${vm.vmId}: ${vm.biologicalType} (${vm.vmType}), ${paintState(vm.state)}${vm.chassisId === null ? "" : ` on ${vm.chassisId}`}`,
  ];
  if (vm.reason !== null) lines.push(`  reason      ${vm.reason}`);
  lines.push(`  request     ${amountsLine(vm.request)}`, `  allocation  ${amountsLine(vm.allocation)}`);
  if (vm.preemption?.active === true) {
    const { mode, by, byPriority } = vm.preemption;
    lines.push(
      `  preempted   ${mode} for ${by} (priority ${byPriority}); guaranteed: ${amountsLine(vm.guarantee)}`,
    );
  }
  lines.push(
    `  version ${vm.version}, incarnation ${vm.incarnation}, seed ${vm.seed}, priority ${vm.priority}`,
  );
  if (sample !== null) lines.push(...sampleLines(sample));
  return lines.join("\n");
}

function sampleLines(sample: VmSample): string[] {
  const { ribosomes, atp, machine } = sample;
  if (machine !== undefined) {
    const { vcpus, cpuPermille, memoryMiB, memoryUsedMiB } = machine;
    return [
      `  processor   ${cpuPermille === null ? "not measured" : `${(cpuPermille / 10).toFixed(1)} %`} of ${vcpus} vCPUs`,
      `  memory      ${memoryUsedMiB ?? "?"} of ${memoryMiB} MiB used`,
      `  address     ${machine.address ?? "not known"}, host ${machine.host ?? "not known"}`,
      `  uptime      ${sample.simMinutes.toFixed(1)} min, health ${sample.health}`,
    ];
  }
  return [
    `  doubling    ${minutes(sample.doublingTimeMinutes)}  (${sample.growthRatePerMinute.toPrecision(4)} per min)`,
    `  ribosomes   ${ribosomes.engaged.toFixed(0)} engaged of ${ribosomes.total.toFixed(0)}, cap ${ribosomes.cap}`,
    `  ATP         ${atp.perSecond.toFixed(0)} per s, cap ${atp.capPerSecond}`,
    `  divisions   ${sample.divisions} in ${sample.simMinutes} simulated min, health ${sample.health}`,
  ];
}
