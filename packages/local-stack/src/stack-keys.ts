/**
 * The keys of a stack: its server lets in only users with a key, and each service and agent gets its own.
 */
import { join } from "node:path";
import { FEED_DELIVERY, KeyFiles, LOG_API, openKeyDirectory, STORED_EVENTS } from "@bioxen/auth";
import { GATEWAY, IDENTITIES_SETTING, METRICS_TOKEN_SETTING, type ServiceName } from "@bioxen/contracts";
import { Fault, messageOf } from "@bioxen/kernel";
import {
  CONNECT_TIMEOUT_MS,
  type ConnectionSettings,
  connectBus,
  LOG_RECORD_FILE,
  provisionMirror,
  provisionStreams,
  SETTING_VARIABLES,
} from "@bioxen/nats";
import { withKeysLocked } from "./key-lock.ts";

/** Name of the directory of the keys in the data directory. */
export const KEYS = "keys";
const ACCOUNT_INFO = "$JS.API.INFO";

export class StackKeys {
  readonly dir: string;
  readonly #files: KeyFiles;
  readonly #agentId: string;

  constructor(dataDir: string, agentId: string) {
    this.dir = join(dataDir, KEYS);
    this.#files = new KeyFiles(this.dir);
    this.#agentId = agentId;
  }

  /**
   * Opens the keys, makes missing ones, and returns the path of the file with the accounts of the server at `url`, which
   * its configuration includes.
   */
  async accounts(url: string): Promise<string> {
    await withKeysLocked(this.dir, () => openKeyDirectory({ dir: this.dir, url, agents: [this.#agentId] }));
    return this.#files.accounts;
  }

  get creds(): { readonly provisioner: string; readonly admin: string } {
    return {
      provisioner: this.#files.server("provisioner"),
      admin: this.#files.principal("admin"),
    };
  }

  /** Returns the environment variables with which a service logs in, and limits what its monitoring port shows. */
  environmentOf(service: ServiceName): Readonly<Record<string, string>> {
    return {
      [SETTING_VARIABLES.creds]: this.#files.service(service, this.#agentId),
      [IDENTITIES_SETTING]: "mapped",
      [METRICS_TOKEN_SETTING]: this.#files.metricsToken,
    };
  }

  /** Returns the environment variables with which the gateway logs in, and knows its callers. */
  get gatewayEnvironment(): Readonly<Record<string, string>> {
    return {
      [SETTING_VARIABLES.creds]: this.#files.service(GATEWAY, ""),
      [IDENTITIES_SETTING]: "mapped",
      BIOXEN_GATEWAY_KEYS: this.#files.gatewayDir,
    };
  }

  /** Creates the streams, and the mirror of the log. Services may not create any. */
  provision(connection: ConnectionSettings, dataDir: string): Promise<void> {
    return provision(this.dir, connection, { file: join(dataDir, LOG_RECORD_FILE) });
  }
}

export interface ProvisionSettings {
  /** Path of the second copy of the record of the log; default: none. */
  readonly file?: string;
  /** Longest wait for the first answer of the server, ms; default 10 s. */
  readonly timeoutMs?: number;
  /** Number of servers that have a copy of each stream; default 1. */
  readonly replicas?: number | undefined;
}

/**
 * Creates the streams of a BioXen and the mirror of its log on a server with the keys in `dir`, or repairs them. Throws
 * `Fault` TIMEOUT when the server does not answer.
 */
export async function provision(
  dir: string,
  connection: ConnectionSettings,
  { file, timeoutMs = CONNECT_TIMEOUT_MS, replicas }: ProvisionSettings = {},
): Promise<void> {
  const files = new KeyFiles(dir);
  const dial = { ...connection, name: "bioxen-provisioner", connectTimeoutMs: timeoutMs };
  const bus = await connectBus({ ...dial, creds: files.server("provisioner") });
  try {
    // The functions below wait longer, for a server that starts.
    await bus.connection.request(ACCOUNT_INFO, "", { timeout: timeoutMs }).catch((cause: unknown) => {
      throw new Fault("TIMEOUT", `JetStream does not answer: ${messageOf(cause)}`, {
        retryable: true,
        cause,
      });
    });
    await provisionStreams({ bus, file, storage: { replicas }, republishTo: STORED_EVENTS });
  } finally {
    await bus.close();
  }
  const feed = await connectBus({ ...dial, creds: files.server("feed") });
  try {
    await provisionMirror(feed, { api: LOG_API, deliver: FEED_DELIVERY }, { replicas });
  } finally {
    await feed.close();
  }
}
