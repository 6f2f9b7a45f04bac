/**
 * One run: a cluster with faults while clients work, then without faults until it comes to rest. Safety is checked
 * after every append, liveness at the end.
 */
import { createHash } from "node:crypto";
import { isUnreadable, type StoredEvent } from "@bioxen/kernel";
import { LogVerifier } from "@bioxen/log-verifier";
import { MemoryBlobs } from "@bioxen/testkit/memory-blobs";
import { MemoryCourses } from "@bioxen/testkit/memory-courses";
import { MemoryLeaseStore } from "@bioxen/testkit/memory-leases";
import { MemorySnapshots } from "@bioxen/testkit/memory-snapshots";
import { AlertWitness, operate } from "./alerts.ts";
import { SimBus } from "./bus.ts";
import { Causes } from "./causes.ts";
import { Clients, LAST_ACT_MINUTE } from "./clients.ts";
import type { Cluster } from "./cluster.ts";
import { drainSometimes } from "./drains.ts";
import { Faults } from "./faults.ts";
import { Flood } from "./floods.ts";
import { Folds } from "./folds.ts";
import { Forger } from "./forgeries.ts";
import { GrowthWatch } from "./growth.ts";
import { checkBlobs, checkLastMinutes, checkRestored } from "./guest-states.ts";
import { SimLog } from "./log.ts";
import { CUT_HEAL_MS, type CutScene, LogCut } from "./log-cuts.ts";
import { OwnerChanges } from "./owners.ts";
import { type Plan, planInWords, planOf } from "./plan.ts";
import { checkNothingUnreadable, poisonSometimes } from "./poison.ts";
import { SimProcess } from "./processes.ts";
import { Voices } from "./twins.ts";
import { MAX_HAPPENINGS, Universe } from "./universe.ts";
import { SimWatchedLog } from "./watched-log.ts";

const TROUBLE_MS = 40_000;
/**
 * Time without faults until everything must have come to rest, ms: the time in which a cell reaches the last minute at
 * which something may act on it, and then all deadlines, waits and graces in a row.
 */
const HEAL_MS = LAST_ACT_MINUTE * 1_000 + 90_000;
const COMMANDS = 80;
const ALERT_COMMANDS = 12;
const VMS = 8;
/** The prefix of the cause id of a client's command, which is its subject and message id. */
const CLIENT_COMMANDS = "bioxen.cmd.vm.";
/** Events from one snapshot to the next; a run has a few hundred events. */
const SNAPSHOT_EVERY = { least: 1, most: 60 };

export interface RunReport {
  readonly seed: number;
  /** The large faults of the run, in words. */
  readonly plan: readonly string[];
  /** Empty for a run in which every check held. */
  readonly problems: readonly string[];
  readonly events: number;
  readonly happened: ReadonlyMap<string, number>;
  /** A digest of the log: equal for equal histories. */
  readonly trace: string;
}

export interface RunOptions {
  /** The large faults of the run. Default: the plan of the seed. */
  readonly plan?: Plan;
  /** Receives every event as it is appended, with the virtual time, ms. */
  readonly watch?: (event: StoredEvent, nowMs: number) => void;
}

/** Runs one seed. */
export async function run(seed: number, { plan = planOf(seed), watch }: RunOptions = {}): Promise<RunReport> {
  const universe = new Universe(seed);
  const faults = new Faults(universe);
  const problems: string[] = [];
  const problem = (text: string) => {
    if (problems.length < 20) problems.push(text);
  };
  /** The digest of every poison message, by its sequence: each is skipped in the end. */
  const poison = new Map<number, string>();
  let verifier = new LogVerifier(poison);
  const folds = new Folds();
  let causes = new Causes();
  const observe = (event: StoredEvent) => {
    verifier.observe(event);
    folds.apply(event, problem);
    causes.apply(event, problem);
  };
  const log = new SimLog(universe, faults, (event) => {
    observe(event);
    watch?.(event, universe.nowMs);
  });
  log.onPoison = (message) => {
    poison.set(message.seq, message.digest);
    if (isUnreadable(message)) verifier.unreadable(message);
    else verifier.observe(message);
  };
  const onBug = (thrown: unknown) =>
    problem(`a bug: ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
  const onOtherLog = () => {
    poison.clear();
    verifier = new LogVerifier(poison);
    causes = new Causes();
    folds.clear();
    log.replay((message, isEvent) => {
      if (!isEvent || isUnreadable(message)) return log.onPoison(message);
      observe(message);
    });
    clients.forgetLost(log.events);
  };
  const bus = new SimBus(universe, faults, log, onBug);
  const cluster = {
    universe,
    faults,
    log,
    bus,
    leases: new MemoryLeaseStore(),
    ended: new Set<string>(),
    seesEnded: universe.chance(0.5),
    voices: new Voices(problem),
    watched: plan.cut === undefined ? undefined : new SimWatchedLog(log),
    lanes: plan.flood === undefined ? undefined : { universe, faults, started: new Set<string>(), problem },
    witness: new AlertWitness(universe, faults),
    blobs: new MemoryBlobs({ nowMs: () => universe.nowMs }),
    courses: new MemoryCourses(),
    snapshots: new MemorySnapshots(),
    snapshotEvery: universe.between(SNAPSHOT_EVERY.least, SNAPSHOT_EVERY.most),
    onBug,
  };
  const processes = [
    ...(["lifecycle", "allocator", "chassis-scheduler", "monitor"] as const).flatMap((kind) =>
      Array.from({ length: universe.between(1, 3) }, (_, i) => new SimProcess(kind, cluster, i)),
    ),
    ...agentWithTwin("agent-a", cluster, "ecoli:1"),
    ...agentWithTwin("agent-b", cluster, "yeast:1"),
  ];
  for (const process of processes) if (!process.isTwin) process.start();
  const growth = new GrowthWatch(processes, problem);
  growth.begin(universe);
  const clients = new Clients(universe, faults, bus, folds);
  clients.send(COMMANDS, TROUBLE_MS, VMS);
  operate(universe, faults, bus, ALERT_COMMANDS, TROUBLE_MS);
  const drainOf = (chassisId: string) => folds.drains.model.get(chassisId);
  drainSometimes(universe, faults, bus, { inhabited: () => folds.inhabited(), drainOf, problem }, TROUBLE_MS);
  new Forger(cluster, folds).begin(TROUBLE_MS);
  poisonSometimes(cluster, TROUBLE_MS);
  const flood = plan.flood === undefined ? undefined : new Flood(cluster, plan.flood);
  flood?.begin();
  if (plan.owners !== undefined) new OwnerChanges(cluster, clients, plan.owners).begin();
  const cut = cutOf(plan.cut, { cluster, folds, processes, problem, onOtherLog });
  cut?.begin();
  const isCalm = await universe.runUntil(universe.nowMs + TROUBLE_MS);
  faults.heal();
  for (const process of processes) process.reconnect();
  if (
    !(
      isCalm &&
      (await universe.runUntil(universe.nowMs + HEAL_MS + (plan.cut === undefined ? 0 : CUT_HEAL_MS)))
    )
  ) {
    problem(`the cluster never comes to rest: more than ${MAX_HAPPENINGS} callbacks`);
  }

  for (const violation of verifier.report().violations) {
    problem(`${violation.rule} at ${violation.seq} ${violation.subject}: ${violation.message}`);
  }
  checkNothingUnreadable(processes, problem);
  if (clients.open > 0) problem(`${clients.open} commands were never answered`);
  checkAcknowledged(clients, log.events, problem);
  folds.checkRest(universe.nowMs, problem);
  folds.alerts.checkRest(folds.ledgers, folds.vms, folds.chassis, universe.nowMs, problem);
  cluster.witness.check(log.events, problem);
  checkGuests(processes, folds, problem);
  if (cluster.lanes !== undefined) flood?.checkRest(processes, cluster.lanes);
  const excused = cut?.lostBlobs ?? new Set<string>();
  await checkBlobs({ blobs: cluster.blobs, excused }, processes, folds.existing(), universe.nowMs, problem);
  checkRestored(log.events, universe.nowMs, processes, problem);
  checkLastMinutes(processes, folds.existing(), problem);
  for (const { envelope } of log.events) {
    faults.count(envelope.type);
    const { mode, code } = envelope.data as { mode?: string; code?: string };
    if (envelope.type === "bioxen.vm.preempted.v1") faults.count(`gave way: ${mode}`);
    if (envelope.type === "bioxen.vm.displaced.v2" && code === "PREEMPTED") faults.count("gave way: evict");
    const isResize = envelope.type === "bioxen.vm.resized.v1";
    if (envelope.type === "bioxen.vm.displaced.v2") faults.count(`displaced ${code}`);
    if (isResize && !envelope.causationid.startsWith("bioxen.cmd.")) faults.count("resize-adopted");
    const { simMinute, given } = envelope.data as { simMinute?: number; given?: object };
    if (isResize && simMinute !== undefined) faults.count("resized at a minute");
    if (isResize && given !== undefined) faults.count("resized at a coming minute");
  }
  return {
    seed,
    plan: planInWords(plan),
    problems,
    events: log.events.length,
    happened: faults.happened,
    trace: traceOf(log.events),
  };
}

function cutOf(plan: Plan["cut"], scene: Omit<CutScene, "watched">): LogCut | undefined {
  const { watched } = scene.cluster;
  return plan === undefined || watched === undefined ? undefined : new LogCut(plan, { ...scene, watched });
}

/** An agent, and a process with the same id that the fault `agent-doubled` starts. */
function agentWithTwin(kind: "agent-a" | "agent-b", cluster: Cluster, chassis: string): SimProcess[] {
  const twin = new SimProcess(kind, cluster, 1, { chassis, isTwin: true });
  return [new SimProcess(kind, cluster, 0, { chassis, twin }), twin];
}

function traceOf(events: readonly StoredEvent[]): string {
  const hash = createHash("sha256");
  for (const { envelope } of events) hash.update(JSON.stringify(envelope));
  return hash.digest("hex");
}

/**
 * Checks that the log has every acknowledged command exactly once, and that no command of a client has two effects on
 * one aggregate.
 */
function checkAcknowledged(
  clients: Clients,
  events: readonly StoredEvent[],
  problem: (text: string) => void,
): void {
  const counts = new Map<string, number>();
  const effects = new Set<string>();
  for (const { envelope, seq } of events) {
    const effect = `${envelope.causationid} on ${envelope.subject}`;
    if (isOfClient(envelope.causationid) && effects.has(effect))
      problem(`a second effect of ${effect} at ${seq}`);
    effects.add(effect);
    if (!envelope.subject.startsWith("vm/")) continue;
    counts.set(envelope.causationid, (counts.get(envelope.causationid) ?? 0) + 1);
  }
  for (const { causeId, vmId } of clients.acknowledged) {
    const count = counts.get(causeId) ?? 0;
    if (count !== 1) problem(`${causeId} of ${vmId} was acknowledged, and the log has it ${count} times`);
  }
}

function isOfClient(causeId: string): boolean {
  return causeId.startsWith(CLIENT_COMMANDS);
}

/** Checks that exactly the guests run that should run, each under its current fence. */
function checkGuests(processes: readonly SimProcess[], folds: Folds, problem: (text: string) => void): void {
  const guests = new Map<string, string>();
  for (const process of processes) {
    for (const guest of process.driver?.list() ?? []) {
      const text = `${guest.state} #${guest.fence}`;
      if (guests.has(guest.vmId)) problem(`${guest.vmId} runs twice: ${guests.get(guest.vmId)} and ${text}`);
      guests.set(guest.vmId, text);
    }
  }
  for (const [vmId, vm] of folds.existing()) {
    const wanted = vm.state === "running" || vm.state === "paused" ? `${vm.state} #${vm.fence}` : undefined;
    if (guests.get(vmId) !== wanted)
      problem(`${vmId} should be ${wanted ?? "gone"}, its guest is ${guests.get(vmId) ?? "gone"}`);
    guests.delete(vmId);
  }
  for (const [vmId, text] of guests) problem(`a guest without a VM: ${vmId} ${text}`);
}
