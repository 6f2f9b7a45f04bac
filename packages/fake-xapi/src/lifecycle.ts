/**
 * A table of the operations that XAPI allows in each power state of a VM, and XAPI's lifecycle checks in their order.
 * Both follow xapi_vm_lifecycle.ml of xapi-project/xen-api at commit e2ee48d (`allowed_power_states`,
 * `is_allowed_concurrently`, `check_template`, `check_snapshot`, `check_operation_error`).
 */
import { Refusal } from "./refusal.ts";
import type { FakeRecord } from "./schema.ts";

export type PowerState = "Halted" | "Paused" | "Running" | "Suspended";

const ANY: readonly PowerState[] = ["Halted", "Paused", "Suspended", "Running"];

interface Rule {
  readonly from: readonly PowerState[];
  /** Power state after the operation; absent when it does not change. */
  readonly to?: PowerState;
  /** Whether the operation is allowed for a template. */
  readonly template?: boolean;
  /** Whether the operation is allowed for a snapshot. */
  readonly snapshot?: boolean;
  /** Whether the operation on a running VM needs the guest's tools. */
  readonly needsTools?: boolean;
  /** Whether the operation may start while any other operation but itself is in progress. */
  readonly overtakes?: boolean;
}

export const LIFECYCLE: Readonly<Record<string, Rule>> = {
  start: { from: ["Halted"], to: "Running" },
  clone: { from: ["Halted"], template: true, snapshot: true },
  copy: { from: ["Halted"], template: true, snapshot: true },
  provision: { from: ["Halted"], template: true },
  clean_shutdown: { from: ["Running"], to: "Halted", needsTools: true },
  clean_reboot: { from: ["Running"], needsTools: true },
  pause: { from: ["Running"], to: "Paused" },
  unpause: { from: ["Paused"], to: "Running" },
  suspend: { from: ["Running"], to: "Suspended", needsTools: true },
  resume: { from: ["Suspended"], to: "Running" },
  pool_migrate: { from: ["Running"] },
  hard_reboot: { from: ["Paused", "Running"], to: "Running" },
  hard_shutdown: { from: ["Paused", "Suspended", "Running"], to: "Halted", snapshot: true, overtakes: true },
  checkpoint: { from: ["Paused", "Suspended", "Running"], needsTools: true },
  snapshot: { from: ANY },
  revert: { from: ANY, snapshot: true },
  /** The state of the VM itself while it is reverted to a snapshot. */
  reverting: { from: ANY },
  destroy: { from: ["Halted", "Suspended"], template: true, snapshot: true },
  changing_memory_limits: { from: ["Halted"], template: true },
  changing_dynamic_range: { from: ["Halted", "Running"], template: true },
  changing_VCPUs: { from: ["Halted"], template: true },
  changing_VCPUs_live: { from: ["Running"] },
};

/** Operations of which several may be in progress on one VM at once. */
const CONCURRENT: readonly (readonly string[])[] = [
  ["clone", "copy"],
  ["snapshot", "checkpoint"],
];

export type VmOperation = keyof typeof LIFECYCLE & string;

/**
 * Checks that `operation` is allowed for the VM in its present state, and returns the rule of the operation. Throws the
 * error that XAPI would answer.
 */
export function assertAllowed(ref: string, vm: FakeRecord, operation: VmOperation, hasTools: boolean): Rule {
  const rule = LIFECYCLE[operation];
  if (rule === undefined) throw new Refusal("INTERNAL_ERROR", `no rule for ${operation}`);
  const blocked = (vm["blocked_operations"] as Record<string, string>)[operation];
  if (blocked !== undefined) throw new Refusal("OPERATION_BLOCKED", ref, blocked);
  assertPowerState(ref, vm, operation, rule);
  const others = Object.entries(vm["current_operations"] as Record<string, string>);
  const [other] = others;
  if (
    other !== undefined &&
    !isConcurrent(
      rule,
      operation,
      others.map(([, name]) => name),
    )
  ) {
    throw new Refusal("OTHER_OPERATION_IN_PROGRESS", "VM", ref, other[1], other[0]);
  }
  const isSnapshot = vm["is_a_snapshot"] === true;
  if (vm["is_a_template"] === true && !isSnapshot && rule.template !== true) {
    throw new Refusal("VM_IS_TEMPLATE", ref, operation);
  }
  if (isSnapshot && rule.snapshot !== true) throw new Refusal("VM_IS_SNAPSHOT", ref, operation);
  if (rule.needsTools === true && vm["power_state"] === "Running" && !hasTools)
    throw new Refusal("VM_LACKS_FEATURE", ref);
  return rule;
}

/** Throws `VM_BAD_POWER_STATE` unless the operation is allowed in the VM's present power state. */
export function assertPowerState(ref: string, vm: FakeRecord, operation: VmOperation, rule: Rule): void {
  const state = vm["power_state"] as PowerState;
  // A snapshot with memory is suspended and can be cloned; another suspended VM cannot.
  const isClonable = (operation === "clone" || operation === "copy") && vm["is_a_snapshot"] === true;
  if (rule.from.includes(state) || (isClonable && state === "Suspended")) return;
  const expected = rule.from.map((one) => one.toLowerCase()).join(", ");
  throw new Refusal("VM_BAD_POWER_STATE", ref, expected, state.toLowerCase());
}

/** Returns whether the operation may start while the operations `current` are in progress. */
function isConcurrent(rule: Rule, operation: VmOperation, current: readonly string[]): boolean {
  if (rule.overtakes === true) return !current.includes(operation);
  return CONCURRENT.some((set) => [operation, ...current].every((one) => set.includes(one)));
}
