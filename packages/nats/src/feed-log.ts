/**
 * The feed of a tenant, read like the event log: the same events under sequences of their own. Also runs in browsers.
 */
import {
  EVENT_SUBJECTS,
  eventSubject,
  FEED_STREAM,
  feedOf,
  feedSubjects,
  loggedSubject,
} from "@bioxen/contracts";
import { type EventLog, Fault, messageOf } from "@bioxen/kernel";
import type { Bus } from "./bus.ts";
import { openExistingLog } from "./existing-log.ts";
import { createFeedConsumer } from "./feed-consumer.ts";
import { type DirectOptions, followDirectly } from "./follower.ts";
import { jetStreamOf, streamManagerOf } from "./jet-stream.ts";

/** The subject on which a login asks the server for its account and permissions. */
const USER_INFO = "$SYS.REQ.USER.INFO";
const USER_INFO_TIMEOUT_MS = 2_000;

/** What a caller needs of the log to follow events. */
export type FollowedLog = Pick<EventLog, "lastSeq" | "readMessages" | "follow">;

interface UserInfo {
  readonly data?: {
    readonly permissions?: { readonly subscribe?: { readonly allow?: readonly string[] } };
  };
}

const ANY_FEED = /^bioxen\.feed\.([a-z0-9-]+)\.>$/;
const tenants = new WeakMap<Bus, Promise<string | undefined>>();

/**
 * Returns the name of the tenant that this connection is; undefined for every other login. The server tells it: a tenant
 * has its own feed among its permissions, and no other login has one.
 */
export function tenantOf(bus: Bus): Promise<string | undefined> {
  const known = tenants.get(bus) ?? askTenant(bus);
  tenants.set(bus, known);
  return known;
}

async function askTenant(bus: Bus): Promise<string | undefined> {
  try {
    const answer = await bus.connection.request(USER_INFO, "", { timeout: USER_INFO_TIMEOUT_MS });
    const { data } = answer.json<UserInfo>();
    for (const subject of data?.permissions?.subscribe?.allow ?? []) {
      const [, tenant] = ANY_FEED.exec(subject) ?? [];
      if (tenant !== undefined) return tenant;
    }
  } catch {
    // Agents and services may not ask, and an open server may not answer: neither is a tenant.
  }
  return undefined;
}

/** Opens what this login may follow: the feed of a tenant, and the event log for every other login. */
export async function openFollowedLog(bus: Bus): Promise<FollowedLog> {
  const tenant = await tenantOf(bus);
  return tenant === undefined ? openExistingLog(bus) : feedLogOf(bus, tenant);
}

/** Returns the feed of a tenant. Its filters are subjects of the log: those of one VM, of all VMs, or of everything. */
export function feedLogOf(bus: Bus, tenant: string): FollowedLog {
  return feedWith(bus, tenant, (filter) => ({
    makeConsumer: (fromSeq) => createFeedConsumer(bus, { tenant, filter, fromSeq }),
  }));
}

/** Returns the feed of a tenant for a service that speaks for it: its consumers have no name of the tenant. */
export function openFeedOf(bus: Bus, tenant: string): FollowedLog {
  return feedWith(bus, tenant, (filter) => ({ filter }));
}

type Consumers = (filter: string) => Pick<DirectOptions, "filter" | "makeConsumer">;

function feedWith(bus: Bus, tenant: string, consumers: Consumers): FollowedLog {
  const lastSeq = async () => {
    try {
      return (await (await streamManagerOf(bus)).streams.info(FEED_STREAM)).state.last_seq;
    } catch (cause) {
      throw new Fault("UNAVAILABLE", `cannot read the feed of ${tenant}: ${messageOf(cause)}`, {
        retryable: true,
        cause,
      });
    }
  };
  return {
    lastSeq,
    // The feed has no record of skipped events: nothing unreadable gets into it.
    readMessages: async () => [],
    follow: async (options) => {
      const filter = feedFilter(tenant, options.filter ?? EVENT_SUBJECTS);
      return followDirectly({
        ...options,
        js: jetStreamOf(bus),
        connected: () => bus.connected,
        stream: FEED_STREAM,
        ...consumers(filter),
        loggedSubject,
        endSeq: undefined,
      });
    },
  };
}

function feedFilter(tenant: string, filter: string): string {
  const vms = eventSubject("vm", "");
  if (filter === EVENT_SUBJECTS) return feedOf(tenant);
  if (filter.startsWith(vms)) return feedSubjects(tenant, filter.slice(vms.length)).events;
  const message = `a tenant follows events of VMs only, not ${filter}`;
  throw new Fault("FORBIDDEN", message, { retryable: false });
}
