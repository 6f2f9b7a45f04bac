/**
 * The XCP-ng pool of a local stack: its variables go to the agent and to no other service.
 */
import { POOL_VARIABLES, poolConfiguration, poolProblem } from "@bioxen/driver-xcpng";
import { messageOf } from "@bioxen/kernel";

export interface LocalPool {
  /** Address of the pool, as `https://host[:port]`. */
  readonly url: string;
  /** SHA-256 fingerprint of its certificate, in the form of `BIOXEN_XCPNG_FINGERPRINT`. */
  readonly fingerprint?: string | undefined;
  /** Template that machines are copied from; default `bioxen-guest`. */
  readonly template?: string | undefined;
}

/** `env` without the variables of a pool: only the agent may see its password. */
export function withoutPool(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const secret: readonly string[] = POOL_VARIABLES;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !secret.includes(name)));
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

/**
 * Connects to the pool. Resolves with the reason why the agent cannot use it and a remedy; undefined when the agent
 * can.
 */
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
