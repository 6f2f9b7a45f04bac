/**
 * Drains of a simulated cluster: operators who begin them, end them, and open chassis again; and what must hold when all is at rest.
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
import type { Faults } from "./faults.ts";
import type { SimBus } from "./network.ts";
import type { Universe } from "./universe.ts";

const TIMEOUT_MS = 3_000;
/** In half of the runs nobody drains: a closed chassis leaves little to plan. */
const CHANCE = 0.5;
const EPISODES = { least: 1, most: 3 };
/** A drain that is left alone ends within its deadline; one in three is not. */
const DEADLINE_MS = { least: 1_000, most: 15_000 };
const CANCELLED = 0.35;
/** From one try to open a chassis that is still being drained to the next, ms. */
const PATIENCE_MS = { least: 500, most: 2_000 };

type Verb = "chassisDrain" | "chassisCancelDrain" | "chassisUncordon";

/** The cluster as its log has it. */
export interface DrainScene {
  /** Chassis where VMs run. */
  readonly inhabited: () => readonly string[];
  readonly drainOf: (chassisId: string) => DrainState;
  readonly problem: (text: string) => void;
}

/** Operators who drain a chassis, some of them change their minds, and open it again. */
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
    // Its own cordon a cancelled drain takes back itself.
    if (reply.ok && reply["changed"] === true && !isCordonOfOthers(reply)) return;
  } else await universe.delay(deadlineMs + universe.between(0, 3_000));
  for (let tries = 0; ; tries += 1) {
    const before = scene.drainOf(chassisId);
    const reply = await insist("chassisUncordon", { chassisId }, tries);
    if (reply.ok || reply.error.code !== "CONFLICT") return;
    const isTrue = isUnderWay(before) || scene.drainOf(chassisId) !== before;
    if (!isTrue) scene.problem(`${chassisId} was not opened, for a drain that had ended before`);
    await universe.delay(universe.between(PATIENCE_MS.least, PATIENCE_MS.most));
  }
}

function isUnderWay(drain: DrainState): boolean {
  return drain.exists && drain.status === "draining";
}

function isCordonOfOthers(reply: Reply): boolean {
  return (reply as Reply & ResultOf<"chassisCancelDrain">).drain?.wasCordoned !== false;
}

/** One message id for all tries; the answer that is final. */
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
      if (!reply.ok && reply.error.retryable) {
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

  /** Every drain has ended, nobody is moved for one any more, and no chassis is closed: whoever closed one has opened it. */
  checkRest(
    vms: readonly (readonly [string, Vm])[],
    chassis: ReadModel<ChassisState>,
    problem: (text: string) => void,
  ): void {
    for (const [chassisId, drain] of this.model.entries()) {
      if (isUnderWay(drain)) problem(`${chassisId} is being drained for ever`);
    }
    for (const [chassisId, state] of chassis.entries()) {
      if (state.registered && state.cordoned) problem(`${chassisId} is cordoned for ever`);
    }
    for (const [vmId, vm] of vms)
      if (vm.migration?.code === "DRAIN") problem(`${vmId} is moved for no drain`);
  }
}
