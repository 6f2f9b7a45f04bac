/**
 * The processes of every agent, as `status` and `doctor` show them. Only one process acts as the agent of an id. A
 * second process with the same id waits, and reports why. An agent also reports what it could not remove from a pool.
 */
import type { ServiceSample } from "@bioxen/contracts";
import type { ServiceInstance } from "@bioxen/nats";
import { given } from "../parse.ts";
import type { Session } from "../session.ts";
import type { Finding } from "./finding.ts";

export interface AgentProcess {
  readonly host: string | null;
  readonly pid: number | null;
  /** Reason why this process waits and runs no guests; null for the process that acts as the agent. */
  readonly waiting: string | null;
}

export interface AgentProcesses {
  readonly agentId: string;
  readonly processes: readonly AgentProcess[];
}

/** Returns the agents with their processes, in order of agent id. Older agents report no id and are left out. */
export function agentsOf(instances: readonly ServiceInstance[]): AgentProcesses[] {
  const byId = new Map<string, AgentProcess[]>();
  for (const { agentId, waiting, process } of instances) {
    if (agentId === null) continue;
    const { host = null, pid = null } = process ?? {};
    byId.set(agentId, [...(byId.get(agentId) ?? []), { host, pid, waiting }]);
  }
  return [...byId]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([agentId, processes]) => ({ agentId, processes }));
}

/** Returns a failed check for every agent id that more than one process has. */
export function twinFindings(agents: readonly AgentProcesses[]): Finding[] {
  return agents.flatMap(({ agentId, processes }): Finding[] => {
    if (processes.length < 2) return [];
    const each = processes.map((one) => `${nameOf(one)} ${one.waiting === null ? "runs it" : "waits"}`);
    const found = `${processes.length} processes have this id: ${each.join(", ")}`;
    const remedy = "stop all but one of them, or give each another BIOXEN_AGENT_ID";
    return [{ check: `agent ${agentId}`, verdict: "fail", found, remedy }];
  });
}

type AgentSample = NonNullable<ServiceSample["agent"]>;
export type Left = NonNullable<AgentSample["left"]>[number];

/** Returns the status samples of the processes that act as agents; none without a monitor. */
async function agentSamples(session: Session): Promise<readonly AgentSample[]> {
  // Without a monitor these checks are omitted: the check of the services already reports the missing monitor.
  const reply = await session.call("monitorFleet", { limit: 1 }).catch(() => undefined);
  if (reply?.ok !== true) return [];
  return reply.services.flatMap(({ waiting, agent }) => (waiting === undefined ? (agent ?? []) : []));
}

/**
 * Returns a failed check for every chassis that an agent does not register because another agent runs it, and a warning
 * for everything that a pool keeps although its agent removes it.
 */
export async function agentFindings(session: Session): Promise<Finding[]> {
  const agents = await agentSamples(session);
  const contested = agents.flatMap(({ refused }) =>
    refused.map(
      ({ chassisId, reason }): Finding => ({
        check: `chassis ${chassisId}`,
        verdict: "fail",
        found: reason,
        remedy: "configure the chassis at one agent only",
      }),
    ),
  );
  const overcommitted = agents.flatMap((agent) => (agent.overcommitted ?? []).map(overcommittedFinding));
  return [...contested, ...overcommitted, ...(await leftInPools(session, agents)).map(leftFinding)];
}

/**
 * Returns what pools keep although their agents remove it: what the agents report, and, while an agent does not report,
 * what the log has of its pool.
 */
async function leftInPools(session: Session, agents: readonly AgentSample[]): Promise<readonly Left[]> {
  const reported = agents.flatMap(({ left = [] }) => left);
  const silent = (agentId: string) => !agents.some((agent) => agent.agentId === agentId);
  const reply = await session.call("chassisList", {}).catch(() => undefined);
  const recorded = (reply?.ok === true ? reply.chassis : []).flatMap(({ agentId, leftBehind = [] }) =>
    silent(agentId) ? leftBehind : [],
  );
  return [
    ...reported,
    ...recorded.map(({ nextTryAtMs, ...left }) => ({
      ...left,
      ...given({ nextTryAtMs: nextTryAtMs ?? undefined }),
    })),
  ];
}

export type Overcommitted = NonNullable<AgentSample["overcommitted"]>[number];

/** Returns how far the high availability of this pool falls short; undefined without a gap, and for other chassis. */
export async function overcommittedOf(
  session: Session,
  chassisId: string,
): Promise<Overcommitted | undefined> {
  const all = (await agentSamples(session)).flatMap(({ overcommitted = [] }) => overcommitted);
  return all.find((one) => one.chassisId === chassisId);
}

const HA_REMEDY = "add a host, stop protected machines, or lower ha-host-failures-to-tolerate of the pool";

export function overcommittedFinding(gap: Overcommitted): Finding {
  return { check: `pool ${gap.chassisId}`, verdict: "warn", found: gapWords(gap), remedy: HA_REMEDY };
}

/** Returns the line that `chassis show` prints about the pool. */
export function overcommittedWords(gap: Overcommitted): string {
  return `${gap.chassisId}: ${gapWords(gap)}: ${HA_REMEDY}`;
}

function gapWords({ toTolerate, planned }: Overcommitted): string {
  return `its high availability is overcommitted: it is to tolerate ${toTolerate} failed hosts, and has a plan for ${planned}`;
}

export function leftFinding(left: Left): Finding {
  return { check: `pool, ${left.vmId}`, verdict: "warn", found: leftWords(left), remedy: leftRemedy(left) };
}

/** Returns the line of `vm show`: what the pool keeps and why, and whether the removal is tried again. */
export function leftLine(left: Left): string {
  return `${leftWords(left)}; ${leftRemedy(left)}`;
}

function leftRemedy({ nextTryAtMs }: Left): string {
  return nextTryAtMs === undefined ? "no further try: remove it in the pool" : "wait: the agent tries again";
}

function leftWords({ kind, uuid, tries, reason }: Left): string {
  return `the pool keeps the ${kind} ${uuid} after ${tries} ${tries === 1 ? "try" : "tries"} to remove it: ${reason}`;
}

/** Returns what the pool of this VM keeps although the VM's agent removes it. */
export async function leftOf(session: Session, vmId: string): Promise<Left[]> {
  const left = await leftInPools(session, await agentSamples(session));
  return left.filter((one) => one.vmId === vmId);
}

/** Returns the lines that `status` prints for processes that wait. */
export function waitingLines(agents: readonly AgentProcesses[]): string[] {
  return agents.flatMap(({ agentId, processes }) =>
    processes.flatMap((one) =>
      one.waiting === null ? [] : [`agent ${agentId}: ${nameOf(one)} waits: ${one.waiting}`],
    ),
  );
}

function nameOf({ host, pid }: AgentProcess): string {
  return host === null ? "an unnamed process" : `${pid} on ${host}`;
}
