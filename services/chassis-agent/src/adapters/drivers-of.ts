/**
 * Creates the drivers of an agent. Every agent has a driver for cells. If a pool is configured, the agent also has a
 * driver for the pool, and the pool as a chassis. An extension can replace the built-in driver for cells; others add cell
 * models to that driver.
 */
import { type CellModel, cellModelProblems, declarationOf, type ModelDeclaration } from "@bioxen/cell-models";
import type { DriftPolicy } from "@bioxen/contracts";
import { createBasicDriver, createThreadedDriver } from "@bioxen/driver-basic";
import { createXcpngDriver, type PoolConfiguration, poolConfiguration } from "@bioxen/driver-xcpng";
import { messageOf, type ServicePorts } from "@bioxen/kernel";
import {
  ConfigError,
  createExtension,
  type Environment,
  type LoadedExtension,
  locatedExtension,
} from "@bioxen/service-host";
import { containedDriver, driverProblems, type VmDriver } from "@bioxen/vm-driver";
import type { OwnChassis } from "../app/chassis-config.ts";
import { reservationIn } from "../app/reservations.ts";

export interface AgentDrivers {
  readonly drivers: readonly VmDriver[];
  /** The chassis of the configured pool, in addition to those of `BIOXEN_CHASSIS`. */
  readonly pools: readonly OwnChassis[];
  /** Reaction to changes of the pool's machines outside BioXen; absent without a pool. */
  readonly drift?: DriftPolicy;
  /** What the agent announces of its cell models beside the built-in one. */
  readonly models: readonly ModelDeclaration[];
}

/** This agent, and the BioXen to which it belongs. */
export interface AgentIdentity {
  readonly agentId: string;
  readonly clusterId: string;
}

export interface CellSettings {
  /** Simulated minutes per second. */
  readonly timeScale: number;
  /** Number of threads that compute the cells of each model; 0: this thread computes them, if there is only the built-in model. */
  readonly threads: number;
}

/** Names of extension packages. */
export interface AgentExtensions {
  /** Package that exports `createDriver`. Its driver runs VMs of type `basic` in place of the built-in driver. */
  readonly driver?: string | undefined;
  /** Packages that each export `cellModel`, a cell model for the built-in driver beside its own. */
  readonly cellModels?: readonly string[] | undefined;
}

/** The argument of an extension's `createDriver`. */
export interface DriverHost {
  readonly agentId: string;
  /** Simulated minutes per second. */
  readonly timeScaleMinutesPerSecond: number;
  readonly env: Environment;
}

/**
 * Creates the drivers. Rejects with a `ConfigError` that lists every problem of the pool's configuration and of the
 * extension packages.
 */
export async function driversOf(
  ports: Pick<ServicePorts, "logger" | "log">,
  env: Environment,
  { agentId, clusterId }: AgentIdentity,
  cells: CellSettings,
  extensions: AgentExtensions = {},
): Promise<AgentDrivers> {
  const { timeScale } = cells;
  const host: DriverHost = { agentId, timeScaleMinutesPerSecond: timeScale, env };
  const loaded = await modelsOf(extensions);
  const basic = await basicOf(ports, host, cells, extensions.driver, loaded);
  const models = loaded.map(({ value }) => declarationOf(value));
  const pool = poolOf(env, agentId);
  if (pool === undefined) return { drivers: [basic], pools: [], models };
  const onTrouble = (message: string): void => ports.logger.warn({ chassisId: pool.chassisId }, message);
  const reservationOf = (vmId: string, fence: number) => reservationIn(ports.log, vmId, fence);
  const owner = { clusterId, agentId, reservationOf };
  const xcpng = createXcpngDriver({
    ...pool.options,
    owner,
    onTrouble,
    timeScaleMinutesPerSecond: timeScale,
  });
  const capacity = async () => {
    const { vcpus, memoryMiB } = await xcpng.capacity();
    return { vcpus, memoryMiB };
  };
  const hosts = async () => (await xcpng.capacity()).hosts;
  const freeHosts = () => xcpng.freeHosts();
  const failoverGap = () => xcpng.failoverGap();
  return {
    drivers: [basic, xcpng],
    pools: [{ chassisId: pool.chassisId, chassisType: "xcpng", capacity, hosts, freeHosts, failoverGap }],
    drift: pool.drift,
    models,
  };
}

/** Imports and checks every cell model. Throws a `ConfigError` with the problems of all. */
async function modelsOf({
  driver,
  cellModels = [],
}: AgentExtensions): Promise<readonly LoadedExtension<CellModel>[]> {
  if (driver !== undefined && cellModels.length > 0) {
    throw new ConfigError([
      "BIOXEN_CELL_MODEL: only the built-in driver uses it, but BIOXEN_DRIVER names another: unset one of them",
    ]);
  }
  const point = { variable: "BIOXEN_CELL_MODEL", exported: "cellModel", check: cellModelProblems };
  const loads = await Promise.allSettled(cellModels.map((name) => locatedExtension<CellModel>(name, point)));
  const problems = loads.flatMap((one) => (one.status === "rejected" ? [messageOf(one.reason)] : []));
  const loaded = loads.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const names = loaded.map(({ value }) => value.name);
  const twice = new Set(names.filter((name, i) => names.indexOf(name) < i));
  for (const name of twice)
    problems.push(`BIOXEN_CELL_MODEL: two packages have a model ${name}: name one of them`);
  if (problems.length > 0) throw new ConfigError(problems);
  return loaded;
}

async function basicOf(
  ports: Pick<ServicePorts, "logger">,
  host: DriverHost,
  { threads }: CellSettings,
  driver: string | undefined,
  loaded: readonly LoadedExtension<CellModel>[],
): Promise<VmDriver> {
  if (driver !== undefined) return foreignDriver(ports, host, driver);
  const { timeScaleMinutesPerSecond } = host;
  // A model of another package always has threads of its own: one that never returns stops only its own guests.
  if (threads === 0 && loaded.length === 0) return createBasicDriver({ timeScaleMinutesPerSecond });
  const onLost = (why: string, guests: number): void =>
    ports.logger.error(
      { guests },
      `a thread of cells ended, its guests start from their checkpoints: ${why}`,
    );
  const models = loaded.map(({ value, url }) => ({ name: value.name, url }));
  return createThreadedDriver({ threads: Math.max(1, threads), models, timeScaleMinutesPerSecond, onLost });
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
