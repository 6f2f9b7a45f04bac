/**
 * How the menu asks and shows: a port, so that every path through the menu can be tested without a terminal.
 */
import {
  autocomplete,
  type CANCEL_SYMBOL,
  confirm,
  intro,
  isCancel,
  log,
  note,
  outro,
  select,
  spinner,
  text,
} from "@clack/prompts";
import { width } from "../terminal.ts";

export interface Choice<T extends string> {
  readonly value: T;
  readonly label: string;
  readonly hint?: string;
}

export interface TextQuestion {
  readonly message: string;
  readonly initial?: string;
  /** What is wrong with the text, in one sentence; undefined: nothing. */
  readonly problem?: (text: string) => string | undefined;
}

/** Every answer may be undefined: Esc, back to where one came from. */
export interface Asking {
  choose<T extends string>(message: string, choices: readonly Choice<T>[]): Promise<T | undefined>;
  text(question: TextQuestion): Promise<string | undefined>;
  confirm(message: string): Promise<boolean | undefined>;
  show(body: string, title: string): void;
  tell(kind: "done" | "refused" | "news", line: string): void;
  /** Shows that something is under way. */
  during<T>(message: string, work: Promise<T>): Promise<T>;
  /** Draws again and again until a key is pressed. */
  live(draw: () => Promise<string>): Promise<void>;
}

/** Ctrl-C: the whole menu ends, at whatever question. */
export class MenuLeft extends Error {}

/** Rows that `text` takes on a terminal, which begins a line anew where it is full. */
export function rowsOf(text: string, columns: number): number {
  const rows = text.split("\n").map((line) => Math.max(1, Math.ceil(width(line) / columns)));
  return rows.reduce((sum, count) => sum + count, 0);
}

/** Choices above this are found by typing a part of their name. */
const LONGEST_LIST = 12;
const REDRAW_MS = 1_000;

interface PressedKey {
  readonly name?: string;
  readonly ctrl?: boolean;
}

export class TerminalAsking implements Asking {
  #interrupted = false;

  constructor() {
    process.stdin.on("keypress", (_text, key: PressedKey) => {
      if (key.ctrl === true && key.name === "c") this.#interrupted = true;
    });
  }

  begin(title: string): void {
    intro(title);
  }

  end(line: string): void {
    outro(line);
  }

  choose<T extends string>(message: string, choices: readonly Choice<T>[]): Promise<T | undefined> {
    // clack tells apart types of values that a type parameter leaves open.
    const options = choices as readonly Choice<string>[] as Choice<string>[];
    const answer =
      options.length > LONGEST_LIST
        ? autocomplete({ message: `${message} (type to search)`, options, maxItems: LONGEST_LIST })
        : select({ message, options });
    return this.#answered(answer) as Promise<T | undefined>;
  }

  text({ message, initial, problem }: TextQuestion): Promise<string | undefined> {
    const validate = (value: string | undefined) => problem?.((value ?? "").trim());
    const answer = text({ message, validate, ...(initial === undefined ? {} : { initialValue: initial }) });
    return this.#answered(answer).then((value) => value?.trim());
  }

  confirm(message: string): Promise<boolean | undefined> {
    return this.#answered(confirm({ message, initialValue: false }));
  }

  async #answered<T>(answer: Promise<T | typeof CANCEL_SYMBOL>): Promise<T | undefined> {
    this.#interrupted = false;
    const value = await answer;
    if (!isCancel(value)) return value;
    if (this.#interrupted) throw new MenuLeft();
    return undefined;
  }

  show(body: string, title: string): void {
    note(body, title, { format: (line) => line });
  }

  tell(kind: "done" | "refused" | "news", line: string): void {
    if (kind === "done") log.success(line);
    else if (kind === "refused") log.error(line);
    else log.message(line);
  }

  async during<T>(message: string, work: Promise<T>): Promise<T> {
    const wheel = spinner();
    wheel.start(message);
    try {
      return await work;
    } finally {
      wheel.clear();
    }
  }

  async live(draw: () => Promise<string>): Promise<void> {
    let over = false;
    let wake: () => void = () => undefined;
    const onKey = (_text: string, key: PressedKey) => {
      this.#interrupted = key.ctrl === true && key.name === "c";
      over = true;
      wake();
    };
    process.stdin.setRawMode(true).resume().on("keypress", onKey);
    try {
      let rows = 0;
      while (!over) {
        const body = `${await draw()}\nany key goes back`;
        if (rows > 0) process.stdout.write(`\u001b[${rows}A\u001b[J`);
        process.stdout.write(`${body}\n`);
        rows = rowsOf(body, process.stdout.columns);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, REDRAW_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
          if (over) wake();
        });
      }
    } finally {
      process.stdin.off("keypress", onKey).setRawMode(false).pause();
    }
    if (this.#interrupted) throw new MenuLeft();
  }
}
