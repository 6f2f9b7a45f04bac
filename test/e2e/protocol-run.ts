/**
 * A whole run of the product through its subjects: every command and query of the catalogue, refusals, durable commands,
 * alerts, moves, drains and a message that no service can read.
 */
import { eventually, type Json, type World } from "./world.ts";

/** VMs that only run, so that telemetry flows. */
const CELLS = 30;
/** A program that prints a line as soon as the guest starts. */
const PROGRAM = 'print("the cell runs")';
/** Jobs of one VM that are submitted at once: enough that the last one waits when it is cancelled. */
const QUEUED_JOBS = 40;
/** The stream subject of the message that no service can read. */
export const UNREADABLE_SUBJECT = "bioxen.evt.vm.unreadable";

export async function wholeRun(world: World): Promise<void> {
  await chassis(world);
  await fleet(world);
  await lifeOfOneVm(world);
  await statesOfGuests(world);
  await quotas(world);
  await placement(world);
  await alerts(world);
  await drain(world);
  await skips(world);
  await jobs(world);
  await experiments(world);
  await division(world);
  await readings(world);
  await refusals(world);
}

async function chassis(world: World): Promise<void> {
  const spare = { chassisId: "spare", chassisType: "ecoli", agentId: "local", labels: { room: "2" } };
  await world.done("cmd.chassis.register", { ...spare, taints: [{ key: "spare", effect: "NoSchedule" }] });
  await world.done("cmd.chassis.register", { ...spare, overheadPermille: 200 });
  await world.done("qry.chassis.get", { chassisId: "spare" });
  await world.done("qry.chassis.orphans", { chassisId: "spare" });
  // The agent has no pool, so it reports that the machine stays.
  const uuid = "0a0b0c0d-1a1b-4c1d-8a2b-2c2d3a3b3c3d";
  await world.done("cmd.chassis.delete-machine", { chassisId: "spare", uuid });
  await eventually("the agent has reported about the machine", async () => {
    const { version } = (await world.done("qry.chassis.get", { chassisId: "spare" })).chassis;
    return version === 4 || undefined;
  });
  // A pool keeps a disk, which a person then removes.
  const left = { vmId: "gone", kind: "disk", tries: 11, reason: "VDI_IN_USE", nextTryAtMs: null };
  for (const state of [left, null]) {
    await world.done("cmd.chassis.report-left", { chassisId: "spare", uuid, left: state });
  }
  await world.done("cmd.chassis.cordon", { chassisId: "spare" });
  await world.done("cmd.chassis.uncordon", { chassisId: "spare" });
  await world.done("cmd.chassis.remove", { chassisId: "spare" });
  await world.done("qry.chassis.list", {});
}

const cellIds = Array.from({ length: CELLS }, (_, i) => `cell-${i + 1}`);

async function fleet(world: World): Promise<void> {
  const request = { biologicalType: "syn3a", program: PROGRAM, labels: { team: "blue" } };
  // Most cells are on the large chassis, so that the small ones have room for the moves of the run.
  const placementOf = (i: number) => (i < 4 ? {} : { placement: { chassisTypes: ["yeast"] } });
  await Promise.all(
    cellIds.map((vmId, i) => world.done("cmd.vm.create", { vmId, ...request, ...placementOf(i) })),
  );
  await Promise.all(cellIds.map((vmId) => world.done("cmd.vm.start", { vmId })));
  for (const vmId of cellIds) await world.reach(vmId, "running");
}

async function lifeOfOneVm(world: World): Promise<void> {
  const vmId = "life";
  await world.done("cmd.vm.create", {
    vmId,
    biologicalType: "minimal_cell",
    resources: { ribosomes: "50%" },
    guarantee: { ribosomes: "10%" },
    burst: { ribosomes: "80%" },
    priority: 3,
    environment: { nutrientQuality: 0.4 },
    placement: { antiAffinity: [{ labels: { team: "red" }, preferred: true, weight: 2 }] },
    restartPolicy: { mode: "on-failure" },
    config: { partitionNoise: true },
    record: { everyMinutes: 1, fields: ["r", "growthRatePerMinute"] },
  });
  await world.done("cmd.vm.start", { vmId });
  await world.reach(vmId, "running");
  await world.done("cmd.vm.pause", { vmId });
  await world.reach(vmId, "paused");
  await world.done("cmd.vm.resume", { vmId });
  await world.done("cmd.vm.resize", { vmId, resources: { ribosomes: "60%" } });
  await world.done("cmd.vm.set-environment", { vmId, environment: { substrate: 9_000 }, atMinute: 100_000 });
  await world.done("cmd.vm.exec", { vmId, source: 'print("x") return {1, 2}' });
  await world.sample(vmId);
  await world.done("cmd.vm.transfer", { vmId, owner: "bob" });
  await world.done("cmd.vm.stop", { vmId });
  await world.reach(vmId, "stopped");
  await world.done("cmd.vm.destroy", { vmId });
  await world.reach(vmId, "destroyed");
}

async function statesOfGuests(world: World): Promise<void> {
  const vmId = "cell-1";
  await world.done("cmd.vm.snapshot", { vmId, snapshotId: "first" });
  await world.done("cmd.vm.fork", { vmId, fromSnapshotId: "first", newVmId: "fork-1" });
  await world.done("cmd.vm.restore", { vmId, snapshotId: "first" });
  await world.reach(vmId, "running");
  await world.done("cmd.vm.delete-snapshot", { vmId, snapshotId: "first" });
  const { chassisId } = (await world.done("qry.vm.get", { vmId })).vm;
  await world.done("cmd.vm.migrate", { vmId });
  await eventually("the VM has moved", async () => {
    const { vm } = await world.look("qry.vm.get", { vmId });
    return (vm?.state === "running" && vm.chassisId !== chassisId) || undefined;
  });
  await cancelledMove(world);
}

/** A move that is cancelled at once. The guest may already be handed over; the cancellation is then refused. */
async function cancelledMove(world: World): Promise<void> {
  const vmId = "here";
  await world.done("cmd.vm.create", {
    vmId,
    biologicalType: "syn3a",
    placement: { chassisTypes: ["ecoli"] },
  });
  await world.done("cmd.vm.start", { vmId });
  await world.reach(vmId, "running");
  const moves = [world.ask("cmd.vm.migrate", { vmId }), world.ask("cmd.vm.cancel-migration", { vmId })];
  await Promise.all(moves);
}

async function quotas(world: World): Promise<void> {
  await world.done("cmd.quota.set", { label: "team=blue", resources: { ribosomes: 1_000_000 } });
  await world.done("qry.quota.get", { label: "team=blue" });
  await world.done("qry.quota.get", { label: "team=green" });
  await world.done("cmd.quota.set", { owner: "bob", resources: { ribosomes: 1_000_000 } });
  await world.done("qry.quota.get", { owner: "bob" });
  await world.done("qry.quota.list", {});
  await world.done("cmd.vm.resize", { vmId: "cell-2", resources: { ribosomes: "90%" } });
}

async function placement(world: World): Promise<void> {
  await world.done("qry.placement.plan", { biologicalType: "ecoli" });
  await world.done("qry.placement.plan", { vmIds: ["cell-1", "cell-2"] });
  await world.done("qry.placement.explain", { vmId: "cell-1" });
  await world.done("qry.placement.rebalance", { policy: "bin-pack" });
  await world.done("cmd.chassis.rebalance", { policy: "spread", maxMoves: 1 });
  // A VM of high priority that fits only where others give way; then one that fits nowhere.
  await world.done("cmd.vm.create", {
    vmId: "lean",
    biologicalType: "syn3a",
    resources: { ribosomes: 100_000 },
    guarantee: { ribosomes: "10%" },
    placement: { chassisId: "yeast-1" },
  });
  await world.done("cmd.vm.start", { vmId: "lean" });
  await world.reach("lean", "running");
  const large = {
    biologicalType: "syn3a",
    resources: { ribosomes: 120_000 },
    placement: { chassisId: "yeast-1" },
  };
  await world.done("cmd.vm.create", { vmId: "urgent", ...large, priority: 5 });
  await world.done("cmd.vm.start", { vmId: "urgent" });
  await world.reach("urgent", "running");
  await world.done("cmd.vm.create", { vmId: "waits", ...large });
  await world.done("cmd.vm.start", { vmId: "waits" });
  await eventually("the VM has reasons", async () => {
    const { vm } = await world.look("qry.vm.get", { vmId: "waits" });
    return vm?.refusals.length > 0 || undefined;
  });
  await world.done("qry.placement.explain", { vmId: "waits" });
  await world.done("cmd.vm.destroy", { vmId: "waits" });
  await world.done("cmd.vm.destroy", { vmId: "urgent" });
  await eventually("the preempted VM has its request again", async () => {
    const { vm } = await world.look("qry.vm.get", { vmId: "lean" });
    return vm?.allocation?.ribosomes === 100_000 || undefined;
  });
}

async function alerts(world: World): Promise<void> {
  const rule = { ruleId: "any-growth", metric: "vm.growthPermille", above: 1, severity: "info" };
  await world.done("cmd.alert.set-rule", { ...rule, scope: { vmId: "cell-3" } });
  await eventually("the alert is active", async () => {
    const { active } = await world.look("qry.alert.list", { ruleId: "any-growth" });
    return active?.length > 0 || undefined;
  });
  await world.done("qry.alert.dead", {});
  await world.done("cmd.alert.retry", { ruleId: "any-growth" });
  await world.done("cmd.alert.set-rule", { ...rule, above: 1_000_000, scope: { vmId: "cell-3" } });
  await eventually("the alert has ended", async () => {
    const { active } = await world.look("qry.alert.list", { ruleId: "any-growth" });
    return active?.length === 0 || undefined;
  });
  await world.done("cmd.alert.remove-rule", { ruleId: "any-growth" });
}

async function drain(world: World): Promise<void> {
  await world.done("cmd.chassis.drain", { chassisId: "ecoli-1" });
  // More VMs than can move at once, so that the drain is still under way when it is cancelled.
  await world.done("cmd.chassis.drain", { chassisId: "yeast-1", parallelism: 1 });
  await world.done("qry.chassis.drain", { chassisId: "yeast-1" });
  await world.done("cmd.chassis.cancel-drain", { chassisId: "yeast-1" });
  await world.done("qry.chassis.drain", { chassisId: "ecoli-1" });
}

async function skips(world: World): Promise<void> {
  const ack = await world.send(UNREADABLE_SUBJECT, "no event");
  const problems = () => world.look("qry.log.problems", {});
  await eventually(
    "the message is known",
    async () => (await problems()).unreadable?.count === 1 || undefined,
  );
  await world.done("cmd.log.skip", { seq: ack.seq, reason: "written by a test", by: "operator" });
  await problems();
  await world.done("cmd.log.unskip", { seq: ack.seq, reason: "taken back", by: "operator" });
  await world.done("cmd.log.skip", { seq: ack.seq, reason: "left out for good", by: "operator" });
}

async function jobs(world: World): Promise<void> {
  const create = (vmId: string) => ({ vmId, biologicalType: "syn3a" });
  for (const id of ["job-1", "job-2"]) await world.ask("job.vm.create", create(id), `order.${id}`);
  await world.ask("job.vm.pause", { vmId: "job-1" }, "order.refused");
  await world.ask("job.vm.create", { vmId: "job-3", biologicalType: "dragon" }, "order.malformed");
  await world.ask("job.vm.destroy", { vmId: "job-2" }, "order.end");
  await world.reach("job-2", "destroyed");
  await world.done("qry.job.outcome", { id: "order.end" });
  let round = 0;
  await eventually("a waiting job is cancelled", async () => {
    round += 1;
    // The last job waits for its turn, which is that of its VM.
    const ids = Array.from({ length: QUEUED_JOBS }, (_, i) => `order.queued-${round}-${i + 1}`);
    await Promise.all(ids.map((id) => world.ask("job.vm.pause", { vmId: "job-1" }, id)));
    const reply = await world.ask("cmd.job.cancel", { id: ids.at(-1) });
    return reply.ok || undefined;
  });
}

/** An experiment that ends, and one that is cancelled. */
async function experiments(world: World): Promise<void> {
  const file = {
    base: { biologicalType: "syn3a", placement: { chassisTypes: ["yeast"] } },
    untilMinute: 10,
    record: { everyMinutes: 10, fields: ["r"] },
  };
  await world.done("cmd.experiment.start", { file: { ...file, experiment: "short" } });
  await eventually("the experiment has its result", async () => {
    const { experiment } = await world.look("qry.experiment.get", { experimentId: "short" });
    return experiment?.status === "finished" || undefined;
  });
  const long = { ...file, experiment: "long", untilMinute: 1_000_000, record: { everyMinutes: 100_000 } };
  await world.done("cmd.experiment.start", { file: long });
  await world.done("cmd.experiment.cancel", { experimentId: "long" });
}

/** A cell whose both daughters live divides once. */
async function division(world: World): Promise<void> {
  const config = { lineage: "both" };
  const until = { simMinutes: 130, then: "pause" };
  const line = { vmId: "line", biologicalType: "syn3a", timeScale: "max", until, config };
  await world.done("cmd.vm.create", line);
  await world.done("cmd.vm.start", { vmId: "line" });
  await eventually("the second daughter is a VM", async () => {
    const { vm } = await world.look("qry.vm.get", { vmId: "line-1" });
    return vm?.birth?.division === 1 || undefined;
  });
}

async function readings(world: World): Promise<void> {
  await world.done("qry.vm.list", { limit: 5 });
  await world.done("qry.vm.list", { state: "running", label: "team=blue" });
  await world.done("qry.vm.get", { vmId: "cell-1", atSeq: 60 });
  await world.done("qry.vm.history", { vmId: "cell-1" });
  await world.done("qry.course.get", { vmId: "life", limit: 2 });
  await world.done("qry.experiment.list", {});
  await world.done("qry.ledger.get", { chassisId: "yeast-1" });
  await world.done("qry.ledger.list", { limit: 1 });
  await world.done("qry.monitor.vm", { vmId: "cell-1" });
  await world.done("qry.monitor.chassis", { chassisId: "yeast-1" });
  await world.done("qry.monitor.fleet", {});
  await world.done("qry.monitor.history", {});
  await world.done("qry.monitor.report", {});
}

/** Requests that are refused: most are well formed, the last ones are not. */
const REFUSED: readonly (readonly [subject: string, payload: Json, code: string])[] = [
  ["cmd.vm.start", { vmId: "absent" }, "VM_NOT_FOUND"],
  ["cmd.vm.create", { vmId: "cell-1", biologicalType: "syn3a" }, "VM_ALREADY_EXISTS"],
  ["cmd.vm.pause", { vmId: "fork-1" }, "INVALID_TRANSITION"],
  ["cmd.vm.resize", { vmId: "cell-1", resources: { ribosomes: 10_000_000 } }, "CAPACITY_EXCEEDED"],
  ["cmd.vm.exec", { vmId: "cell-1", source: "error('on purpose')" }, "GUEST_ERROR"],
  ["cmd.vm.exec", { vmId: "cell-1", source: "while true do end", timeoutMs: 100 }, "GUEST_TIMEOUT"],
  ["cmd.vm.restore", { vmId: "cell-1", snapshotId: "absent" }, "SNAPSHOT_NOT_FOUND"],
  ["cmd.chassis.cordon", { chassisId: "absent" }, "CHASSIS_NOT_FOUND"],
  ["qry.chassis.get", { chassisId: "absent" }, "CHASSIS_NOT_FOUND"],
  ["qry.chassis.orphans", { chassisId: "absent" }, "CHASSIS_NOT_FOUND"],
  ["qry.ledger.get", { chassisId: "absent" }, "CHASSIS_NOT_FOUND"],
  ["qry.placement.explain", { vmId: "absent" }, "VM_NOT_FOUND"],
  ["cmd.experiment.start", { file: { experiment: "incomplete" } }, "BAD_REQUEST"],
  ["cmd.experiment.cancel", { experimentId: "absent" }, "EXPERIMENT_NOT_FOUND"],
  ["qry.experiment.get", { experimentId: "absent" }, "EXPERIMENT_NOT_FOUND"],
  ["cmd.alert.remove-rule", { ruleId: "absent" }, "ALERT_RULE_NOT_FOUND"],
  ["cmd.vm.create", { vmId: "No", biologicalType: "yeti", surprise: 1 }, "BAD_REQUEST"],
  ["cmd.vm.start", { vmId: "cell-1", force: "yes" }, "BAD_REQUEST"],
  ["cmd.quota.set", { label: "team=blue", resources: { ribosomes: -1 } }, "BAD_REQUEST"],
  ["cmd.alert.set-rule", { ruleId: "r", metric: "vm.health", severity: "info" }, "BAD_REQUEST"],
  ["qry.vm.list", { limit: 0 }, "BAD_REQUEST"],
];

async function refusals(world: World): Promise<void> {
  const wrong: string[] = [];
  for (const [subject, payload, code] of REFUSED) {
    const reply = await world.ask(subject, payload);
    if (reply.error?.code !== code) {
      wrong.push(`${subject} answered ${JSON.stringify(reply).slice(0, 200)} instead of ${code}`);
    }
  }
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
}
