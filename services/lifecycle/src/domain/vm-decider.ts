/** The decider of a VM: one table of all commands. Their rules are in one file per theme. */
import { type VmEvent, type VmState, vmFold } from "@bioxen/contracts";
import { deciderOf } from "@bioxen/kernel";
import { USER_RULES, type UserCommand } from "./vm.ts";
import { ENVIRONMENT_RULES, type EnvironmentCommand } from "./vm-environment.ts";
import { EXECUTED_RULES, type ExecutedCommand } from "./vm-executed.ts";
import { GUEST_STATE_RULES, type GuestStateCommand } from "./vm-guest-state.ts";
import { MOVE_RULES, type MoveCommand } from "./vm-move.ts";
import { PREEMPTION_RULES, type PreemptionCommand } from "./vm-preemption.ts";
import { REPORT_RULES, type ReportCommand } from "./vm-report.ts";
import { WORLD_RULES, type WorldCommand } from "./vm-world.ts";

export type VmCommand =
  | UserCommand
  | EnvironmentCommand
  | ExecutedCommand
  | GuestStateCommand
  | MoveCommand
  | PreemptionCommand
  | ReportCommand
  | WorldCommand;

export const vmDecider = deciderOf<VmState, VmCommand, VmEvent>(vmFold, {
  ...USER_RULES,
  ...ENVIRONMENT_RULES,
  ...EXECUTED_RULES,
  ...GUEST_STATE_RULES,
  ...MOVE_RULES,
  ...PREEMPTION_RULES,
  ...REPORT_RULES,
  ...WORLD_RULES,
});
