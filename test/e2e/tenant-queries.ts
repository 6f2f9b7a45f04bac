/**
 * What a tenant asks for about another tenant: cases for each endpoint of the catalogue that it may call, and for each
 * query. `tenant-isolation.test.ts` fails when an endpoint has none.
 */
import { accessOf, ENDPOINTS, type EndpointName, QUERY_PREFIX } from "@bioxen/contracts";

/** A word in every name, label, program and output of the tenant that nothing may be read of. */
export const MARK = "hidden";
/** The tenant whose work is hidden, and the tenant that asks. */
export const OWNER = `${MARK}-owner`;
export const READER = "bob";

/** The running VM of the owner. */
export const CELL = `${OWNER}-cell`;
/** A VM that the reader made and that now belongs to the owner. */
export const GIVEN = `${READER}-given`;
export const SNAPSHOT = `${MARK}-snapshot`;
/** Running VM of the reader, which the owner's VM has preempted. */
export const OWN = `${READER}-own`;
/** VM of the reader that has preempted {@link LOW}, a VM of the owner. */
export const URGENT = `${READER}-urgent`;
export const LOW = `${OWNER}-low`;
export const JOB = `${MARK}-job`;
export const LABELS = { [`${MARK}-label`]: `${MARK}-value` };
export const PROGRAM = `print("${MARK} output") return "${MARK} result"`;
/** What a request names in the place of a VM of the owner, to compare the answers. */
const ABSENT = `${READER}-absent`;

export interface Probe {
  readonly request: object;
  /** The same request about something that does not exist. Both answers must be equal but for the name. */
  readonly absent?: { readonly request: object; readonly name: string; readonly for: string };
}

/** Requests about each VM of the owner, each beside the same request about a VM that does not exist. */
function onVms(more: object = {}): Probe[] {
  return [CELL, GIVEN].map((vmId) => ({
    request: { vmId, ...more },
    absent: { request: { vmId: ABSENT, ...more }, name: vmId, for: ABSENT },
  }));
}

/** Requests that name the owner's label, each beside one that names a label that does not exist. */
const nearLabels = (terms: "affinity" | "antiAffinity"): Probe => {
  const plan = (labels: object) => ({ biologicalType: "syn3a", placement: { [terms]: [{ labels }] } });
  const absent = { [`${MARK}-label`]: "absent-value" };
  return {
    request: plan(LABELS),
    absent: { request: plan(absent), name: `${MARK}-value`, for: "absent-value" },
  };
};

const OF_CHASSIS: Probe[] = [{ request: { chassisId: "ecoli-1" } }];
const PAGED: Probe[] = [{ request: {} }, { request: { limit: 1 } }];

/**
 * Everything that the reader asks, by endpoint. At the sequence `seq` of the log, the VMs and their preemptions are as
 * they are now.
 */
export const probesAt = (seq: number): Readonly<Partial<Record<EndpointName, readonly Probe[]>>> => ({
  vmGet: [
    ...onVms(),
    ...onVms({ atSeq: seq }),
    { request: { vmId: OWN } },
    { request: { vmId: OWN, atSeq: seq } },
    { request: { vmId: OWN, cursor: `${seq}:${CELL}:0` } },
  ],
  vmList: [
    ...PAGED,
    { request: { owner: OWNER } },
    { request: { chassisId: "ecoli-1" } },
    { request: { label: `${MARK}-label` } },
    { request: { cursor: READER } },
    { request: { cursor: `${MARK},${seq}` } },
    { request: { cursor: `${seq}:${CELL}:0` } },
    { request: { state: "destroyed", owner: OWNER } },
  ],
  vmHistory: [
    ...onVms(),
    ...onVms({ cursor: `${seq}:${CELL}:0` }),
    { request: { vmId: OWN } },
    // The cursor of the history of another VM.
    { request: { vmId: OWN, cursor: `${seq}:${CELL}:0` } },
  ],
  courseGet: [
    ...onVms(),
    ...onVms({ incarnation: 1 }),
    ...onVms({ cursor: `1:0:${CELL}` }),
    { request: { vmId: OWN, fields: [`${MARK}-field`] } },
  ],
  experimentGet: [
    { request: { experimentId: MARK } },
    { request: { experimentId: CELL, cursor: `${seq}:${CELL}:0` } },
  ],
  experimentStart: [{ request: { file: { experiment: CELL } } }, { request: { file: {} } }],
  experimentList: [...PAGED, { request: { owner: OWNER } }],
  experimentCancel: [{ request: { experimentId: MARK } }],
  vmStart: onVms(),
  vmPause: onVms(),
  vmResume: onVms(),
  vmStop: onVms({ force: true }),
  vmDestroy: onVms(),
  vmResize: onVms({ resources: { ribosomes: 10 } }),
  vmSetEnvironment: onVms({ environment: { nutrientQuality: 0.1 } }),
  vmExec: [...onVms({ source: PROGRAM }), ...onVms({ source: "return 1", readOnly: true })],
  vmSnapshot: onVms(),
  vmRestore: onVms({ snapshotId: SNAPSHOT }),
  vmDeleteSnapshot: onVms({ snapshotId: SNAPSHOT }),
  vmFork: [
    ...onVms({ newVmId: `${READER}-fork` }),
    ...onVms({ newVmId: `${READER}-fork`, fromSnapshotId: SNAPSHOT }),
    // A snapshot of another VM.
    { request: { vmId: OWN, newVmId: `${READER}-fork`, fromSnapshotId: SNAPSHOT } },
  ],
  vmMigrate: onVms(),
  vmCancelMigration: onVms(),
  vmCreate: [
    { request: { vmId: CELL, biologicalType: "syn3a" } },
    { request: { vmId: GIVEN, biologicalType: "syn3a" } },
  ],
  chassisGet: OF_CHASSIS,
  chassisList: PAGED,
  chassisOrphans: OF_CHASSIS,
  chassisDrainGet: OF_CHASSIS,
  placementPlan: [
    ...[CELL, GIVEN].map((vmId) => ({
      request: { vmIds: [OWN, vmId] },
      absent: { request: { vmIds: [OWN, ABSENT] }, name: vmId, for: ABSENT },
    })),
    { request: { vmIds: [OWN] } },
    { request: { biologicalType: "syn3a", priority: 5, resources: { ribosomes: 14_000 } } },
    { request: { vmId: CELL, biologicalType: "syn3a" } },
    nearLabels("affinity"),
    nearLabels("antiAffinity"),
  ],
  placementExplain: [
    ...onVms(),
    { request: { vmId: OWN } },
    { request: { vmId: OWN, limit: 1 } },
    { request: { vmId: URGENT } },
  ],
  placementRebalance: [{ request: {} }],
  ledgerGet: [...OF_CHASSIS, { request: { chassisId: "ecoli-1", atSeq: seq } }],
  ledgerList: PAGED,
  quotaGet: [
    { request: { owner: OWNER } },
    { request: { label: `${MARK}-label` } },
    { request: { owner: READER } },
  ],
  quotaList: PAGED,
  monitorVm: onVms(),
  monitorChassis: OF_CHASSIS,
  monitorFleet: PAGED,
  monitorHistory: [{ request: {} }],
  monitorReport: PAGED,
  alertList: PAGED,
  alertDead: PAGED,
  logProblems: [{ request: {} }],
  jobOutcomeGet: [JOB, `_of.${OWNER}.${JOB}`, `${OWNER}/${JOB}`].map((id) => ({
    request: { id },
    absent: { request: { id: "absent" }, name: id, for: "absent" },
  })),
  jobCancel: [JOB, `_of.${OWNER}.${JOB}`].map((id) => ({
    request: { id },
    absent: { request: { id: "absent" }, name: id, for: "absent" },
  })),
});

/** The endpoints that need a case: every query, and everything that a tenant may call. */
export const PROBED = (
  Object.entries(ENDPOINTS) as [EndpointName, (typeof ENDPOINTS)[EndpointName]][]
).filter(
  ([, endpoint]) => endpoint.subject.startsWith(QUERY_PREFIX) || accessOf("tenant", endpoint) !== "none",
);

/** The queries in whose answers the admin sees the mark: without that, a reader that sees nothing proves nothing. */
export const SEEN_BY_ADMIN: readonly (readonly [EndpointName, object])[] = [
  ["vmGet", { vmId: CELL }],
  ["vmGet", { vmId: OWN }],
  ["vmList", {}],
  ["vmHistory", { vmId: CELL }],
  ["vmHistory", { vmId: OWN }],
  ["chassisList", {}],
  ["chassisGet", { chassisId: "ecoli-1" }],
  ["chassisDrainGet", { chassisId: "ecoli-1" }],
  ["placementPlan", { biologicalType: "syn3a", priority: 5, resources: { ribosomes: 14_000 } }],
  ["placementExplain", { vmId: OWN }],
  ["placementExplain", { vmId: URGENT }],
  ["ledgerGet", { chassisId: "ecoli-1" }],
  ["ledgerList", {}],
  ["quotaList", {}],
  ["quotaGet", { owner: OWNER }],
  ["monitorVm", { vmId: CELL }],
  ["monitorFleet", {}],
  ["alertList", {}],
];
