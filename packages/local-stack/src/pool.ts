/**
 * The pool of a local stack: which variables its agent gets, and that nobody else gets them.
 */
import { POOL_VARIABLES, poolConfiguration, poolProblem } from "@bioxen/driver-xcpng";
import { messageOf } from "@bioxen/kernel";

export interface LocalPool {
  /** `https://host[:port]` */
  readonly url: string;
  /** SHA-256 of its certificate, as `BIOXEN_XCPNG_FINGERPRINT` takes it. */
  readonly fingerprint?: string | undefined;
  /** Default: `bioxen-guest`. */
  readonly template?: string | undefined;
}

/** `env` without what has to do with a pool: its password is no service's but the agent's. */
export function withoutPool(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const secret: readonly string[] = POOL_VARIABLES;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !secret.includes(name)));
}

/** What the agent gets: of `env` with the pool that was named; no pool at all unless one was. */
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

/** What is wrong with the pool or the way to it, in words that say what to do; undefined: nothing. */
export async function poolProblemOf(
  pool: LocalPool,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  try {
    const configuration = poolConfiguration(agentEnvironment(env, pool, "."), "local");
    return configuration && (await poolProblem(configuration));
  } catch (thrown) {
    return messageOf(thrown);
  }
}
