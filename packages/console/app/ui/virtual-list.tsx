/**
 * A table of any length: only the rows in sight are in the page. Rows have one height, so that the scroll bar is true.
 *
 * `aria-rowcount` is the number of all rows. The link of a row is a stop for the keyboard: arrow keys, Page Up and Page
 * Down, Home and End move over the rows, and Enter opens one.
 */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export interface Column<T> {
  readonly name: string;
  readonly title: string;
  /** Width in px; absent: a share of what is left. */
  readonly width?: number;
  readonly isNumber?: boolean;
  readonly cell: (item: T) => ComponentChildren;
  /** Value by which the column sorts; absent: it does not sort. */
  readonly sortBy?: (item: T) => number | string;
}

interface ListProps<T> {
  readonly label: string;
  readonly items: readonly T[];
  readonly columns: readonly Column<T>[];
  /** The text and the address of the link in the first column. */
  readonly linkOf: (item: T) => { readonly text: string; readonly href: string };
  readonly sort: string;
  readonly onSort: (sort: string) => void;
}

/** Height of a row, px; the style sheet has the same. */
const ROW_PX = 36;
/** Rows that are kept above and below the visible ones, so that fast scrolling shows no gap. */
const SPARE_ROWS = 12;

const collator = new Intl.Collator("en", { numeric: true });

export function sorted<T>(items: readonly T[], columns: readonly Column<T>[], sort: string): readonly T[] {
  const isDown = sort.startsWith("-");
  const by = columns.find(({ name }) => name === sort.replace(/^-/, ""))?.sortBy;
  if (by === undefined) return items;
  const compare = (a: number | string, b: number | string) =>
    typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
  const keyed = items.map((item) => [by(item), item] as const).sort(([a], [b]) => compare(a, b));
  const result = keyed.map(([, item]) => item);
  return isDown ? result.reverse() : result;
}

/** The row to which a key moves the focus; undefined for another key. */
export function rowAfter(key: string, at: number, rows: number, page: number): number | undefined {
  const steps: Readonly<Record<string, number>> = {
    ArrowDown: 1,
    ArrowUp: -1,
    PageDown: page,
    PageUp: -page,
    Home: -rows,
    End: rows,
  };
  const by = steps[key];
  return by === undefined ? undefined : Math.min(rows - 1, Math.max(0, at + by));
}

export function VirtualList<T>({ label, items, columns, linkOf, sort, onSort }: ListProps<T>) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const [at, setAt] = useState(0);
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const sizes = new ResizeObserver(() => setHeight(element.clientHeight));
    sizes.observe(element);
    return () => sizes.disconnect();
  }, []);
  const first = Math.max(0, Math.floor(top / ROW_PX) - SPARE_ROWS);
  const last = Math.min(items.length, Math.ceil((top + height) / ROW_PX) + SPARE_ROWS);
  const onKey = (event: KeyboardEvent) => {
    const element = box.current;
    const next = rowAfter(event.key, at, items.length, Math.max(1, Math.floor(height / ROW_PX) - 2));
    if (next === undefined || element === null) return;
    event.preventDefault();
    setAt(next);
    const from = next * ROW_PX;
    if (from < element.scrollTop) element.scrollTop = from;
    else if (from + 2 * ROW_PX > element.scrollTop + height) element.scrollTop = from + 2 * ROW_PX - height;
    requestAnimationFrame(() => element.querySelector<HTMLElement>(`[data-row="${next}"]`)?.focus());
  };
  const stop = Math.min(at, items.length - 1);
  return (
    <div class="vlist" ref={box} onScroll={(event) => setTop(event.currentTarget.scrollTop)}>
      <table aria-rowcount={items.length + 1}>
        <caption class="visually-hidden">{label}</caption>
        <colgroup>
          {columns.map(({ name, width }) => (
            <col key={name} style={width === undefined ? {} : { width: `${width}px` }} />
          ))}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((column) => (
              <HeadCell key={column.name} column={column} sort={sort} onSort={onSort} />
            ))}
          </tr>
        </thead>
        <tbody>
          <Spacer rows={first} />
          {items.slice(first, last).map((item, offset) => {
            const index = first + offset;
            const { text, href } = linkOf(item);
            return (
              <tr key={text} aria-rowindex={index + 2}>
                {columns.map(({ name, cell, isNumber }, column) => (
                  <td key={name} class={isNumber === true ? "num" : ""}>
                    {column === 0 ? (
                      <a
                        href={href}
                        data-row={index}
                        tabIndex={index === stop ? 0 : -1}
                        onFocus={() => setAt(index)}
                        onKeyDown={onKey}
                      >
                        {text}
                      </a>
                    ) : (
                      cell(item)
                    )}
                  </td>
                ))}
              </tr>
            );
          })}
          <Spacer rows={items.length - last} />
        </tbody>
      </table>
    </div>
  );
}

/** The place of the rows that are not in the page. */
function Spacer({ rows }: { readonly rows: number }) {
  return <tr class="spacer" style={{ height: `${Math.max(0, rows) * ROW_PX}px` }} />;
}

interface HeadCellProps<T> {
  readonly column: Column<T>;
  readonly sort: string;
  readonly onSort: (sort: string) => void;
}

function HeadCell<T>({ column, sort, onSort }: HeadCellProps<T>) {
  const { name, title, isNumber, sortBy } = column;
  const isUp = sort === name;
  const isDown = sort === `-${name}`;
  return (
    <th
      scope="col"
      class={isNumber === true ? "num" : ""}
      aria-sort={isUp ? "ascending" : isDown ? "descending" : "none"}
    >
      {sortBy === undefined ? (
        title
      ) : (
        <button type="button" onClick={() => onSort(isUp ? `-${name}` : name)}>
          {title}
          <span aria-hidden="true">{isUp ? " ↑" : isDown ? " ↓" : ""}</span>
        </button>
      )}
    </th>
  );
}
