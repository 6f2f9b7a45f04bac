/**
 * The files of a key directory, and who has a key in it:
 *
 * | file | holds |
 * |---|---|
 * | `<name>.creds` | the seed of a principal |
 * | `<name>.json` | address, name and password, for clients without nkeys: of the admin, and where one was asked for |
 * | `metrics.token` | the bearer token with which a client sees ids and names on the monitoring ports of services |
 * | `services/<name>.creds`, `agents/<id>.creds` | the seed of a service or the gateway, of an agent |
 * | `gateway/` | what the gateway knows of callers: names, roles, public keys, and digests of tokens and one-time codes |
 * | `server/<name>.creds` | the seeds of the provisioners, and of the operator of the server |
 * | `server/principals.json` | no seed: names, roles and public keys of principals and agents |
 * | `server/accounts.conf` | no seed, but the passwords: what the server's configuration includes |
 */
import { join } from "node:path";
import { CORE_SERVICES, GATEWAY, type ServiceName, suggestion } from "@bioxen/contracts";
import { Fault } from "@bioxen/kernel";
import * as z from "zod";
import { CODES, principalsIn } from "./gateway-grants.ts";
import { KEY_ROLES, type KeyRole } from "./roles.ts";
import { readJson } from "./secret-files.ts";

/** Name of the directory that the gateway reads. */
const GATEWAY_DIRECTORY = "gateway";

/** Begins the names of the keys of services. The name of no principal or agent has a colon. */
const SERVICE_PREFIX = "service:";

/** A principal or an agent. */
export interface KeyEntry {
  /** The name by which `bioxen auth` knows the key, and of a principal in events. */
  readonly name: string;
  readonly role: KeyRole;
  /** For the role `agent`: the id of the agent. */
  readonly agentId?: string | undefined;
  readonly publicKey: string;
}

/** A service, or the gateway: a program with a key in `services`. */
export type KeyedService = ServiceName | typeof GATEWAY;
export const KEYED_SERVICES = [...CORE_SERVICES, GATEWAY] as const;

/** The key of a service. It is no entry: every key directory has one for each service. */
export interface ServiceKey {
  /** The principal of the service in events, `service:<service>`. */
  readonly name: string;
  readonly role: "service";
  readonly service: KeyedService;
  readonly publicKey: string;
}

/** Returns the service that a name such as `service:monitor` means; undefined for a name without this prefix. */
export function serviceNamed(name: string): KeyedService | undefined {
  if (!name.startsWith(SERVICE_PREFIX)) return undefined;
  const service = name.slice(SERVICE_PREFIX.length);
  const found = KEYED_SERVICES.find((one) => one === service);
  if (found !== undefined) return found;
  const hint = suggestion(service, KEYED_SERVICES) || `: the services are ${KEYED_SERVICES.join(", ")}`;
  throw new Fault("BAD_REQUEST", `no service with a key has the name ${service}${hint}`, {
    retryable: false,
  });
}

/** Returns the name of the key of a service. */
export function serviceKeyName(service: KeyedService): string {
  return `${SERVICE_PREFIX}${service}`;
}

const entriesSchema = z.array(
  z.strictObject({
    name: z.string(),
    role: z.enum(KEY_ROLES),
    agentId: z.string().optional(),
    publicKey: z.string(),
  }),
);
/** The paths of the files of a key directory. */
export class KeyFiles {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  /** The credentials of a service. For the agent, `agentId` names it. */
  service(service: KeyedService, agentId: string): string {
    return service === "chassis-agent" ? this.agent(agentId) : join(this.dir, "services", `${service}.creds`);
  }

  /** The directory that the gateway reads. */
  get gatewayDir(): string {
    return join(this.dir, GATEWAY_DIRECTORY);
  }

  /** Names, roles and public keys of principals. */
  get gatewayPrincipals(): string {
    return principalsIn(this.gatewayDir);
  }

  agent(agentId: string): string {
    return join(this.dir, "agents", `${agentId}.creds`);
  }

  /** The credentials of a principal or an agent. */
  entry({ name, agentId }: Pick<KeyEntry, "name" | "agentId">): string {
    return agentId === undefined ? this.principal(name) : this.agent(agentId);
  }

  principal(name: string): string {
    return join(this.dir, `${name}.creds`);
  }

  /** Address, name and password of a principal. */
  login(name: string): string {
    return join(this.dir, `${name}.json`);
  }

  /** The bearer token of the monitoring ports. */
  get metricsToken(): string {
    return join(this.dir, "metrics.token");
  }

  server(user: "system" | "provisioner" | "feed"): string {
    return join(this.dir, "server", `${user}.creds`);
  }

  get entries(): string {
    return join(this.dir, "server", "principals.json");
  }

  get accounts(): string {
    return join(this.dir, "server", "accounts.conf");
  }

  get directories(): readonly string[] {
    return [
      this.dir,
      ...["services", "agents", "server", GATEWAY_DIRECTORY, join(GATEWAY_DIRECTORY, CODES)].map((name) =>
        join(this.dir, name),
      ),
    ];
  }
}

export function whose({ name, role, agentId }: Omit<KeyEntry, "publicKey">): string {
  return agentId === undefined ? `principal ${name}, role ${role}` : `agent ${agentId}`;
}

/** Returns principals and agents; undefined when the directory has no keys. */
export async function readEntries(dir: string): Promise<readonly KeyEntry[] | undefined> {
  return readJson(new KeyFiles(dir).entries, entriesSchema);
}
