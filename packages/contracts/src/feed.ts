/**
 * The feed of tenants: the events, telemetry and guest output of each VM under the name of its owner.
 *
 * Nothing in the subjects of the log and of telemetry names a tenant, so no permission can separate the VMs of tenants
 * there. The monitor publishes them once more under subjects that begin with the owner:
 *
 * | subject | content | storage |
 * |---|---|---|
 * | `bioxen.feed.<owner>.vm.<vmId>` | the events of the VM while the owner has it | the stream `BIOXEN_FEED` |
 * | `bioxen.feed.<owner>.tel.<vmId>` | its telemetry | none |
 * | `bioxen.feed.<owner>.log.<vmId>` | the output of its guest | none |
 *
 * Only a server with keys has tenants, so the monitor publishes nothing there on an open stack.
 */
import { mappedSubject } from "./identities.ts";
import { eventSubject, vmLogSubject, vmTelemetrySubject } from "./subjects.ts";

const PREFIX = "bioxen.feed.";
export const FEED_SUBJECTS = `${PREFIX}>`;
/** Prefix under which the server publishes each stored event of the feed again, for plain subscribers. */
export const STORED_FEED = "bioxen.stored.feed";

/** The header of a stored event of the feed: the sequence of the event in the log. */
export const LOG_SEQUENCE_HEADER = "Bioxen-Log-Sequence";

/** The subjects on which a caller follows one VM, or with `*` all VMs that the caller may follow. */
export interface VmSubjects {
  readonly events: string;
  readonly telemetry: string;
  readonly log: string;
}

/** Returns the subjects of a VM in the feed of its owner. */
export function feedSubjects(owner: string, vmId: string): VmSubjects {
  const of = (part: string) => `${PREFIX}${owner}.${part}.${vmId}`;
  return { events: of("vm"), telemetry: of("tel"), log: of("log") };
}

/** Returns the subjects of a VM for a caller: those of its feed for the tenant of this name, else the public ones. */
export function vmSubjectsFor(tenant: string | undefined, vmId: string): VmSubjects {
  if (tenant !== undefined) return feedSubjects(tenant, vmId);
  return { events: eventSubject("vm", vmId), telemetry: vmTelemetrySubject(vmId), log: vmLogSubject(vmId) };
}

/** Returns the subject in the log of an event of the feed. */
export function loggedSubject(feedSubject: string): string {
  return eventSubject("vm", feedSubject.slice(feedSubject.lastIndexOf(".") + 1));
}

/** Returns the pattern of everything in the feed of one tenant. */
export function feedOf(tenant: string): string {
  return `${PREFIX}${tenant}.>`;
}

/**
 * Number of consumers that a tenant may have at one time: one for each process that follows the feed. A permission
 * matches whole tokens only, so it cannot match the beginning of a name, and the server knows each name instead. A
 * larger number makes the configuration of every tenant longer, by four lines for each.
 */
export const FEED_READERS = 32;

/**
 * Returns the names of the consumers of `BIOXEN_FEED` that this tenant may create, read, describe and delete; no other
 * tenant may. No id has an underscore, so the names of two tenants never meet.
 */
export function feedConsumers(tenant: string): readonly string[] {
  return Array.from({ length: FEED_READERS }, (_, i) => `${tenant}_${i + 1}`);
}

/** The principals whose VMs have no feed: the readers of the whole log, and the callers of an open stack. */
const WITHOUT_FEED: ReadonlySet<string> = new Set(["admin", "anonymous"]);

/** Returns true for an owner whose VMs are in the feed. */
export function hasFeed(owner: string): boolean {
  return !WITHOUT_FEED.has(owner) && !owner.includes(":");
}

/**
 * The subjects on which tenants ask a service for the description of the stream. A client of JetStream asks for it
 * before it creates a consumer, and the server's own answer can list the VMs of all tenants.
 */
export const FEED_INFO = `${PREFIX.slice(0, -1)}-info`;
export const ARRIVING_FEED_INFO = mappedSubject({ role: "tenant", name: "*" }, FEED_INFO);
