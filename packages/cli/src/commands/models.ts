/** `bioxen models …`: the cell models that agents announce, with what each declares. */
import {
  type ChassisView,
  DEFAULT_MODEL,
  type DeclaredQuantity,
  knownModels,
  type ModelDeclaration,
  suggestion,
} from "@bioxen/contracts";
import type { Command } from "commander";
import { type ListOptions, showList, withListOptions } from "../lists.ts";
import { refused } from "../outcome.ts";
import { say, sayJson, withSession } from "../run.ts";
import { table } from "../table.ts";

/** A model, and the chassis whose VMs can have it. */
interface FoundModel extends ModelDeclaration {
  readonly builtIn: boolean;
  readonly chassis: readonly string[];
}

export function addModelCommands(program: Command): void {
  const models = program.command("models").description("cell models of the agents");
  withListOptions(models.command("ls").alias("list").description("list all models, each with its chassis"))
    .addHelpText("after", "\nExample:\n  bioxen models ls")
    .action(async (options: ListOptions, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const found = modelsOf((await session.ask("chassisList", {})).chassis);
        if (json === true) return sayJson({ ok: true, models: found });
        showList(options, {
          ids: found.map(({ name }) => name),
          empty: "",
          table: (form) => table(LIST_HEADS, found.map(listRow), undefined, form),
        });
      });
    });
  models
    .command("show")
    .description("show the parameters, environment, outputs, sets and full demand of a model")
    .argument("<name>", "model")
    .addHelpText("after", "\nExample:\n  bioxen models show weisse")
    .action(async (name: string, _options: object, command: Command) => {
      await withSession(command, async (session, { json }) => {
        const found = modelsOf((await session.ask("chassisList", {})).chassis);
        const model = found.find((one) => one.name === name);
        if (model === undefined) throw refused(unknown(name, found));
        if (json === true) sayJson({ ok: true, model });
        else say(modelWords(model));
      });
    });
}

function unknown(name: string, found: readonly FoundModel[]) {
  const names = found.map((one) => one.name);
  const message = `no agent announces the cell model ${name}${suggestion(name, names)}`;
  return { code: "MODEL_NOT_FOUND", message, retryable: false, details: { models: names } } as const;
}

/** Returns the built-in model and then those that the chassis announce, in order of name. */
function modelsOf(chassis: readonly ChassisView[]): FoundModel[] {
  const cells = chassis.filter(({ hosts }) => hosts === undefined);
  const found = [...knownModels(cells).values()].map((model): FoundModel => {
    const builtIn = model.name === DEFAULT_MODEL;
    const own = cells.filter(({ models = [] }) => builtIn || models.some(({ name }) => name === model.name));
    return { ...model, builtIn, chassis: own.map(({ chassisId }) => chassisId) };
  });
  const [first, ...others] = found;
  const sorted = others.sort((a, b) => (a.name < b.name ? -1 : 1));
  return first === undefined ? sorted : [first, ...sorted];
}

const LIST_HEADS = [
  { head: "MODEL" },
  { head: "VERSION", importance: 1 },
  { head: "TYPES", importance: 3 },
  { head: "CHASSIS", importance: 4 },
  { head: "DESCRIPTION", importance: 2, wraps: true },
];

function listRow({ name, version, biologicalTypes, chassis, description }: FoundModel): string[] {
  const types = biologicalTypes.map((one) => one.name).join(", ");
  return [name, String(version), types, String(chassis.length), description];
}

function modelWords(model: FoundModel): string {
  const { name, version, description, builtIn, limitedBy, chassis } = model;
  const where = builtIn ? "built in" : `on ${chassis.join(", ") || "no chassis"}`;
  const limits = limitedBy.length === 0 ? "no resource" : limitedBy.join(", ");
  const parts = [
    `${name} version ${version}, ${where}\n${description}\nlimited by ${limits}`,
    quantityTable("PARAMETER", model.parameters),
    quantityTable("ENVIRONMENT", model.environment),
    quantityTable("OUTPUT", model.outputs),
    setTable(model),
    typeTable(model),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function quantityTable(head: string, quantities: readonly DeclaredQuantity[]): string {
  if (quantities.length === 0) return "";
  const heads = [
    { head },
    { head: "UNIT", importance: 3 },
    { head: "RANGE", importance: 2 },
    { head: "DEFAULT", importance: 4 },
    { head: "MEANING", importance: 1, wraps: true },
  ];
  const rows = quantities.map(({ name, unit, range, default: preset, description }) => [
    name,
    unit,
    `${range[0]} to ${range[1]}`,
    String(Number(preset.toPrecision(6))),
    description,
  ]);
  return table(heads, rows);
}

function setTable({ parameterSets }: ModelDeclaration): string {
  if (parameterSets.length === 0) return "";
  const heads = [
    { head: "PARAMETER SET" },
    { head: "TYPES", importance: 1 },
    { head: "VALUES", importance: 2, wraps: true },
    { head: "MEANING", importance: 3, wraps: true },
  ];
  const rows = parameterSets.map(({ name, biologicalTypes = ["all"], parameters = {}, description }) => [
    name,
    biologicalTypes.join(", "),
    Object.entries(parameters)
      .map(([parameter, value]) => `${parameter} ${value}`)
      .join(", ") || "the defaults",
    description,
  ]);
  return table(heads, rows);
}

/** The full demand of each type, and of each set that has one of its own. */
function typeTable({ biologicalTypes, parameterSets }: ModelDeclaration): string {
  const heads = [{ head: "FULL DEMAND OF" }, { head: "AMOUNTS", importance: 1, wraps: true }];
  const ofTypes = biologicalTypes.map(({ name, fullDemand }) => [name, amountWords(fullDemand)]);
  const ofSets = parameterSets.flatMap(({ name, fullDemand }) =>
    fullDemand === undefined ? [] : [[`set ${name}`, amountWords(fullDemand)]],
  );
  return table(heads, [...ofTypes, ...ofSets]);
}

function amountWords(amounts: object): string {
  const words = Object.entries(amounts).map(([name, amount]) => `${name} ${amount}`);
  return words.join(", ") || "nothing";
}
