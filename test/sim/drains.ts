/**
 * Drains of a simulated cluster: operators who begin them, end them, and open chassis again; and what must hold when all is at rest.
 */
import {
  type ChassisState,
  type DrainState,
  drainFold,
  ENDPOINTS,
  type RequestOf,
  type Vm,
} from "@bioxen/contracts";
import { Fault, type Fold, ReadModel } from "@bioxen/kernel";
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

type Verb = "chassisDrain" | "chassisCancelDrain" | "chassisUncordon";

/** Operators who drain a chassis, some of them change their minds, and open it again. `inhabited`: chassis where VMs run. */
export function drainSometimes(
  universe: Universe,
  faults: Faults,
  bus: SimBus,
  inhabited: () => readonly string[],
  withinMs: number,
): void {
  if (!universe.chance(CHANCE)) return;
  const episodes = universe.between(EPISODES.least, EPISODES.most);
  for (let i = 0; i < episodes; i += 1) {
    universe.after(universe.between(0, withinMs), () => void episode(universe, faults, bus, inhabited(), i));
  }
}

async function episode(
  universe: Universe,
  faults: Faults,
  bus: SimBus,
  inhabited: readonly string[],
  i: number,
): Promise<void> {
  const chassisId = universe.pick(inhabited.length === 0 ? ["ecoli-1", "yeast-1"] : inhabited);
  const deadlineMs = universe.between(DEADLINE_MS.least, DEADLINE_MS.most);
  const insist = (verb: Verb, request: RequestOf<"chassisDrain">) =>
    insistOn(universe, faults, bus, verb, request, `drain-${verb}-${i}`);
  await insist("chassisDrain", { chassisId, parallelism: universe.between(1, 3), deadlineMs });
  if (universe.chance(CANCELLED)) {
    await universe.delay(universe.between(1, deadlineMs));
    await insist("chassisCancelDrain", { chassisId });
  } else await universe.delay(deadlineMs + universe.between(0, 3_000));
  await insist("chassisUncordon", { chassisId });
}

/** One message id for all tries. */
async function insistOn(
  universe: Universe,
  faults: Faults,
  bus: SimBus,
  verb: Verb,
  request: RequestOf<"chassisDrain">,
  messageId: string,
): Promise<void> {
  for (;;) {
    try {
      const reply = await bus.call(ENDPOINTS[verb].subject, request, { timeoutMs: TIMEOUT_MS, messageId });
      if (!reply.ok && reply.error.retryable) {
        await universe.delay(universe.between(10, 500));
        continue;
      }
      if (!reply.ok) faults.count(`refused ${reply.error.code}`);
      return;
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

  /** Every drain has ended, nobody is moved for one any more, and a cordon that was its own is gone with it. */
  checkRest(
    vms: readonly (readonly [string, Vm])[],
    chassis: ReadModel<ChassisState>,
    problem: (text: string) => void,
  ): void {
    for (const [chassisId, drain] of this.model.entries()) {
      if (!drain.exists) continue;
      if (drain.status === "draining") problem(`${chassisId} is being drained for ever`);
      const state = chassis.get(chassisId);
      const isOwnCordon =
        drain.ended !== null && state.registered && (state.cordonedSeq ?? 0) < drain.ended.seq;
      if (drain.status === "cancelled" && !drain.wasCordoned && isOwnCordon && state.cordoned) {
        problem(`${chassisId} is cordoned by a drain that was cancelled`);
      }
    }
    for (const [vmId, vm] of vms)
      if (vm.migration?.code === "DRAIN") problem(`${vmId} is moved for no drain`);
  }
}
