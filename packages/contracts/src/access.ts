/**
 * What each role may call: the one table of permissions. The server's configuration and the services' own checks are
 * both made from it.
 *
 * The server refuses what a role may never call. The services refuse it as well, and limit a tenant to what it owns,
 * because no subject names the owner of a VM.
 */
import type { Causation } from "@bioxen/kernel";
import type { Endpoint } from "./endpoints/endpoint.ts";
import { refuse } from "./errors.ts";
import { type Identity, principalOf, type Role } from "./identities.ts";
import { QUERY_PREFIX } from "./subjects.ts";

/**
 * - `all`: the endpoint answers for everything that exists.
 * - `own`: the endpoint answers for the VMs, quotas and jobs of the caller only.
 * - `none`: the caller is refused with FORBIDDEN.
 */
export type Access = "all" | "own" | "none";

/** The subjects that a tenant may call, each for what it owns. */
const TENANT_SUBJECTS: ReadonlySet<string> = new Set([
  "bioxen.cmd.vm.create",
  "bioxen.cmd.vm.start",
  "bioxen.cmd.vm.pause",
  "bioxen.cmd.vm.resume",
  "bioxen.cmd.vm.stop",
  "bioxen.cmd.vm.destroy",
  "bioxen.cmd.vm.resize",
  "bioxen.cmd.vm.set-environment",
  "bioxen.cmd.vm.exec",
  "bioxen.cmd.vm.snapshot",
  "bioxen.cmd.vm.restore",
  "bioxen.cmd.vm.fork",
  "bioxen.cmd.vm.delete-snapshot",
  "bioxen.cmd.vm.migrate",
  "bioxen.cmd.vm.cancel-migration",
  "bioxen.qry.vm.get",
  "bioxen.qry.vm.list",
  "bioxen.qry.vm.history",
  "bioxen.qry.chassis.list",
  "bioxen.qry.placement.plan",
  "bioxen.qry.placement.explain",
  "bioxen.qry.quota.get",
  "bioxen.cmd.job.cancel",
  "bioxen.qry.job.outcome",
  "bioxen.qry.course.get",
  "bioxen.cmd.experiment.start",
  "bioxen.cmd.experiment.cancel",
  "bioxen.qry.experiment.get",
  "bioxen.qry.experiment.list",
]);

/** The subjects that an agent calls, beside the streams that it reads. */
const AGENT_SUBJECTS: ReadonlySet<string> = new Set([
  "bioxen.cmd.vm.report",
  "bioxen.cmd.vm.divide",
  "bioxen.cmd.chassis.register",
  "bioxen.cmd.chassis.report-machine",
  "bioxen.cmd.chassis.report-left",
  "bioxen.qry.chassis.get",
]);

/** Public commands that only an admin may call: an operator may do everything but keys and quotas. */
const ADMIN_SUBJECTS: ReadonlySet<string> = new Set(["bioxen.cmd.quota.set", "bioxen.cmd.vm.transfer"]);

type Refusal = ReturnType<typeof refuse>;

/** Returns the refusal of a caller that may not call the endpoint; undefined for any other caller. */
export function forbiddenTo(
  identity: Identity,
  endpoint: Pick<Endpoint, "subject" | "internal">,
): Refusal | undefined {
  if (accessOf(identity.role, endpoint) !== "none") return undefined;
  const message = `${principalOf(identity)} may not call ${endpoint.subject}: the role ${identity.role} does not allow it`;
  return refuse("FORBIDDEN", message);
}

/**
 * Returns the causation of a report of the agent with `agentId`, or the refusal of another agent. On an open stack the
 * report is believed to come from that agent. `agentId` is undefined when the agent is unknown.
 */
export function reportedBy(
  causation: Causation,
  agentId: string | undefined,
): { readonly ok: true; readonly causation: Causation } | Refusal {
  if (agentId === undefined) return { ok: true, causation };
  const principal = principalOf({ role: "agent", name: agentId });
  if (causation.role === "agent" && causation.principal !== principal) {
    return refuse("FORBIDDEN", `${causation.principal} may not report for ${principal}`);
  }
  return { ok: true, causation: causation.role === "anonymous" ? { ...causation, principal } : causation };
}

/** Roles that read the log, telemetry and the state of the streams of all owners. */
const READS_EVERYTHING: ReadonlySet<Role> = new Set(["admin", "operator", "observer"]);

/** Returns true for a role that reads the log and telemetry of all owners; on an open stack every caller does. */
export function readsEverything(role: Role): boolean {
  return role === "anonymous" || READS_EVERYTHING.has(role);
}

/** Returns what a role may do with an endpoint. A durable command has the access of the command that it carries. */
export function accessOf(role: Role, { subject, internal }: Pick<Endpoint, "subject" | "internal">): Access {
  if (role === "service" || role === "anonymous") return "all";
  if (role === "agent") return AGENT_SUBJECTS.has(subject) ? "all" : "none";
  if (internal) return "none";
  if (role === "tenant") return TENANT_SUBJECTS.has(subject) ? "own" : "none";
  if (role === "observer") return subject.startsWith(QUERY_PREFIX) ? "all" : "none";
  if (role === "operator") return ADMIN_SUBJECTS.has(subject) ? "none" : "all";
  return "all";
}
