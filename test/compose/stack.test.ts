/**
 * The shipped compose file: its stack becomes healthy and runs a VM. No acknowledged command and no event is lost when
 * NATS or a service restarts, or when all containers are removed and recreated.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { type Bioxen, connect } from "@bioxen/client";
import { eventually } from "@bioxen/testkit/eventually";
import {
  DockerComposeEnvironment,
  type StartedDockerComposeEnvironment,
  type StartedTestContainer,
  Wait,
} from "testcontainers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort, whyNoEngine } from "./engine.ts";
import { ComposeProject, PROJECT, ROOT } from "./project.ts";

const SERVICES = [
  ...["lifecycle", "allocator", "chassis-scheduler", "monitor", "experiments", "chassis-agent", "gateway"],
];
const STARTUP_DEADLINE_MS = 180_000;
/** Pause between two commands of the load, ms. */
const LOAD_INTERVAL_MS = 250;

const whyNot = await whyNoEngine();
if (whyNot !== undefined) console.log(`the compose stack is skipped: ${whyNot}`);

/** Creates one VM after the other, also while services fail, and records the VMs whose creation was acknowledged. */
class Load {
  readonly acknowledged: string[] = [];
  #ended = false;
  readonly #running: Promise<void>;

  constructor(bioxen: Bioxen) {
    this.#running = this.#run(bioxen);
  }

  async #run(bioxen: Bioxen): Promise<void> {
    for (let n = 1; !this.#ended; n += 1) {
      const vmId = `load-${n}`;
      // Without an acknowledgement the outcome is unknown: the VM may exist or not.
      const made = await bioxen.createBioVm(vmId, "minimal_cell").catch(() => undefined);
      if (made !== undefined) this.acknowledged.push(vmId);
      await sleep(LOAD_INTERVAL_MS);
    }
  }

  /** Stops the load and returns the ids of the acknowledged VMs. */
  async end(): Promise<readonly string[]> {
    this.#ended = true;
    await this.#running;
    return this.acknowledged;
  }
}

/** The stdout of a container so far. */
async function printedBy(container: StartedTestContainer): Promise<string> {
  return (await promisify(execFile)("docker", ["logs", container.getId()])).stdout;
}

it.skipIf(whyNot !== undefined).each(["cli", "observability", "xcpng", "cluster"])(
  "profile %s of the compose file is well-formed",
  async (profile) => {
    await promisify(execFile)("docker", ["compose", "--profile", profile, "config", "--quiet"], {
      cwd: ROOT,
    });
  },
);

describe.skipIf(whyNot !== undefined)("the compose stack", () => {
  let dir: string;
  let project: ComposeProject;
  let servers: string;
  let admin: string;
  let environment: StartedDockerComposeEnvironment;
  let bioxen: Bioxen;

  /**
   * Starts the stack. The first start builds the images, unless `BIOXEN_IMAGES=built` says that they are up to date.
   */
  async function up(isFirst: boolean): Promise<StartedDockerComposeEnvironment> {
    const composed = new DockerComposeEnvironment(ROOT, "docker-compose.yml");
    if (isFirst && process.env["BIOXEN_IMAGES"] !== "built") composed.withBuild();
    return composed
      .withProjectName(PROJECT)
      .withProfiles("xcpng")
      .withEnvironment({ ...project.variables })
      .withDefaultWaitStrategy(Wait.forHealthCheck())
      .withStartupTimeout(STARTUP_DEADLINE_MS)
      .up();
  }

  /** Resolves once the VM runs and its guest answers. */
  async function runs(vmId: string): Promise<void> {
    await eventually(`${vmId} runs and answers`, async () => {
      const { state } = await bioxen.vm(vmId).status();
      if (state !== "running") return undefined;
      const { result } = await bioxen.vm(vmId).exec("return cell.id");
      return result === vmId ? true : undefined;
    });
  }

  /** The result of `bioxen events verify` for the whole log. */
  async function verify(): Promise<{ events: number; violations: unknown[] }> {
    const words = ["events", "verify", "--json", "--server", servers, "--creds", admin];
    return JSON.parse((await project.bioxen(...words)).stdout);
  }

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "bioxen-compose-"));
    project = new ComposeProject(await freePort(), {
      ...{ BIOXEN_AGENT_ID: "suite", BIOXEN_XCPNG_AGENT_ID: "suite-xcpng" },
      BIOXEN_CONSOLE_PORT: String(await freePort()),
    });
    servers = `nats://127.0.0.1:${project.port}`;
    environment = await up(true);
    admin = await project.copyKeys(dir);
    bioxen = await connect({ servers, creds: admin });
  }, STARTUP_DEADLINE_MS);
  afterAll(async () => {
    await bioxen?.close();
    await environment?.down({ removeVolumes: true });
    await rm(dir, { recursive: true, force: true });
  });

  it("becomes healthy, and runs a VM that the bioxen command created", async () => {
    await project.inContainer("vm", "create", "c1", "--type", "syn3a", "--start", "--timeout", "30000");
    expect(JSON.parse(await project.inContainer("vm", "show", "c1", "--json"))).toMatchObject({
      vm: { state: "running" },
    });
    const vm = bioxen.vm("c1");
    const sample = await eventually("c1 is measured", async () => (await vm.sample()) ?? undefined);
    expect(sample.doublingTimeMinutes).toBeCloseTo(105, 0);
    expect((await verify()).violations).toEqual([]);
  });

  it("runs a VM on the pool of profile xcpng, and no container prints the password of the pool", async () => {
    await project.inContainer(
      "vm",
      "create",
      "x1",
      "--type",
      "ecoli",
      "--vm-type",
      "xcpng",
      "--start",
      "--timeout",
      "30000",
    );
    expect(JSON.parse(await project.inContainer("vm", "show", "x1", "--json"))).toMatchObject({
      vm: { state: "running", chassisId: "xcpng-1" },
    });
    const pool = environment.getContainer("fake-pool-1");
    const password = (
      await pool.exec(["node", "-p", "fs.readFileSync('/run/pool/password', 'utf8').trim()"])
    ).output.trim();
    expect(password.length).toBeGreaterThan(10);
    const printed = await Promise.all(
      ["fake-pool-1", "xcpng-agent-1"].map((name) => printedBy(environment.getContainer(name))),
    );
    expect(printed.join("")).toContain("a fake XCP-ng pool runs");
    expect(printed.join("")).not.toContain(password);
    await bioxen.vm("x1").destroy();
  });

  it.each(["nats", ...SERVICES])(
    "loses no acknowledged command when %s restarts under load",
    async (service) => {
      const before = await bioxen.vm("c1").history();
      const load = new Load(bioxen);
      await environment.getContainer(`${service}-1`).restart();
      await runs("c1");
      const acknowledged = await load.end();
      expect(acknowledged.length).toBeGreaterThan(0);
      const listed = new Set((await bioxen.list()).map(({ vmId }) => vmId));
      expect(acknowledged.filter((vmId) => !listed.has(vmId))).toEqual([]);
      const after = await bioxen.vm("c1").history();
      expect(after.slice(0, before.length)).toEqual(before);
      expect((await verify()).violations).toEqual([]);
      await Promise.all(acknowledged.map((vmId) => bioxen.vm(vmId).destroy()));
    },
  );

  it("keeps its data when all containers are removed and recreated", async () => {
    const [before, { events }] = [await bioxen.vm("c1").history(), await verify()];
    await bioxen.close();
    await environment.down({ removeVolumes: false });
    environment = await up(false);
    bioxen = await connect({ servers, creds: admin });
    await runs("c1");
    expect((await bioxen.vm("c1").history()).slice(0, before.length)).toEqual(before);
    const now = await verify();
    expect(now.events).toBeGreaterThanOrEqual(events);
    expect(now.violations).toEqual([]);
  });
});
