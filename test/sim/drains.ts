/**
 * Drains of a simulated cluster: operators that start and cancel them and uncordon the chassis, and the checks at rest.
 */
import {
  type ChassisState,
  type DrainState,
  drainFold,
  ENDPOINTS,
  type RequestOf,
  type ResultOf,
  type Vm,
} from "@bioxen/contracts";
import { Fault, type Fold, ReadModel, type Reply } from "@bioxen/kernel";
import type { SimBus } from "./bus.ts";
import type { Faults } from "./faults.ts";
import type { Universe } from "./universe.ts";

const TIMEOUT_MS = 3_000;
/** Half of the runs have no drain, because a cordoned chassis leaves little to plan. */
const CHANCE = 0.5;
const EPISODES = { least: 1, most: 3 };
/** The deadline of a drain, ms. About one drain in three is cancelled before it. */
const DEADLINE_MS = { least: 1_000, most: 15_000 };
const CANCELLED = 0.35;
/** Time from one attempt to uncordon a chassis that is still being drained to the next, ms. */
const PATIENCE_MS = { least: 500, most: 2_000 };

type Verb = "chassisDrain" | "chassisCancelDrain" | "chassisUncordon";

/** The state of the cluster by its log. */
export interface DrainScene {
  /** Chassis where VMs run. */
  readonly inhabited: () => readonly string[];
  readonly drainOf: (chassisId: string) => DrainState;
  readonly problem: (text: string) => void;
}

/** Now and then drains a chassis, cancels some of the drains, and uncordons the chassis afterwards. */
export function drainSometimes(
  universe: Universe,
  faults: Faults,
  bus: SimBus,
  scene: DrainScene,
  withinMs: number,
): void {
  if (!universe.chance(CHANCE)) return;
  const episodes = universe.between(EPISODES.least, EPISODES.most);
  for (let i = 0; i < episodes; i += 1) {
    universe.after(universe.between(0, withinMs), () => void episode(universe, faults, bus, scene, i));
  }
}

async function episode(
  universe: Universe,
  faults: Faults,
  bus: SimBus,
  scene: DrainScene,
  i: number,
): Promise<void> {
  const inhabited = scene.inhabited();
  const chassisId = universe.pick(inhabited.length === 0 ? ["ecoli-1", "yeast-1"] : inhabited);
  const deadlineMs = universe.between(DEADLINE_MS.least, DEADLINE_MS.most);
  const insist = (verb: Verb, request: RequestOf<"chassisDrain">, tries = 0) =>
    insistOn(universe, faults, bus, verb, request, `drain-${verb}-${i}-${tries}`);
  await insist("chassisDrain", { chassisId, parallelism: universe.between(1, 3), deadlineMs });
  if (universe.chance(CANCELLED)) {
    await universe.delay(universe.between(1, deadlineMs));
    const reply = await insist("chassisCancelDrain", { chassisId });
    // A cancelled drain removes the cordon that it placed itself.
    if (reply.ok && reply["changed"] === true && !isCordonOfOthers(reply)) return;
  } else await universe.delay(deadlineMs + universe.between(0, 3_000));
  for (let tries = 0; ; tries += 1) {
    const before = scene.drainOf(chassisId);
    const reply = await insist("chassisUncordon", { chassisId }, tries);
    if (reply.ok || reply.error.code !== "CONFLICT") return;
    const isTrue = isUnderWay(before) || scene.drainOf(chassisId) !== before;
    if (!isTrue) scene.problem(`${chassisId} was not uncordoned because of a drain that had already ended`);
    await universe.delay(universe.between(PATIENCE_MS.least, PATIENCE_MS.most));
  }
}

function isUnderWay(drain: DrainState): boolean {
  return drain.exists && drain.status === "draining";
}

function isCordonOfOthers(reply: Reply): boolean {
  return (reply as Reply & ResultOf<"chassisCancelDrain">).drain?.wasCordoned !== false;
}

/** Repeats a command under one message id until the answer is final, and returns that answer. */
async function insistOn(
  universe: Universe,
  faults: Faults,
  bus: SimBus,
  verb: Verb,
  request: RequestOf<"chassisDrain">,
  messageId: string,
): Promise<Reply> {
  for (;;) {
    try {
      const reply = await bus.call(ENDPOINTS[verb].subject, request, { timeoutMs: TIMEOUT_MS, messageId });
      // A message that cannot be read may have set the aggregate aside: the operator tries again after its skip.
      if (!reply.ok && (reply.error.retryable || reply.error.code === "UNAVAILABLE")) {
        await universe.delay(universe.between(10, 500));
        continue;
      }
      if (!reply.ok) faults.count(`refused ${reply.error.code}`);
      return reply;
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      await universe.delay(universe.between(10, 500));
    }
  }
}

export class DrainFolds {
  readonly model: ReadModel<DrainState>;

  constructor(frozen: (fold: Fold<DrainState>) => Fold<DrainState>) {
    this.model = new ReadModel<DrainState>("drain", frozen(drainFold));
  }

  /** Checks that every drain has ended, no VM is being moved for one, and no chassis is still cordoned. */
  checkRest(
    vms: readonly (readonly [string, Vm])[],
    chassis: ReadModel<ChassisState>,
    problem: (text: string) => void,
  ): void {
    for (const [chassisId, drain] of this.model.entries()) {
      if (isUnderWay(drain)) problem(`${chassisId} is still being drained`);
    }
    for (const [chassisId, state] of chassis.entries()) {
      if (state.registered && state.cordoned) problem(`${chassisId} is still cordoned`);
    }
    for (const [vmId, vm] of vms)
      if (vm.migration?.code === "DRAIN") problem(`${vmId} is being moved for a drain that has ended`);
  }
}
