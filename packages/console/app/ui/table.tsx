/**
 * A table of some rows. A column is its title, its cell, and `num` for numbers.
 */
import type { ComponentChildren } from "preact";

interface TableProps<T> {
  readonly caption: string;
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  readonly columns: readonly (readonly [string, (row: T) => ComponentChildren, "num"?])[];
}

export function Table<T>({ caption, rows, keyOf, columns }: TableProps<T>) {
  return (
    <div class="table-scroll">
      <table class="list-table">
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(([title, , kind = ""]) => (
              <th scope="col" key={title} class={kind}>
                {title === "" ? <span class="visually-hidden">Actions</span> : title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(([title, cell, kind = ""]) => (
                <td key={title} class={kind}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
