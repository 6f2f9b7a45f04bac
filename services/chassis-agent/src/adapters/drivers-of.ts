/**
 * Which drivers an agent has, and the chassis that come with them: the cells of this process always, a pool where one is
 * configured.
 */
import { createBasicDriver } from "@bioxen/driver-basic";
import { createXcpngDriver, type PoolConfiguration, poolConfiguration } from "@bioxen/driver-xcpng";
import { messageOf, type ServicePorts } from "@bioxen/kernel";
import { ConfigError, type Environment } from "@bioxen/service-host";
import type { VmDriver } from "@bioxen/vm-driver";
import type { OwnChassis } from "../app/chassis-config.ts";

export interface AgentDrivers {
  readonly drivers: readonly VmDriver[];
  /** Chassis beside those of `BIOXEN_CHASSIS`. */
  readonly pools: readonly OwnChassis[];
}

/** Throws `ConfigError` with every problem of the pool's configuration. */
export function driversOf(
  ports: Pick<ServicePorts, "logger">,
  env: Environment,
  agentId: string,
  timeScale: number,
): AgentDrivers {
  const basic = createBasicDriver({ timeScaleMinutesPerSecond: timeScale });
  const pool = poolOf(env, agentId);
  if (pool === undefined) return { drivers: [basic], pools: [] };
  const onTrouble = (message: string): void => ports.logger.warn({ chassisId: pool.chassisId }, message);
  const xcpng = createXcpngDriver({ ...pool.options, onTrouble });
  const capacity = async () => ({ ...(await xcpng.capacity()) });
  return {
    drivers: [basic, xcpng],
    pools: [{ chassisId: pool.chassisId, chassisType: "xcpng", capacity }],
  };
}

function poolOf(env: Environment, agentId: string): PoolConfiguration | undefined {
  try {
    return poolConfiguration(env, agentId);
  } catch (thrown) {
    throw new ConfigError([messageOf(thrown)]);
  }
}
