/**
 * The table of all methods of the fake by name. `vm-methods.ts` defines the methods of VMs. The methods that only read
 * are derived from the schema. This file defines those of sessions, tasks, hosts and events.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Call, Handler } from "./handler.ts";
import type { Operations } from "./operations.ts";
import type { Pool } from "./pool.ts";
import { Refusal } from "./refusal.ts";
import { permissionsOf, type Role } from "./roles.ts";
import { SCHEMA } from "./schema.ts";
import { SIGNATURES } from "./signatures.ts";
import { vmMethods } from "./vm-methods.ts";

export interface FakeCredentials {
  readonly username: string;
  readonly password: string;
  readonly role: Role;
}

/** The user whose sessions are those of a local superuser; every other user is a subject with a role. */
export const LOCAL_SUPERUSER = "root";

/** Longest wait of `event.from`, s. Real servers limit it as well. */
const MAX_EVENT_WAIT_SECONDS = 3_600;

export function allMethods(
  pool: Pool,
  operations: Operations,
  credentials: readonly FakeCredentials[],
  cancelTask: (task: string) => void,
): ReadonlyMap<string, Handler> {
  return new Map(
    Object.entries({
      ...readers(pool),
      ...sessions(pool, credentials),
      ...events(pool),
      ...vmMethods(pool, operations),
      // A host that is down cannot be asked (message_forwarding.ml, `get_servertime`, `do_op_on`).
      "host.get_servertime": (_call: Call, host: string) => {
        pool.requireLive(host);
        return pool.now();
      },
      "host.get_server_certificate": (_call: Call, host: string) => {
        pool.requireLive(host);
        return pool.certificates.get(host) ?? "";
      },
      "host.compute_free_memory": (_call: Call, host: string) => {
        pool.db.get("host", host);
        return Math.max(0, pool.freeMemory(host));
      },
      "task.cancel": (_call: Call, task: string) => {
        pool.db.get("task", task);
        cancelTask(task);
      },
      "task.destroy": (_call: Call, task: string) => removeTask(pool, task),
    } satisfies Record<string, Handler>),
  );
}

/** Removes a task. Throws `HANDLE_INVALID` when the task is missing. */
export function removeTask(pool: Pool, task: string): void {
  pool.db.get("task", task);
  for (const [session] of pool.db.all("session")) pool.unlink("session", session, "tasks", task);
  pool.db.remove("task", task);
}

/** Returns the `get_…` methods of every class. */
function readers(pool: Pool): Record<string, Handler> {
  const { db } = pool;
  const out: Record<string, Handler> = {};
  for (const [name, fields] of Object.entries(SCHEMA)) {
    for (const field of Object.keys(fields)) {
      out[`${name}.get_${field}`] = (_call, ref: string) => db.get(name, ref)[field];
    }
    const labelled = (label: string) => db.all(name).filter(([, record]) => record["name_label"] === label);
    out[`${name}.get_record`] = (_call, ref: string) => db.get(name, ref);
    out[`${name}.get_all`] = () => db.all(name).map(([ref]) => ref);
    out[`${name}.get_all_records`] = () => Object.fromEntries(db.all(name));
    out[`${name}.get_by_name_label`] = (_call, label: string) => labelled(label).map(([ref]) => ref);
    out[`${name}.get_by_uuid`] = (_call, uuid: string) => {
      const found = db.all(name).find(([, record]) => record["uuid"] === uuid);
      if (found === undefined) throw new Refusal("UUID_INVALID", name, uuid);
      return found[0];
    };
  }
  return out;
}

function sessions(pool: Pool, users: readonly FakeCredentials[]): Record<string, Handler> {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const userOf = (name: string, given: string) =>
    users.find(({ username, password }) =>
      timingSafeEqual(digest(`${name}\n${given}`), digest(`${username}\n${password}`)),
    );
  return {
    "session.login_with_password": (
      _call,
      name: string,
      given: string,
      _version = "1.1",
      originator = "",
    ) => {
      const user = userOf(name, given);
      if (user === undefined) {
        throw new Refusal("SESSION_AUTHENTICATION_FAILED", name, "Authentication failure");
      }
      const [host = ""] = pool.db.all("host").map(([ref]) => ref);
      const session = pool.db.add("session", {
        this_host: host,
        last_active: pool.now(),
        is_local_superuser: user.username === LOCAL_SUPERUSER,
        auth_user_name: name,
        // A local superuser needs no permission, and its list is empty (xapi_session.ml, `login_with_password`).
        rbac_permissions:
          user.username === LOCAL_SUPERUSER ? [] : permissionsOf(user.role, Object.keys(SIGNATURES)),
        originator,
      });
      pool.roles.set(session, user.role);
      return session;
    },
    "session.logout": ({ session }) => {
      pool.db.remove("session", session);
    },
  };
}

function events(pool: Pool): Record<string, Handler> {
  const { db } = pool;
  return {
    "event.inject": (_call, className: string, ref: string) => {
      const name = Object.keys(SCHEMA).find((one) => one.toLowerCase() === className.toLowerCase());
      if (name === undefined) throw new Refusal("EVENT_SUBSCRIPTION_PARSE_FAILURE", className);
      db.update(name, ref, {});
      return db.token();
    },
    "event.from": async ({ session }, classes: readonly string[], token: string, seconds: number) => {
      const isSelected = subscription(classes);
      const deadline = performance.now() + Math.min(seconds, MAX_EVENT_WAIT_SECONDS) * 1000;
      for (;;) {
        if (db.find("session", session) === undefined) throw new Refusal("SESSION_INVALID", session);
        const batch = db.since(db.generationOf(token), isSelected, Date.now());
        const leftMs = deadline - performance.now();
        if (batch.events.length > 0 || leftMs <= 0) return batch;
        await db.nextChange(leftMs);
      }
    },
  };
}

/**
 * Returns a predicate that selects the objects of a subscription. Each of `classes` is `*` (all objects), the name of a
 * class in upper or lower case, or one object (`vm/OpaqueRef:…`).
 */
function subscription(classes: readonly string[]): (className: string, ref: string) => boolean {
  const wanted = new Set(classes.map((one) => one.replace(/^[^/]*/, (name) => name.toLowerCase())));
  const known = new Set(["*", ...Object.keys(SCHEMA).map((name) => name.toLowerCase())]);
  for (const one of wanted) {
    const [name = ""] = one.split("/");
    // Real pools have more classes than the fake. A subscription to such a class is valid and never has an event.
    if (!known.has(name) && !/^[a-z_]+$/.test(name))
      throw new Refusal("EVENT_SUBSCRIPTION_PARSE_FAILURE", one);
  }
  return (className, ref) => {
    const name = className.toLowerCase();
    return wanted.has("*") || wanted.has(name) || wanted.has(`${name}/${ref}`);
  };
}
