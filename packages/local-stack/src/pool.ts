/**
 * The environment variables of a local stack's XCP-ng pool: the agent gets them, and no other service does.
 */
import { checkPool, poolConfiguration } from "@bioxen/driver-xcpng";
import { messageOf } from "@bioxen/kernel";

export interface LocalPool {
  /** Address of the pool, as `https://host[:port]`. */
  readonly url: string;
  /** SHA-256 fingerprint of the pool's certificate, in the form of `BIOXEN_XCPNG_FINGERPRINT`. */
  readonly fingerprint?: string | undefined;
  /** Name of the template from which machines are copied; default `bioxen-guest`. */
  readonly template?: string | undefined;
}

/**
 * The result of the driver's check. The type is repeated here, because the declarations of this package must not lead to
 * those of the driver: a user's type check would then ask for the types of its SSH library.
 */
export interface LocalPoolCheck {
  /** Why the agent cannot use the pool, with the remedy; absent when it can. */
  readonly problem?: string | undefined;
  /** What will not work although the agent can use the pool; absent when everything will. */
  readonly warning?: string | undefined;
}

/** All variables of a pool begin so, also those of a later release: the list of this one would let them through. */
const POOL_PREFIX = "BIOXEN_XCPNG_";

/** Returns `env` without the variables of a pool: only the agent may see the pool's password. */
export function withoutPool(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith(POOL_PREFIX)));
}

/**
 * Returns the agent's environment: `env` with the variables of `pool`. Without a `pool`, the variables of any pool are
 * removed from `env`.
 */
export function agentEnvironment(
  env: NodeJS.ProcessEnv,
  pool: LocalPool | undefined,
  dataDir: string,
): NodeJS.ProcessEnv {
  if (pool === undefined) return withoutPool(env);
  return {
    ...env,
    BIOXEN_XCPNG_URL: pool.url,
    BIOXEN_XCPNG_STATE_DIR: dataDir,
    ...(pool.fingerprint === undefined ? {} : { BIOXEN_XCPNG_FINGERPRINT: pool.fingerprint }),
    ...(pool.template === undefined ? {} : { BIOXEN_XCPNG_TEMPLATE: pool.template }),
  };
}

/** Tests the pool by connecting to it. Never rejects. */
export async function checkPoolOf(
  pool: LocalPool,
  env: NodeJS.ProcessEnv = process.env,
): Promise<LocalPoolCheck> {
  try {
    const configuration = poolConfiguration(agentEnvironment(env, pool, "."), "local");
    return configuration === undefined ? {} : await checkPool(configuration);
  } catch (thrown) {
    return { problem: messageOf(thrown) };
  }
}
