/**
 * The key bindings of `bioxen top`: a pure function from the present view and a key to the next view.
 */
import { COLUMNS } from "./columns.ts";
import { FIRST_VIEW, type TopView } from "./frame.ts";

/** Number of rows that Page Up and Page Down scroll. */
const PAGE_ROWS = 10;
/** Maximum length of the filter text, in characters. An id has the same maximum length. */
const MAX_FILTER_LENGTH = 63;

/** A key press as Node's readline reports it. */
export interface Key {
  readonly name?: string | undefined;
  readonly ctrl?: boolean | undefined;
  readonly sequence?: string | undefined;
}

/** Returns the view after a key press, or undefined when the key quits. */
export function afterKey(view: TopView, key: Key): TopView | undefined {
  if (key.ctrl === true && key.name === "c") return undefined;
  if (view.typing) return afterTyping(view, key);
  switch (key.name) {
    case "q":
    case "escape":
      return undefined;
    case "left":
      return sortedNext(view, -1);
    case "right":
      return sortedNext(view, 1);
    case "up":
      return { ...view, scroll: Math.max(0, view.scroll - 1) };
    case "down":
      return { ...view, scroll: view.scroll + 1 };
    case "pageup":
      return { ...view, scroll: Math.max(0, view.scroll - PAGE_ROWS) };
    case "pagedown":
      return { ...view, scroll: view.scroll + PAGE_ROWS };
    case "home":
      return { ...view, scroll: 0 };
    case "r":
      return { ...view, reversed: !view.reversed };
    case "p":
      return { ...view, paused: !view.paused };
    default:
      return key.sequence === "/" ? { ...view, typing: true } : view;
  }
}

function afterTyping(view: TopView, key: Key): TopView {
  if (key.name === "return" || key.name === "enter") return { ...view, typing: false };
  if (key.name === "escape") return { ...view, typing: false, filter: FIRST_VIEW.filter, scroll: 0 };
  if (key.name === "backspace") return { ...view, filter: view.filter.slice(0, -1), scroll: 0 };
  const typed = key.sequence ?? "";
  if (!/^[\w-]$/.test(typed) || view.filter.length >= MAX_FILTER_LENGTH) return view;
  return { ...view, filter: view.filter + typed, scroll: 0 };
}

function sortedNext(view: TopView, step: 1 | -1): TopView {
  const at = COLUMNS.findIndex(({ name }) => name === view.sortedBy);
  const next = COLUMNS[(at + step + COLUMNS.length) % COLUMNS.length];
  return next === undefined ? view : { ...view, sortedBy: next.name, reversed: false, scroll: 0 };
}
