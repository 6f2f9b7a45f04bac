/**
 * Secrets in commands: each is refused, wherever it stands, and no refusal has its value.
 */
import { describe, expect, it } from "vitest";
import { ENDPOINTS } from "./endpoints/catalogue.ts";
import { problemsOf } from "./endpoints/endpoint.ts";
import { checkedBy } from "./issue-words.ts";
import { dataWithoutSecrets, lineWithoutSecrets, secretsInProgram } from "./secrets.ts";

const SECRET = "hunter2-horse-battery";
const SEED = `SU${"A2".repeat(28)}`;
const VM = { vmId: "a", biologicalType: "syn3a" };

const refusalOf = (endpoint: (typeof ENDPOINTS)[keyof typeof ENDPOINTS], request: object) => {
  const checked = checkedBy(endpoint.request, request);
  return checked.success ? [] : problemsOf(checked.error, endpoint.request);
};

describe("a command with a secret", () => {
  it.each([
    ["vmCreate", { ...VM, config: { password: SECRET } }, "config.password"],
    ["vmCreate", { ...VM, config: { db_pass: SECRET } }, "config.db_pass"],
    ["vmCreate", { ...VM, config: { pool: { apiKey: SECRET } } }, "config.pool.apiKey"],
    ["vmCreate", { ...VM, config: { list: [{ authToken: SECRET }] } }, "config.list.0.authToken"],
    ["vmCreate", { ...VM, config: { note: SEED } }, "config.note"],
    ["vmCreate", { ...VM, labels: { "db-password": SECRET } }, "labels.db-password"],
    ["vmCreate", { ...VM, labels: { note: SEED } }, "labels.note"],
    ["vmCreate", { ...VM, program: `x = 1\nlocal db_password = "${SECRET}"` }, "program"],
    ["vmCreate", { ...VM, program: `t = { ["api_key"] = '${SECRET}' }` }, "program"],
    ["vmExec", { vmId: "a", source: `secret = [[${SECRET}]]` }, "source"],
    ["vmExec", { vmId: "a", source: `DB_PASSWORD=${SECRET} ./run` }, "source"],
    ["vmExec", { vmId: "a", source: `print("${SEED}")` }, "source"],
    ["vmExec", { vmId: "a", source: `export db_password=${SECRET}` }, "source"],
    ["vmExec", { vmId: "a", source: `./run --password=${SECRET}` }, "source"],
    ["vmExec", { vmId: "a", source: `curl -H "Authorization: Bearer ${SECRET}" http://a` }, "source"],
    ["vmExec", { vmId: "a", source: `connect("nats://me:${SECRET}@host")` }, "source"],
    ["vmCreate", { ...VM, config: { sshKey: SECRET } }, "config.sshKey"],
    ["vmCreate", { ...VM, config: { authorization: SECRET } }, "config.authorization"],
    ["vmCreate", { ...VM, config: { db_pw: SECRET } }, "config.db_pw"],
    ["vmCreate", { ...VM, config: { url: `nats://me:${SECRET}@host` } }, "config.url"],
    [
      "vmCreate",
      { ...VM, placement: { tolerations: [{ key: "password", value: SECRET }] } },
      "placement.tolerations.0.value",
    ],
    [
      "chassisRegister",
      {
        chassisId: "c",
        chassisType: "ecoli",
        agentId: "local",
        taints: [{ key: "password", value: SECRET, effect: "NoSchedule" }],
      },
      "taints.0.value",
    ],
    [
      "alertSetRule",
      {
        ruleId: "r",
        metric: "vm.health",
        below: 1,
        severity: "info",
        scope: { label: `password=${SECRET}` },
      },
      "scope.label",
    ],
    ["placementPlan", { ...VM, labels: { password: SECRET } }, "labels.password"],
    ["quotaSet", { label: `password=${SECRET}`, resources: {} }, "label"],
    [
      "chassisRegister",
      { chassisId: "c", chassisType: "ecoli", agentId: "local", labels: { token: SECRET } },
      "labels.token",
    ],
  ] as const)("%s %j names %s", (name, request, path) => {
    const problems = refusalOf(ENDPOINTS[name], request);
    const text = JSON.stringify(problems);
    expect(text).toContain("looks like a credential");
    expect(text).toContain(name === "placementPlan" ? "labels" : `"path":"${path}"`);
    expect(text).not.toContain(SECRET);
    expect(text).not.toContain(SEED);
  });

  it.each([
    ["vmCreate", { ...VM, labels: { team: "red", monkey: "x" }, config: { keyboard: "us" } }],
    ["vmCreate", { ...VM, program: 'local token = next_token()\nprint("password = ?")\nkeys = 3' }],
    ["vmExec", { vmId: "a", source: "secret = tonumber(arg) return cell.growth_rate()" }],
    ["vmExec", { vmId: "a", source: 'PASSWORD="$1" ./run --user root' }],
    ["quotaSet", { label: "team=red", resources: {} }],
    [
      "vmCreate",
      { ...VM, placement: { tolerations: [{ key: "gpu", value: "yes" }] }, config: { pwm: "on" } },
    ],
    ["vmExec", { vmId: "a", source: "-- see https://host:8080/a@b\ntoken=next() export = 1" }],
  ] as const)("%s %j has none", (name, request) => {
    expect(refusalOf(ENDPOINTS[name], request)).toEqual([]);
  });
});

it("a program is searched in a time that grows with its length", () => {
  // With a search that grows with the square of the length, each of these lines takes hours.
  for (const piece of [
    "://a",
    ":",
    "--a",
    "--a=",
    "export a",
    "Bearer a",
    "x",
    "X",
    " ",
    "=",
    "a=",
    'a="',
    "a=[",
    "-----BEGIN ",
    "a=[=",
    "A_",
    ";A",
  ]) {
    expect(secretsInProgram(piece.repeat(2_000_000 / piece.length))).toEqual([]);
  }
});

describe("the record of a malformed request", () => {
  const recorded = (text: string) =>
    new TextDecoder().decode(dataWithoutSecrets(new TextEncoder().encode(text)));

  it.each([
    { ...VM, config: { password: SECRET } },
    { ...VM, passwrod: 1, labels: { "db-password": SECRET } },
    { ...VM, program: `x = 1\nlocal db_password = "${SECRET}"` },
    { ...VM, note: `password=${SECRET}`, seeds: [SEED] },
    { ...VM, placement: { tolerations: [{ key: "password", value: SECRET }] } },
  ])("%j has no secret, and what is none stays", (request) => {
    expect(recorded(JSON.stringify(request))).not.toMatch(new RegExp(`${SECRET}|${SEED}`));
    expect(JSON.parse(recorded(JSON.stringify(request)))).toMatchObject(VM);
  });

  it("is removed as a whole where it is no JSON and may hold a secret", () => {
    expect(recorded(`{"password": "${SECRET}"`)).not.toContain(SECRET);
    expect(recorded(`{"vmId": "a"`)).toBe(`{"vmId": "a"`);
  });
});

describe("a line of a log", () => {
  const token = `bioxen_${"Ab0-_".repeat(9)}`;

  it.each([
    ["a JSON document", JSON.stringify({ level: "info", url: `nats://me:${SECRET}@host`, seq: 3 })],
    ["a field with the name of a secret", JSON.stringify({ msg: "login", password: SECRET })],
    ["a list", JSON.stringify({ args: ["--url", `nats://me:${SECRET}@host`] })],
    ["an assignment in plain text", `BIOXEN_POOL_PASSWORD=${SECRET}`],
    ["a seed in plain text", `[1] 2026/11/29 connected as ${SEED}`],
    ["a token of the gateway", `GET /v1/vms ${token}`],
  ])("loses the secret in %s", (_where, line) => {
    const shown = lineWithoutSecrets(line);
    for (const secret of [SECRET, SEED, token]) expect(shown).not.toContain(secret);
  });

  it("keeps what is no secret", () => {
    for (const line of [
      '{"level":"info","msg":"ready","vmId":"cell-a","token":3}',
      "[1] Server is ready",
      "",
    ])
      expect(lineWithoutSecrets(line)).toBe(line);
  });
});
