/**
 * The time course of a guest: which rows a driver records, and the rows that it emits.
 */

/** What a guest records. */
export interface GuestRecord {
  /** Names this guest in the rows that it emits. The driver does not interpret it. */
  readonly key: string;
  /** Simulated minutes between two rows. Rows are of the multiples of this number, and of minute 0. */
  readonly everyMinutes: number;
  /** The recorded fields; absent: all fields of the guest's model. An unknown field makes the start a `BAD_REQUEST`. */
  readonly fields?: readonly string[] | undefined;
}

/** A recorded quantity, and its unit; the unit of a pure number is `1`. */
export interface RecordedColumn {
  readonly name: string;
  readonly unit: string;
}

/** Rows of one guest, in order of their minutes. */
export interface RecordedRows {
  /** {@link GuestRecord.key} of the guest. */
  readonly key: string;
  /** The columns of each row; the first one is the minute. The same array for all rows of a guest. */
  readonly columns: readonly RecordedColumn[];
  /** A value is null where it does not exist, such as the doubling time of a cell that does not grow. */
  readonly rows: readonly (readonly (number | null)[])[];
}
