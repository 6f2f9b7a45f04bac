/**
 * Report on what limits the fleet. Each finding names its subject, the numbers behind it, and a remedy.
 *
 * Findings are ordered by effect: outages first, then slow guests, then resources that are nearly used up.
 */
import type { PlacementRefusal } from "@bioxen/contracts";

export interface ReportInput {
  readonly chassis: readonly {
    readonly chassisId: string;
    readonly heartbeatAgeMs: number | null;
    readonly eventLoopLagMs: number | null;
    /** Reserved share of the offer, per resource. */
    readonly reservedPermille: Readonly<Record<string, number>>;
  }[];
  readonly waiting: readonly {
    readonly vmId: string;
    readonly waitedMs: number;
    readonly refusals: readonly PlacementRefusal[];
  }[];
  readonly impaired: readonly {
    readonly vmId: string;
    readonly code: string;
    readonly message: string;
    readonly health: number | null;
  }[];
  readonly services: readonly {
    readonly service: string;
    readonly ready: boolean;
    readonly lagEvents: number | null;
    /** Why the instance does no work yet. */
    readonly waiting?: string | undefined;
    /** Only for an agent: `refused` has the chassis that this agent should run, but that another process runs. */
    readonly agent?:
      | { readonly refused: readonly { readonly chassisId: string; readonly reason: string }[] }
      | undefined;
  }[];
  readonly fairness: number | null;
  readonly telemetryLostPermille: number | null;
}

export interface Finding {
  readonly severity: "critical" | "warning" | "info";
  readonly about: string;
  readonly message: string;
  readonly remedy: string;
}

/** Age of the last heartbeat, ms, beyond which a chassis is reported as silent: it starts and stops no VMs. */
const SILENT_AFTER_MS = 3_500;
/** Reserved share from which a resource is reported as nearly used up, ‰. */
const TIGHT_FROM_PERMILLE = 900;
/** Event loop lag from which an agent is reported as busy, ms: all its guests fall behind. */
const BUSY_FROM_MS = 500;
/** Number of events not yet applied from which a service is reported as lagging. */
const LAGGING_FROM_EVENTS = 1_000;
/** Jain's index below which shares are reported as uneven: at 0.9 one VM of ten has nothing. */
const UNEVEN_BELOW = 0.9;
/** Share of lost telemetry from which measurements are reported as incomplete, ‰. */
const LOSSY_FROM_PERMILLE = 20;
/** Maximum number of ids that one message names; further ones are counted. */
const NAMED = 5;

export function findingsOf(input: ReportInput): Finding[] {
  return [
    ...silentChassis(input),
    ...contestedChassis(input),
    ...services(input),
    ...waits(input),
    ...impairments(input),
    ...busyAgents(input),
    ...tightChassis(input),
    ...unevenness(input),
    ...losses(input),
  ];
}

function listed(ids: readonly string[]): string {
  const named = ids.slice(0, NAMED).join(", ");
  return ids.length > NAMED ? `${named} and ${ids.length - NAMED} more` : named;
}

const percent = (permille: number) => `${Math.round(permille / 10)} %`;
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
const count = (n: number, what: string) => (n === 1 ? `1 ${what}` : `${n} ${what}s`);

function silentChassis({ chassis }: ReportInput): Finding[] {
  return chassis.flatMap(({ chassisId, heartbeatAgeMs }): Finding[] =>
    heartbeatAgeMs !== null && heartbeatAgeMs <= SILENT_AFTER_MS
      ? []
      : [
          {
            severity: "critical",
            about: chassisId,
            message:
              heartbeatAgeMs === null
                ? `${chassisId} has sent no heartbeat: it takes no VMs`
                : `${chassisId} has sent no heartbeat for ${seconds(heartbeatAgeMs)}: it takes no VMs`,
            remedy: "start its agent",
          },
        ],
  );
}

/**
 * Returns a finding for each chassis that an agent should run but another agent runs. Skips agents that wait for their
 * claim, because `services` returns a finding for each waiting instance.
 */
function contestedChassis({ services: all }: ReportInput): Finding[] {
  return all.flatMap(({ waiting, agent }) =>
    waiting !== undefined || agent === undefined
      ? []
      : agent.refused.map(
          ({ chassisId, reason }): Finding => ({
            severity: "critical",
            about: chassisId,
            message: reason,
            remedy: "configure the chassis at one agent only",
          }),
        ),
  );
}

function services({ services: all }: ReportInput): Finding[] {
  return all.flatMap(({ service, ready, lagEvents, waiting }): Finding[] => {
    if (waiting !== undefined) {
      const remedy = "stop one of the two processes, or give one of them another id";
      return [{ severity: "critical", about: service, message: waiting, remedy }];
    }
    if (!ready) {
      return [
        {
          severity: "critical",
          about: service,
          message: `an instance of ${service} is not ready`,
          remedy: "check its log and its /ready endpoint",
        },
      ];
    }
    if (lagEvents === null || lagEvents < LAGGING_FROM_EVENTS) return [];
    const message = `${service} is ${lagEvents} events behind the log: it decides on stale state`;
    return [
      {
        severity: "warning",
        about: service,
        message,
        remedy: "give it more CPU, or send fewer commands",
      },
    ];
  });
}

/** Groups the waiting VMs by the resource or refusal that most chassis give as their reason. */
function waits({ waiting }: ReportInput): Finding[] {
  const byCause = new Map<string, string[]>();
  for (const { vmId, refusals } of waiting) {
    const causes = refusals.map(({ message, resource }) => resource ?? `a place, because ${message}`);
    const cause = commonest(causes) ?? "a plan";
    byCause.set(cause, [...(byCause.get(cause) ?? []), vmId]);
  }
  const longestMs = Math.max(0, ...waiting.map((one) => one.waitedMs));
  return [...byCause].map(([cause, ids]) => ({
    severity: "warning",
    about: cause,
    message: `${count(ids.length, "VM")} ${ids.length === 1 ? "waits" : "wait"} for ${cause}, the longest for ${seconds(longestMs)}: ${listed(ids)}`,
    remedy: "`bioxen vm explain ID` shows what each chassis lacks; free capacity or add a chassis",
  }));
}

function commonest(all: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const one of all) counts.set(one, (counts.get(one) ?? 0) + 1);
  return [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))[0]?.[0];
}

const REMEDIES: Readonly<Record<string, string>> = {
  stalled: "give them the missing resources with `bioxen vm resize`",
  starved: "give them more with `bioxen vm resize`",
  lagging: "their host is too slow: lower --time-scale, or run fewer guests per agent",
  slow: "check their medium; a VM that was just resized needs time to speed up",
  memory: "give them more memory with `bioxen vm resize`",
  unmeasured: "read the log of the agent of their pool",
};
/** The codes that are no adjectives of a VM. */
const STATE_WORDS: Readonly<Record<string, string>> = {
  memory: "short of memory",
  unmeasured: "not measured",
};
/** Codes of health in the order of the report. */
const REPORTED = ["stalled", "starved", "lagging", "memory", "unmeasured", "slow"] as const;

function impairments({ impaired }: ReportInput): Finding[] {
  return REPORTED.flatMap((code): Finding[] => {
    const these = impaired
      .filter((one) => one.code === code)
      .sort((a, b) => (a.health ?? 0) - (b.health ?? 0));
    const [worst] = these;
    if (worst === undefined) return [];
    const message = `${count(these.length, "VM")} ${these.length === 1 ? "is" : "are"} ${STATE_WORDS[code] ?? code}: ${listed(these.map((one) => one.vmId))}; the worst, ${worst.vmId}, ${worst.message}`;
    const severity = code === "stalled" ? "critical" : code === "slow" ? "info" : "warning";
    return [{ severity, about: code, message, remedy: REMEDIES[code] ?? "" }];
  });
}

function busyAgents({ chassis }: ReportInput): Finding[] {
  const busy = chassis.filter(({ eventLoopLagMs }) => (eventLoopLagMs ?? 0) >= BUSY_FROM_MS);
  if (busy.length === 0) return [];
  const worst = Math.max(...busy.map((one) => one.eventLoopLagMs ?? 0));
  return [
    {
      severity: "warning",
      about: "agents",
      message: `the agents of ${listed(busy.map((one) => one.chassisId))} were blocked for up to ${worst} ms`,
      remedy: "run fewer chassis per agent, or give the host more CPU",
    },
  ];
}

function tightChassis({ chassis }: ReportInput): Finding[] {
  return chassis.flatMap(({ chassisId, reservedPermille }): Finding[] => {
    const [fullest] = Object.entries(reservedPermille).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
    if (fullest === undefined || fullest[1] < TIGHT_FROM_PERMILLE) return [];
    const [resource, permille] = fullest;
    const message = `${chassisId} is limited by ${resource}: ${percent(permille)} of the offer is reserved`;
    return [{ severity: "info", about: chassisId, message, remedy: "add a chassis, or request less of it" }];
  });
}

function unevenness({ fairness }: ReportInput): Finding[] {
  if (fairness === null || fairness >= UNEVEN_BELOW) return [];
  const message = `the granted shares of the VMs are uneven: Jain's index is ${fairness.toFixed(2)}`;
  return [
    {
      severity: "info",
      about: "fairness",
      message,
      remedy:
        "some VMs hold their full request while others wait or are preempted: add capacity or set quotas",
    },
  ];
}

function losses({ telemetryLostPermille }: ReportInput): Finding[] {
  if (telemetryLostPermille === null || telemetryLostPermille < LOSSY_FROM_PERMILLE) return [];
  const message = `${percent(telemetryLostPermille)} of the telemetry of the last minute was lost: measurements are incomplete`;
  return [
    {
      severity: "warning",
      about: "telemetry",
      message,
      remedy: "give the monitor or the NATS server more CPU",
    },
  ];
}
