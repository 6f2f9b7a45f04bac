/**
 * Creates the drivers of an agent. Every agent has a driver for cells. If a pool is configured, the agent also has a
 * driver for the pool, and the pool as a chassis. An extension can replace the built-in driver for cells; others add cell
 * models to that driver.
 */
import type { ModelDeclaration } from "@bioxen/cell-models";
import type { DriftPolicy } from "@bioxen/contracts";
import { cellModelDeclaration, createBasicDriver, createThreadedDriver } from "@bioxen/driver-basic";
import { createXcpngDriver, type PoolConfiguration, poolConfiguration } from "@bioxen/driver-xcpng";
import { messageOf, type ServicePorts } from "@bioxen/kernel";
import { ConfigError, createExtension, type Environment, extensionUrl } from "@bioxen/service-host";
import { containedDriver, driverProblems, type VmDriver } from "@bioxen/vm-driver";
import type { OwnChassis } from "../app/chassis-config.ts";
import { reservationIn } from "../app/reservations.ts";

/** The variable that names the packages of cell models. */
const MODEL_VARIABLE = "BIOXEN_CELL_MODEL";

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
  const models = loaded.map(({ declaration }) => declaration);
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

/** A cell model of a package: what it declares, and the URL of the module that threads of cells import. */
interface PackagedModel {
  readonly declaration: ModelDeclaration;
  readonly url: string;
}

/** Reads and checks what every cell model declares. Throws a `ConfigError` with the problems of all. */
async function modelsOf({ driver, cellModels = [] }: AgentExtensions): Promise<readonly PackagedModel[]> {
  if (driver !== undefined && cellModels.length > 0) {
    throw new ConfigError([
      `${MODEL_VARIABLE}: only the built-in driver uses it, but BIOXEN_DRIVER names another: unset one of them`,
    ]);
  }
  const loads = await Promise.allSettled(cellModels.map(packagedModel));
  const problems = loads.flatMap((one) => (one.status === "rejected" ? [messageOf(one.reason)] : []));
  const loaded = loads.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const names = loaded.map(({ declaration }) => declaration.name);
  const twice = new Set(names.filter((name, i) => names.indexOf(name) < i));
  for (const name of twice)
    problems.push(`${MODEL_VARIABLE}: two packages have a model ${name}: name one of them`);
  if (problems.length > 0) throw new ConfigError(problems);
  return loaded;
}

async function packagedModel(packageName: string): Promise<PackagedModel> {
  const url = extensionUrl(packageName, MODEL_VARIABLE);
  try {
    return { declaration: await cellModelDeclaration(url), url };
  } catch (thrown) {
    throw new ConfigError([`${MODEL_VARIABLE}: ${packageName}: ${messageOf(thrown)}`]);
  }
}

async function basicOf(
  ports: Pick<ServicePorts, "logger">,
  host: DriverHost,
  { threads }: CellSettings,
  driver: string | undefined,
  loaded: readonly PackagedModel[],
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
  const models = loaded.map(({ declaration, url }) => ({ name: declaration.name, url }));
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
