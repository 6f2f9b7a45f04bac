/**
 * `bioxen auth init`: the keys and the server configuration of a BioXen on a server elsewhere.
 */
import { resolve } from "node:path";
import { fillSecretFolders, KeyFiles, openKeyDirectory, readEntries } from "@bioxen/auth";
import { CORE_SERVICES } from "@bioxen/contracts";
import { Fault, ID_PATTERN, ID_RULE } from "@bioxen/kernel";
import { moveStreams, provision, withKeysLocked } from "@bioxen/local-stack";
import { shownServers } from "@bioxen/nats";
import { type KeyView, keysOf, viewOf } from "./auth-views.ts";
import type { KeysOption } from "./keys-option.ts";
import { connectionOf, type GlobalOptions, unreachable } from "./session.ts";
import { DEFAULT_TIMEOUT_MS } from "./settings.ts";

export interface InitOptions {
  readonly dir: string;
  readonly agents: readonly string[];
  /** Address of the server, for clients without nkeys. */
  readonly url: string | undefined;
  /** True: keeps the keys of the directory, and makes the missing ones. Default: a directory with keys is refused. */
  readonly keep: boolean;
  /** Path with a folder for each user, which gets a copy of the key of that user; undefined: no copies. */
  readonly secrets: string | undefined;
  /** Store directories of stopped servers. Their streams move to the account that the servers will use. */
  readonly stores: readonly string[];
  /** True: the servers of the store directories will run without keys. */
  readonly open: boolean;
}

export interface InitResult {
  readonly dir: string;
  /** The file that the server's configuration includes. */
  readonly accounts: string;
  readonly keys: readonly KeyView[];
}

/**
 * Makes the keys, and returns them with the next steps. Throws `Fault` BAD_REQUEST for a malformed id, and CONFLICT for
 * a directory that has keys, and as `moveStreams` does.
 */
export async function initKeys(options: InitOptions): Promise<{
  readonly result: InitResult;
  readonly words: string;
}> {
  const { url, agents, secrets, stores } = options;
  const dir = resolve(options.dir);
  await checkInit(dir, options);
  const directory = await withKeysLocked(dir, async () => {
    const opened = await openKeyDirectory({ dir, url, agents });
    if (secrets !== undefined) await fillSecretFolders(opened, resolve(secrets));
    return opened;
  });
  for (const store of stores) await moveStreams(resolve(store), !options.open);
  const keys = directory.entries.map((entry) => viewOf(directory, entry));
  return {
    result: { dir, accounts: new KeyFiles(dir).accounts, keys },
    words: secrets === undefined ? nextSteps(dir) : `keys are in ${dir}, and each has a copy in ${secrets}`,
  };
}

async function checkInit(
  dir: string,
  { dir: named, agents, keep, stores, open }: InitOptions,
): Promise<void> {
  const wrong = agents.find((id) => !ID_PATTERN.test(id));
  if (wrong !== undefined) {
    const message = `--agent: ${wrong} must be ${ID_RULE}`;
    throw new Fault("BAD_REQUEST", message, { retryable: false });
  }
  if (open && stores.length === 0) {
    throw new Fault(
      "BAD_REQUEST",
      "--open says how the servers of --store will run: name their store directories",
      {
        retryable: false,
      },
    );
  }
  if (!keep && (await readEntries(dir)) !== undefined) {
    const message = `${dir} has keys already: keep them with --keep, or add others with bioxen auth add NAME --keys ${named}`;
    throw new Fault("CONFLICT", message, { retryable: false });
  }
}

function nextSteps(dir: string): string {
  return [
    `keys are in ${dir}; copy each to the machine that uses it`,
    `the server: include server/accounts.conf in its configuration, beside listen and jetstream`,
    `services ${CORE_SERVICES.join(", ")}: BIOXEN_NATS_CREDS=${new KeyFiles(dir).service("lifecycle", "")} and so on, BIOXEN_IDENTITIES=mapped`,
    `every service and agent: BIOXEN_METRICS_TOKEN_FILE=${new KeyFiles(dir).metricsToken}, or each user of its machine sees ids on its monitoring port`,
    "the streams: bioxen auth provision --keys DIR --server URL, once before the services start",
  ].join("\n");
}

/**
 * Makes or repairs the streams of a server with the keys that the options name. Returns the URL of the server without a
 * login.
 */
export async function provisionServer(
  options: KeysOption & { readonly replicas: number },
  globals: GlobalOptions,
): Promise<string> {
  const { dir } = await keysOf(options);
  const connection = await connectionOf(globals);
  if (connection === undefined) throw unreachable();
  const { timeout: timeoutMs = DEFAULT_TIMEOUT_MS } = globals;
  await provision(dir, connection, { timeoutMs, replicas: options.replicas });
  return shownServers(String(connection.servers));
}
