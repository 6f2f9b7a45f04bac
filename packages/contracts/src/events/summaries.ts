/**
 * What each event type says, in one sentence, for docs/PROTOCOL.md and docs/asyncapi.json. A type without a sentence is
 * a compile error. The comments beside the schemas say more about fields and consequences.
 */
import type { ALERT_EVENTS } from "./alert.ts";
import type { CHASSIS_EVENTS } from "./chassis.ts";
import type { DRAIN_EVENTS } from "./drain.ts";
import type { EXPERIMENT_EVENTS } from "./experiment.ts";
import type { LEDGER_EVENTS } from "./ledger.ts";
import type { LOG_EVENTS } from "./log.ts";
import type { QUOTA_EVENTS } from "./quota.ts";
import type { SUPERSEDED_VM_EVENTS, VM_EVENTS } from "./vm.ts";

export type EventTypeName =
  | keyof typeof VM_EVENTS
  | keyof typeof SUPERSEDED_VM_EVENTS
  | keyof typeof LEDGER_EVENTS
  | keyof typeof CHASSIS_EVENTS
  | keyof typeof DRAIN_EVENTS
  | keyof typeof QUOTA_EVENTS
  | keyof typeof ALERT_EVENTS
  | keyof typeof LOG_EVENTS
  | keyof typeof EXPERIMENT_EVENTS;

export const EVENT_SUMMARIES: Readonly<Record<EventTypeName, string>> = {
  "bioxen.vm.created.v1": "The VM was created.",
  "bioxen.vm.start-requested.v1": "A start was requested; the VM waits for a place.",
  "bioxen.vm.deferred.v1": "No chassis can take the VM now, for these reasons.",
  "bioxen.vm.placed.v1": "The VM has a place: the ledger of the chassis holds its allocation.",
  "bioxen.vm.started.v1": "The guest has started.",
  "bioxen.vm.guest-restarted.v1":
    "The guest was started again at the same place, because its agent had died.",
  "bioxen.vm.paused.v1": "The guest is paused; the VM keeps its place.",
  "bioxen.vm.resumed.v1": "The guest runs again after a pause.",
  "bioxen.vm.stop-requested.v1": "A stop was requested; with `destroy` the VM is destroyed afterwards.",
  "bioxen.vm.stopped.v1": "The guest has ended, and the VM gives its place back.",
  "bioxen.vm.failed.v1": "The guest has failed; its restart policy decides what follows.",
  "bioxen.vm.displaced.v1":
    "The VM lost its place and waits for another one. Written until version 2 of this type.",
  "bioxen.vm.displaced.v2": "The VM lost its place and waits for another one.",
  "bioxen.vm.preempted.v1": "The VM gave up part of its allocation for a VM of higher priority.",
  "bioxen.vm.reinstated.v1": "The VM has its full request again after a preemption.",
  "bioxen.vm.resized.v1": "The request of the VM changed, and its allocation with it when it has a place.",
  "bioxen.vm.environment-changed.v1":
    "The environment of the guest changes at a minute of its simulated time.",
  "bioxen.vm.until-reached.v1":
    "The cell has reached its last minute (`until`): the VM is paused or stops, and is not restarted.",
  "bioxen.vm.executed.v1": "A program of a user ran in the guest, and may have changed it.",
  "bioxen.vm.transferred.v1": "The VM has another owner; its guest goes on.",
  "bioxen.vm.destroyed.v1": "The VM was destroyed.",
  "bioxen.vm.checkpointed.v1": "The state of the guest was stored; the next guest continues from it.",
  "bioxen.vm.checkpoint-lost.v1":
    "The stored state cannot be used; the next guest starts from the beginning.",
  "bioxen.vm.snapshotted.v1": "The state of the guest was stored as a named snapshot.",
  "bioxen.vm.snapshot-deleted.v1": "A snapshot was deleted.",
  "bioxen.vm.restored.v1": "The VM was restored to a snapshot, from which its next guest continues.",
  "bioxen.vm.migration-requested.v1": "A move was requested; the VM keeps running until there is a place.",
  "bioxen.vm.migrating.v1":
    "The VM has a place on the target chassis as well; its guest is handed over next.",
  "bioxen.vm.moved.v1": "The guest continues at the new place; the old reservation is released.",
  "bioxen.vm.migration-cancelled.v1": "The move ended, and the VM stays where it is.",
  "bioxen.vm.observed.v1": "The agent saw a change of the machine that BioXen did not make.",
  "bioxen.vm.start-refused.v1": "The host refused to start the guest; the start is tried again.",
  "bioxen.vm.start-progressed.v1": "A long start makes progress; the VM keeps its place.",
  "bioxen.ledger.opened.v1": "The ledger of a new chassis was opened.",
  "bioxen.ledger.capacity-changed.v1": "The capacity or the offer of the chassis changed.",
  "bioxen.ledger.reserved.v1": "The ledger holds these reservations of one plan.",
  "bioxen.ledger.committed.v1": "Reservations were confirmed: their guests run.",
  "bioxen.ledger.released.v1": "Entries were released.",
  "bioxen.ledger.expired.v1": "Reservations were not confirmed in time and ended.",
  "bioxen.ledger.resized.v1": "The amounts of one entry changed.",
  "bioxen.ledger.fenced.v1": "Unused charges of a quota for an earlier sequence of this ledger became void.",
  "bioxen.ledger.closed.v1": "The ledger of a removed chassis was closed.",
  "bioxen.chassis.registered.v1": "The chassis was registered.",
  "bioxen.chassis.reconfigured.v1": "The chassis was registered again with other values.",
  "bioxen.chassis.cordoned.v1": "The chassis takes no new VM.",
  "bioxen.chassis.uncordoned.v1": "The chassis takes new VMs again.",
  "bioxen.chassis.removed.v1": "The chassis was removed.",
  "bioxen.chassis.lost.v1":
    "The agent of the chassis was silent for too long; its cells are placed elsewhere.",
  "bioxen.chassis.recovered.v1": "The agent of the chassis is back, and the chassis takes VMs again.",
  "bioxen.chassis.machine-deletion-requested.v1":
    "An operator had a machine of another owner deleted from the pool.",
  "bioxen.chassis.machine-deletion-ended.v1":
    "The deletion of a machine of another owner has ended; `outcome` says how.",
  "bioxen.chassis.removal-failed.v1":
    "The pool keeps a machine, snapshot or disk that the agent was to remove; `nextTryAtMs` is null when it has given up.",
  "bioxen.chassis.removal-completed.v1":
    "What the pool had kept although the agent was to remove it is gone.",
  "bioxen.drain.started.v1": "A drain began: the chassis takes no VM, and its VMs move away.",
  "bioxen.drain.progressed.v1": "VMs of the drain have left the chassis, or have joined the drain.",
  "bioxen.drain.completed.v1": "No VM remains on the chassis.",
  "bioxen.drain.given-up.v1": "The deadline passed while VMs were still on the chassis.",
  "bioxen.drain.cancelled.v1": "The drain was cancelled.",
  "bioxen.quota.set.v1": "The quota was created, or its limits changed.",
  "bioxen.quota.enforced.v1": "The limits are in force; with `partial` they are not yet.",
  "bioxen.quota.charged.v1": "Amounts were charged to the quota, for one append to a ledger.",
  "bioxen.quota.settled.v1": "Charges were set to what the ledgers hold.",
  "bioxen.alert.rule-set.v1": "The rule was created or replaced.",
  "bioxen.alert.rule-removed.v1": "The rule was removed, and its active alerts ended.",
  "bioxen.alert.raised.v1": "An alert was raised.",
  "bioxen.alert.cleared.v1": "An alert ended.",
  "bioxen.alert.notified.v1":
    "Notifications were published and delivered to webhooks, except where `undelivered` says so.",
  "bioxen.alert.retry-requested.v1": "An operator asked for dead letters to be delivered again.",
  "bioxen.log.skipped.v1": "Every reader leaves out a message of the log that cannot be read.",
  "bioxen.log.unskipped.v1": "A skip was taken back.",
  "bioxen.experiment.started.v1": "An experiment began: its VMs follow from its file.",
  "bioxen.experiment.progressed.v1": "VMs of the experiment have their results, or have failed.",
  "bioxen.experiment.cancel-requested.v1": "A cancellation was requested; the VMs are destroyed next.",
  "bioxen.experiment.cancelled.v1": "The cancelled experiment has no VM left.",
  "bioxen.experiment.given-up.v1": "The experiment cannot go on; its VMs are destroyed next.",
  "bioxen.experiment.failed.v1": "The experiment that was given up has no VM left.",
  "bioxen.experiment.finished.v1":
    "Each VM has its result or has failed, and is destroyed unless the experiment keeps it.",
};
