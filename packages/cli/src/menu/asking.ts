/**
 * The port through which the menu asks questions and shows output. Tests implement it without a terminal, and so cover
 * every path of the menu.
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
import { width } from "../screen.ts";

export interface Choice<T extends string> {
  readonly value: T;
  readonly label: string;
  readonly hint?: string;
}

export interface TextQuestion {
  readonly message: string;
  readonly initial?: string;
  /** Returns what is wrong with the entered text, in one sentence; undefined when the text is valid. */
  readonly problem?: (text: string) => string | undefined;
}

/**
 * Asks the user of the menu questions, and shows output. A question returns undefined when the user presses Esc; the
 * menu then goes back one level.
 */
export interface Asking {
  choose<T extends string>(message: string, choices: readonly Choice<T>[]): Promise<T | undefined>;
  text(question: TextQuestion): Promise<string | undefined>;
  confirm(message: string): Promise<boolean | undefined>;
  show(body: string, title: string): void;
  tell(kind: "done" | "refused" | "news", line: string): void;
  /** Shows `message` as progress until `work` settles; returns the result of `work`. */
  during<T>(message: string, work: Promise<T>): Promise<T>;
  /** Shows the text that `draw` returns, and calls `draw` again once a second until a key is pressed. */
  live(draw: () => Promise<string>): Promise<void>;
}

/** Thrown when the user presses Ctrl-C at a question; it ends the whole menu. */
export class MenuLeft extends Error {}

/** Returns the number of terminal rows that `text` fills, with lines wrapped at `columns`. */
export function rowsOf(text: string, columns: number): number {
  const rows = text.split("\n").map((line) => Math.max(1, Math.ceil(width(line) / columns)));
  return rows.reduce((sum, count) => sum + count, 0);
}

/** Maximum number of choices in a plain list. A longer list also offers a search by part of the name. */
const MAX_PLAIN_CHOICES = 12;
/** Interval at which {@link Asking.live} redraws its output, ms. */
const REDRAW_MS = 1_000;

interface PressedKey {
  readonly name?: string;
  readonly ctrl?: boolean;
}

/** Implements the port {@link Asking} on a terminal, with the library `@clack/prompts`. */
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
    // The option type of clack is conditional on the value type, and TypeScript cannot resolve it for a type parameter.
    const options = choices as readonly Choice<string>[] as Choice<string>[];
    const answer =
      options.length > MAX_PLAIN_CHOICES
        ? autocomplete({ message: `${message} (type to search)`, options, maxItems: MAX_PLAIN_CHOICES })
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
    const progress = spinner();
    progress.start(message);
    try {
      return await work;
    } finally {
      progress.clear();
    }
  }

  async live(draw: () => Promise<string>): Promise<void> {
    let done = false;
    let wake: () => void = () => undefined;
    const onKey = (_text: string, key: PressedKey) => {
      this.#interrupted = key.ctrl === true && key.name === "c";
      done = true;
      wake();
    };
    process.stdin.setRawMode(true).resume().on("keypress", onKey);
    try {
      let rows = 0;
      while (!done) {
        const body = `${await draw()}\npress any key to go back`;
        if (rows > 0) process.stdout.write(`\u001b[${rows}A\u001b[J`);
        process.stdout.write(`${body}\n`);
        rows = rowsOf(body, process.stdout.columns);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, REDRAW_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
          if (done) wake();
        });
      }
    } finally {
      process.stdin.off("keypress", onKey).setRawMode(false).pause();
    }
    if (this.#interrupted) throw new MenuLeft();
  }
}
