/**
 * What holds the fleet back, in words: each finding names what it is about, the numbers behind it, and what helps.
 *
 * Ordered by how much it matters: what stands still before what is slow, what is slow before what is tight.
 */
import type { PlacementRefusal } from "@bioxen/contracts";

export interface ReportInput {
  readonly chassis: readonly {
    readonly chassisId: string;
    readonly heartbeatAgeMs: number | null;
    readonly eventLoopLagMs: number | null;
    /** Of what is offered, per resource. */
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
    readonly health: number;
  }[];
  readonly services: readonly {
    readonly service: string;
    readonly ready: boolean;
    readonly lagEvents: number | null;
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

/** Silent for longer, ms, a chassis can start and stop nothing. */
const SILENT_AFTER_MS = 3_500;
/** Given away beyond this, ‰, a resource is what the next VM will wait for. */
const TIGHT_FROM_PERMILLE = 900;
/** An agent held up for longer, ms, falls behind with all its guests. */
const BUSY_FROM_MS = 500;
/** Events behind, from which on a service decides on old news. */
const LAGGING_FROM_EVENTS = 1_000;
/** Jain's index below which shares are uneven: at 0.9 one of ten has nothing. */
const UNEVEN_BELOW = 0.9;
/** Lost beyond this, ‰: what is seen is not what is. */
const LOSSY_FROM_PERMILLE = 20;
/** Ids that one sentence names; the rest are counted. */
const NAMED = 5;

export function findingsOf(input: ReportInput): Finding[] {
  return [
    ...silentChassis(input),
    ...services(input),
    ...waits(input),
    ...impairments(input),
    ...busyAgents(input),
    ...tightChassis(input),
    ...unevenness(input),
    ...losses(input),
  ];
}

function some(ids: readonly string[]): string {
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
            message: `nothing was heard of ${chassisId} ${heartbeatAgeMs === null ? "at all" : `for ${seconds(heartbeatAgeMs)}`}: it takes no VMs`,
            remedy: "start the agent that runs it",
          },
        ],
  );
}

function services({ services: all }: ReportInput): Finding[] {
  return all.flatMap(({ service, ready, lagEvents }): Finding[] => {
    if (!ready) {
      return [
        {
          severity: "critical",
          about: service,
          message: `an instance of ${service} is not ready`,
          remedy: "see its log, or its /ready",
        },
      ];
    }
    if (lagEvents === null || lagEvents < LAGGING_FROM_EVENTS) return [];
    const message = `${service} is ${lagEvents} events behind the log: it decides on old news`;
    return [
      {
        severity: "warning",
        about: service,
        message,
        remedy: "give it more processor, or the log fewer commands",
      },
    ];
  });
}

/** Who waits, by what most chassis lack for them. */
function waits({ waiting }: ReportInput): Finding[] {
  const byCause = new Map<string, string[]>();
  for (const { vmId, refusals } of waiting) {
    const cause = commonest(refusals.map(({ code, resource }) => resource ?? code)) ?? "a plan";
    byCause.set(cause, [...(byCause.get(cause) ?? []), vmId]);
  }
  const longestMs = Math.max(0, ...waiting.map((one) => one.waitedMs));
  return [...byCause].map(([cause, ids]) => ({
    severity: "warning",
    about: cause,
    message: `${count(ids.length, "VM")} wait for ${cause}, the longest of all for ${seconds(longestMs)}: ${some(ids)}`,
    remedy: "`bioxen vm explain ID` says what each chassis lacks; free some, or add a chassis",
  }));
}

function commonest(all: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const one of all) counts.set(one, (counts.get(one) ?? 0) + 1);
  return [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))[0]?.[0];
}

const REMEDIES: Readonly<Record<string, string>> = {
  stalled: "`bioxen vm resize` gives it what it lacks",
  starved: "`bioxen vm resize` gives them more",
  lagging:
    "the host is too slow for its guests: a lower --time-scale, fewer guests per agent, or more agents",
  slow: "their medium is poor, or they have just been given more",
};

function impairments({ impaired }: ReportInput): Finding[] {
  return ["stalled", "starved", "lagging", "slow"].flatMap((code): Finding[] => {
    const these = impaired.filter((one) => one.code === code).sort((a, b) => a.health - b.health);
    const [worst] = these;
    if (worst === undefined) return [];
    const message = `${count(these.length, "VM")} ${these.length === 1 ? "is" : "are"} ${code}: ${some(these.map((one) => one.vmId))}; the worst, ${worst.vmId}, ${worst.message}`;
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
      message: `the agents of ${some(busy.map((one) => one.chassisId))} were held up for up to ${worst} ms`,
      remedy: "run fewer chassis per agent, or give the host more processor",
    },
  ];
}

function tightChassis({ chassis }: ReportInput): Finding[] {
  return chassis.flatMap(({ chassisId, reservedPermille }): Finding[] => {
    const [fullest] = Object.entries(reservedPermille).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
    if (fullest === undefined || fullest[1] < TIGHT_FROM_PERMILLE) return [];
    const [resource, permille] = fullest;
    const message = `${resource} are what limits ${chassisId}: ${percent(permille)} of the offer is given away`;
    return [{ severity: "info", about: chassisId, message, remedy: "VMs that ask for less of it still fit" }];
  });
}

function unevenness({ fairness }: ReportInput): Finding[] {
  if (fairness === null || fairness >= UNEVEN_BELOW) return [];
  const message = `what VMs get of what they ask for is uneven: Jain's index is ${fairness.toFixed(2)}`;
  return [
    {
      severity: "info",
      about: "fairness",
      message,
      remedy: "some hold all they asked for while others wait or were shrunk",
    },
  ];
}

function losses({ telemetryLostPermille }: ReportInput): Finding[] {
  if (telemetryLostPermille === null || telemetryLostPermille < LOSSY_FROM_PERMILLE) return [];
  const message = `${percent(telemetryLostPermille)} of the telemetry of the last minute was lost: numbers here are behind`;
  return [
    { severity: "warning", about: "telemetry", message, remedy: "the monitor or the server cannot keep up" },
  ];
}
