/**
 * The keys of a stack: its server lets in only users with a key, and each service and agent gets its own.
 */
import { join } from "node:path";
import {
  accountsConfig,
  FEED_DELIVERY,
  type KeyDirectory,
  LOG_API,
  openKeyDirectory,
  STORED_EVENTS,
} from "@bioxen/auth";
import { IDENTITIES_SETTING, type ServiceName } from "@bioxen/contracts";
import {
  type ConnectionSettings,
  connectBus,
  LOG_RECORD_FILE,
  provisionMirror,
  provisionStreams,
  SETTING_VARIABLES,
} from "@bioxen/nats";

/** Name of the directory of the keys in the data directory. */
const KEYS = "keys";

export class StackKeys {
  readonly dir: string;
  readonly #agentId: string;
  #keys: KeyDirectory | undefined;

  constructor(dataDir: string, agentId: string) {
    this.dir = join(dataDir, KEYS);
    this.#agentId = agentId;
  }

  /** Opens the keys, makes missing ones, and returns the accounts of the server at `url`. */
  async accounts(url: string): Promise<string> {
    this.#keys = await openKeyDirectory({ dir: this.dir, url, agents: [this.#agentId] });
    return accountsConfig(this.#keys.ring);
  }

  get #opened(): KeyDirectory {
    if (this.#keys === undefined) throw new Error("the keys are not opened yet");
    return this.#keys;
  }

  get creds(): { readonly provisioner: string; readonly admin: string } {
    return {
      provisioner: this.#opened.serverFile("provisioner"),
      admin: this.#opened.principalFile("admin"),
    };
  }

  /** Returns the environment variables with which a service logs in. */
  environmentOf(service: ServiceName): Readonly<Record<string, string>> {
    return {
      [SETTING_VARIABLES.creds]: this.#opened.serviceFile(service, this.#agentId),
      [IDENTITIES_SETTING]: "mapped",
    };
  }

  /** Creates the streams, and the mirror of the log. Services may not create any. */
  async provision(connection: ConnectionSettings, dataDir: string): Promise<void> {
    const name = "bioxen-local-stack";
    const bus = await connectBus({ ...connection, creds: this.#opened.serverFile("provisioner"), name });
    try {
      await provisionStreams({ bus, file: join(dataDir, LOG_RECORD_FILE), republishTo: STORED_EVENTS });
    } finally {
      await bus.close();
    }
    const feed = await connectBus({ ...connection, creds: this.#opened.serverFile("feed"), name });
    try {
      await provisionMirror(feed, { api: LOG_API, deliver: FEED_DELIVERY });
    } finally {
      await feed.close();
    }
  }
}
