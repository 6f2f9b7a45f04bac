/**
 * The time course of one cell: rows of exact simulated minutes.
 *
 * A row is the cell at the end of its minute, before its hooks and before what acts from outside at this minute. So it
 * has the allocation and the environment of the minute that ends. A new cell also has a row of minute 0; a cell that
 * continues from a checkpoint has none of the checkpoint's minute, because the row belongs to the cell before it.
 */
import {
  type CellResource,
  cellResources,
  type HostedModel,
  type LivingCell,
  WEISSE,
} from "@bioxen/cell-models";
import { DriverError, type GuestRecord, type RecordedColumn, type RecordedRows } from "@bioxen/vm-driver";

type Value = number | null;

interface Field extends RecordedColumn {
  readonly of: (cell: LivingCell, seen: Seen) => Value | undefined;
}

/** What several fields of one row are read from. */
interface Seen {
  readonly sample: ReturnType<LivingCell["sample"]>;
  readonly state: readonly number[];
}

const MINUTE: RecordedColumn = { name: "minute", unit: "min" };

const RESOURCE_UNITS: Readonly<Record<CellResource, string>> = {
  ribosomes: "molecules",
  rnaPolymerases: "molecules",
  atpPerSecond: "molecules/s",
  dnaKilobases: "kb",
};
/** Fields of every model. */
const GROWTH_FIELDS: readonly Field[] = [
  { name: "growthRatePerMinute", unit: "1/min", of: (_, { sample }) => sample.growthRatePerMinute },
  { name: "doublingTimeMinutes", unit: "min", of: (_, { sample }) => sample.doublingTimeMinutes },
];
const ALLOCATION_FIELDS: readonly Field[] = cellResources.map((name) => ({
  name: `allocation.${name}`,
  unit: RESOURCE_UNITS[name],
  of: ({ allocation }) => allocation[name] ?? 0,
}));
const MASS_FRACTION: Field = {
  name: "ribosomalMassFraction",
  unit: "1",
  of: (_, { sample }) => sample.ribosomalMassFraction,
};

/**
 * Returns all fields of a cell in the order of their columns: its state variables, its growth, the outputs of its model,
 * its allocation and its environment. `cellFieldsOf` of the contracts has the same names.
 */
function fieldsOf(model: HostedModel, cell: LivingCell): readonly Field[] {
  const variables = (cell.stateVariables ?? model.stateVariables ?? []).map(
    ({ name, unit }, i): Field => ({ name, unit, of: (_, { state }) => state[i] }),
  );
  const outputs = model.outputs.map(
    ({ name, unit }): Field => ({ name, unit, of: (_, { sample }) => sample.outputs?.[name] }),
  );
  const environment = model.environment.map(
    ({ name, unit }): Field => ({
      name: `environment.${name}`,
      unit,
      of: (one) => one.environment[name],
    }),
  );
  const ofModel = model === WEISSE ? [MASS_FRACTION] : outputs;
  return [...variables, ...GROWTH_FIELDS, ...ofModel, ...ALLOCATION_FIELDS, ...environment];
}

export class GuestCourse {
  readonly columns: readonly RecordedColumn[];
  readonly #record: GuestRecord;
  readonly #fields: readonly Field[];
  #rows: (readonly Value[])[] = [];
  /** The newest minute that was recorded. */
  #newest = -1;

  private constructor(record: GuestRecord, fields: readonly Field[]) {
    this.#record = record;
    this.#fields = fields;
    this.columns = [MINUTE, ...fields.map(({ name, unit }) => ({ name, unit }))];
  }

  /**
   * Returns the course of a guest; undefined for a guest that records nothing. Throws `BAD_REQUEST` with every field that
   * the cell of the model does not have.
   */
  static of(record: GuestRecord | undefined, model: HostedModel, cell: LivingCell): GuestCourse | undefined {
    if (record === undefined) return undefined;
    const all = fieldsOf(model, cell);
    const { fields: wanted } = record;
    if (wanted === undefined) return new GuestCourse(record, all);
    const unknown = wanted.filter((name) => all.every((field) => field.name !== name));
    if (unknown.length > 0) {
      throw new DriverError(
        "BAD_REQUEST",
        `record.fields: the model ${model.name} has no ${unknown.join(", ")}`,
      );
    }
    return new GuestCourse(
      record,
      wanted.flatMap((name) => all.find((field) => field.name === name) ?? []),
    );
  }

  /** Records the cell if a row of its present minute is due. Throws what the model throws. */
  observe(cell: LivingCell): void {
    const { simMinutes } = cell;
    if (simMinutes % this.#record.everyMinutes !== 0 || simMinutes <= this.#newest) return;
    this.#newest = simMinutes;
    const seen = { sample: cell.sample(), state: cell.stateValues?.() ?? [] };
    this.#rows.push([simMinutes, ...this.#fields.map((field) => finite(field.of(cell, seen)))]);
  }

  /** Continues the course of a guest that this one replaces: its rows are not recorded again. */
  follow(before: GuestCourse): void {
    this.#newest = before.#newest;
    this.#rows = [];
  }

  /** Returns the rows since the last call; undefined if there are none. */
  take(): RecordedRows | undefined {
    if (this.#rows.length === 0) return undefined;
    const rows = this.#rows;
    this.#rows = [];
    return { key: this.#record.key, columns: this.columns, rows };
  }
}

function finite(value: Value | undefined): Value {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
