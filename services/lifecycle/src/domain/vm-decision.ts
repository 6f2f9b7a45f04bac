/** Types and rejections that several rules of the VM's decider share. */
import { refuse, type Vm, type VmEvent } from "@bioxen/contracts";
import type { Decision } from "@bioxen/kernel";

export type VmDecision = Decision<VmEvent>;
export type VmRejection = Extract<VmDecision, { readonly ok: false }>;

/** A command on one VM. It has the VM's id, because error texts name the id and the VM's state does not have it. */
export interface OnVm<Type extends string> {
  readonly type: Type;
  readonly vmId: string;
}

export function noVm(vmId: string): VmRejection {
  return refuse("VM_NOT_FOUND", `there is no VM ${vmId}`);
}

export function vmExists(vmId: string, { state }: Vm): VmRejection {
  return refuse("VM_ALREADY_EXISTS", `VM ${vmId} exists and is ${state}`);
}

/** Returns the rejection of a command whose reservation ended, or was replaced, before the command was recorded. */
export function placeChanged(vmId: string): VmRejection {
  return refuse("CONFLICT", `${vmId} lost or changed its place meanwhile: try again`, { retryable: true });
}

/** Returns the rejection of a command that relies on resources which a preemption has taken in the meantime. */
export function preemptedMeanwhile(vmId: string): VmRejection {
  return refuse("CONFLICT", `${vmId} has just been preempted: try again`, { retryable: true });
}
