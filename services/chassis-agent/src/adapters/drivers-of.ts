/**
 * Which drivers an agent has, and the chassis that come with them: the cells of this process always, a pool where one is
 * configured. A driver or a cell model of somebody else takes the place of the built-in one.
 */
import { type CellModel, cellModelProblems } from "@bioxen/cell-models";
import type { DriftPolicy } from "@bioxen/contracts";
import { createBasicDriver } from "@bioxen/driver-basic";
import { createXcpngDriver, type PoolConfiguration, poolConfiguration } from "@bioxen/driver-xcpng";
import { messageOf, type ServicePorts } from "@bioxen/kernel";
import { ConfigError, createExtension, type Environment, loadExtension } from "@bioxen/service-host";
import { containedDriver, driverProblems, type VmDriver } from "@bioxen/vm-driver";
import type { OwnChassis } from "../app/chassis-config.ts";

export interface AgentDrivers {
  readonly drivers: readonly VmDriver[];
  /** Chassis beside those of `BIOXEN_CHASSIS`. */
  readonly pools: readonly OwnChassis[];
  /** Of the pool's machines; absent: there is no pool. */
  readonly drift?: DriftPolicy;
}

/** Packages of others, by name. */
export interface AgentExtensions {
  /** Exports `createDriver`: runs VMs of type `basic` instead of the built-in driver. */
  readonly driver?: string | undefined;
  /** Exports `cellModel`: what the built-in driver's cells are. */
  readonly cellModel?: string | undefined;
}

/** What a driver's package is given. */
export interface DriverHost {
  readonly agentId: string;
  /** Simulated minutes per second. */
  readonly timeScaleMinutesPerSecond: number;
  readonly env: Environment;
}

/** Throws `ConfigError` with every problem of the pool's configuration, or of a package that was named. */
export async function driversOf(
  ports: Pick<ServicePorts, "logger">,
  env: Environment,
  agentId: string,
  timeScale: number,
  extensions: AgentExtensions = {},
): Promise<AgentDrivers> {
  const host: DriverHost = { agentId, timeScaleMinutesPerSecond: timeScale, env };
  const basic = await basicOf(ports, host, extensions);
  const pool = poolOf(env, agentId);
  if (pool === undefined) return { drivers: [basic], pools: [] };
  const onTrouble = (message: string): void => ports.logger.warn({ chassisId: pool.chassisId }, message);
  const xcpng = createXcpngDriver({ ...pool.options, onTrouble });
  const capacity = async () => ({ ...(await xcpng.capacity()) });
  return {
    drivers: [basic, xcpng],
    pools: [{ chassisId: pool.chassisId, chassisType: "xcpng", capacity }],
    drift: pool.drift,
  };
}

async function basicOf(
  ports: Pick<ServicePorts, "logger">,
  host: DriverHost,
  { driver, cellModel }: AgentExtensions,
): Promise<VmDriver> {
  if (driver !== undefined && cellModel !== undefined) {
    throw new ConfigError(["BIOXEN_CELL_MODEL: is for the built-in driver, and BIOXEN_DRIVER names another"]);
  }
  if (driver !== undefined) return foreignDriver(ports, host, driver);
  const model =
    cellModel === undefined
      ? undefined
      : await loadExtension<CellModel>(cellModel, {
          variable: "BIOXEN_CELL_MODEL",
          exported: "cellModel",
          check: cellModelProblems,
        });
  return createBasicDriver({ timeScaleMinutesPerSecond: host.timeScaleMinutesPerSecond, model });
}

async function foreignDriver(
  ports: Pick<ServicePorts, "logger">,
  host: DriverHost,
  packageName: string,
): Promise<VmDriver> {
  const driver = await createExtension<VmDriver>(
    packageName,
    { variable: "BIOXEN_DRIVER", exported: "createDriver", check: basicDriverProblems },
    host,
  );
  return containedDriver(driver, (message, cause) => ports.logger.error({ err: cause }, message));
}

function basicDriverProblems(value: unknown): readonly string[] {
  const problems = driverProblems(value);
  if (problems.length > 0) return problems;
  const { vmType } = (value as VmDriver).capabilities;
  return vmType === "basic" ? [] : [`runs VMs of type ${vmType}, not basic`];
}

function poolOf(env: Environment, agentId: string): PoolConfiguration | undefined {
  try {
    return poolConfiguration(env, agentId);
  } catch (thrown) {
    throw new ConfigError([messageOf(thrown)]);
  }
}
