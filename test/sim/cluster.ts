/**
 * What the processes of one simulated cluster share.
 */
import type { LeaseStore } from "@bioxen/kernel";
import type { MemoryBlobs } from "@bioxen/testkit/memory-blobs";
import type { MemoryCourses } from "@bioxen/testkit/memory-courses";
import type { MemorySnapshots } from "@bioxen/testkit/memory-snapshots";
import type { AlertWitness } from "./alerts.ts";
import type { SimBus } from "./bus.ts";
import type { Faults } from "./faults.ts";
import type { LaneScene } from "./lanes.ts";
import type { SimLog } from "./log.ts";
import type { Voices } from "./twins.ts";
import type { Universe } from "./universe.ts";
import type { SimWatchedLog } from "./watched-log.ts";

export interface Cluster {
  readonly universe: Universe;
  readonly faults: Faults;
  readonly log: SimLog;
  readonly bus: SimBus;
  readonly snapshots: MemorySnapshots;
  /** Events from one snapshot of the folds to the next. */
  readonly snapshotEvery: number;
  readonly leases: LeaseStore;
  /** The names of lives that have ended. A process that can see so does not wait for the leases of such a life. */
  readonly ended: Set<string>;
  /** Whether processes see in this run that the life of another process has ended, as on one machine. */
  readonly seesEnded: boolean;
  readonly voices: Voices;
  /** What the guards of the services see; undefined in a run without a cut of the log, in which there are no guards. */
  readonly watched: SimWatchedLog | undefined;
  /** What the lanes of the services share; undefined in a run without a flood, in which services have no lanes. */
  readonly lanes: LaneScene | undefined;
  readonly witness: AlertWitness;
  readonly blobs: MemoryBlobs;
  readonly courses: MemoryCourses;
  /** Reports a bug in a service, which fails the run. */
  readonly onBug: (thrown: unknown) => void;
}
