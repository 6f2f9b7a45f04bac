/**
 * The OpenAPI document of the gateway, held to a real stack: each reply of a run that uses most routes satisfies the schema
 * of its status, and a client that a public generator makes of the document creates and destroys a VM.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { generateApi } from "swagger-typescript-api";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ROOT } from "../examples/blocks.ts";
import { type Answer, GatewayWorld } from "./gateway-world.ts";
import { eventually, type Json } from "./world.ts";

const PREFIX = "/api/v1";
/** Replies that are checked at least. */
const LEAST = 200;
const VMS = 8;

let world: GatewayWorld;
let document: Json;
beforeAll(async () => {
  // Without keys: the replies are the same, and no token is needed.
  world = await GatewayWorld.open({ keys: false, chassis: "ecoli:1,yeast:1" });
  document = (await world.ask(`${PREFIX}/openapi.json`)).json;
});
afterAll(() => world.close());

/** Checks replies against the document, and notes what was seen. */
class Checked {
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false });
  readonly kinds = new Set<string>();
  count = 0;

  constructor() {
    this.#ajv.addSchema(document, "api");
  }

  note(method: "get" | "post", path: string, { status, json }: Answer): Json {
    const pointer = [
      "paths",
      path,
      method,
      "responses",
      String(status),
      "content",
      "application/json",
      "schema",
    ]
      .map((part) => part.replaceAll("~", "~0").replaceAll("/", "~1"))
      .join("/");
    const validate = this.#ajv.getSchema(`api#/${pointer}`);
    expect(validate, `the document has ${method} ${path} with status ${status}`).toBeDefined();
    const problem = validate?.(json) === true ? undefined : this.#ajv.errorsText(validate?.errors);
    expect(problem, `${method} ${path}: ${JSON.stringify(json).slice(0, 300)}`).toBeUndefined();
    this.kinds.add(`${method} ${path} ${status}`);
    this.count += 1;
    return json;
  }
}

it("has the schema of every reply of a run", async () => {
  const checked = new Checked();
  const get = async (path: string, query: Record<string, string> = {}) => {
    const text = new URLSearchParams(query).toString();
    return checked.note(
      "get",
      `${PREFIX}/${path}`,
      await world.ask(`${PREFIX}/${path}${text && `?${text}`}`),
    );
  };
  const post = async (path: string, body: object) =>
    checked.note("post", `${PREFIX}/${path}`, await world.ask(`${PREFIX}/${path}`, { method: "POST", body }));
  const ids = Array.from({ length: VMS }, (_, n) => `vm-${n}`);
  for (const vmId of ids) {
    await post("vm/create", {
      vmId,
      biologicalType: "syn3a",
      labels: { team: "blue" },
      record: { everyMinutes: 5 },
    });
    await post("vm/start", { vmId });
  }
  for (const vmId of ids) {
    await eventually(
      `${vmId} runs`,
      async () => (await get("vm/get", { vmId })).vm.state === "running" || undefined,
    );
    await post("vm/exec", { vmId, source: "return cell.health()" });
    await post("vm/pause", { vmId });
    await post("vm/resume", { vmId });
    await post("vm/set-environment", { vmId, environment: { nutrientQuality: 0.4 } });
    await post("vm/resize", { vmId, resources: { ribosomes: "50%" } });
    await post("vm/snapshot", { vmId, snapshotId: "one" });
    await get("vm/history", { vmId });
    await get("course/get", { vmId, limit: "3" });
    await get("placement/explain", { vmId });
    await post("vm/start", { vmId: `${vmId}-absent` });
    await post("vm/create", { vmId, biologicalType: "yeti" });
  }
  await post("vm/fork", { vmId: "vm-0", newVmId: "fork", fromSnapshotId: "one" });
  await post("quota/set", { label: "team=blue", resources: { ribosomes: 100_000 } });
  await post("alert/set-rule", { ruleId: "slow", metric: "vm.health", below: 50, severity: "warning" });
  await post("chassis/cordon", { chassisId: "yeast-1" });
  await post("chassis/uncordon", { chassisId: "yeast-1" });
  await post("job/vm/pause", { vmId: "vm-1" });
  const plan = { payload: JSON.stringify({ biologicalType: "ecoli", resources: { ribosomes: "10%" } }) };
  for (let round = 0; round < 4; round += 1) {
    for (const chassisId of ["ecoli-1", "yeast-1", "absent"]) {
      await get("chassis/get", { chassisId });
      await get("ledger/get", { chassisId });
    }
    for (const path of [
      "vm/list",
      "chassis/list",
      "ledger/list",
      "quota/list",
      "alert/list",
      "experiment/list",
    ]) {
      await get(path);
      await get(path, { limit: "0" });
    }
    await get("placement/plan", plan);
    await get("monitor/fleet");
    await get("monitor/report");
  }
  for (const vmId of ids) await post("vm/destroy", { vmId });
  expect(checked.count).toBeGreaterThanOrEqual(LEAST);
  const statuses = new Set([...checked.kinds].map((kind) => kind.split(" ").at(-1)));
  expect([...statuses].sort()).toEqual(expect.arrayContaining(["200", "202", "400", "404"]));
}, 180_000);

it("is enough for a public generator of clients: its client creates and destroys a VM", async () => {
  const folder = join(ROOT, ".build", `http-client-${process.pid}`);
  await mkdir(folder, { recursive: true });
  try {
    const { files } = await generateApi({
      spec: document,
      output: false,
      silent: true,
      fileName: "client.ts",
    });
    const [{ fileContent } = { fileContent: "" }] = files;
    await writeFile(join(folder, "client.ts"), fileContent);
    const { Api } = await import(join(folder, "client.ts"));
    const api = new Api({ baseUrl: world.url }).api;
    const created = await api.vmCreate({ vmId: "generated", biologicalType: "syn3a" });
    expect(created.data.vm).toMatchObject({ vmId: "generated", state: "created" });
    expect((await api.vmGet({ vmId: "generated" })).data.vm.biologicalType).toBe("syn3a");
    await api.vmDestroy({ vmId: "generated" });
    await eventually("the VM is destroyed", async () => {
      const { data } = await api.vmGet({ vmId: "generated" });
      return data.vm.state === "destroyed" || undefined;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}, 120_000);
