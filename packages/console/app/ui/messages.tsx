/**
 * Messages about what the user has just done, in a live region: a screen reader reads them out.
 */
import { signal } from "@preact/signals";
import { ApiError } from "../api/client.ts";
import { Button } from "./basics.tsx";

/** Takes an action back, and the words for it. */
export interface Undo {
  readonly done: string;
  readonly action: () => Promise<unknown>;
}

interface Message {
  readonly id: number;
  readonly text: string;
  readonly isError: boolean;
  readonly undo?: Undo | undefined;
}

const messages = signal<readonly Message[]>([]);
let lastId = 0;
/** How long a message stays, ms: time to read two sentences. An error stays until it is closed. */
const STAY_MS = 6_000;
/** How long a message with an undo stays, ms: time to notice a mistake and to reach the button with the keyboard. */
const UNDO_STAY_MS = 20_000;

export function say(text: string, isError = false, undo?: Undo): void {
  lastId += 1;
  const id = lastId;
  messages.value = [...messages.value.slice(-3), { id, text, isError, undo }];
  if (!isError) setTimeout(() => close(id), undo === undefined ? STAY_MS : UNDO_STAY_MS);
}

function close(id: number): void {
  messages.value = messages.value.filter((message) => message.id !== id);
}

/**
 * Carries out an action of the user and says how it ended, with a button that takes it back where there is an `undo`.
 * Returns whether it succeeded.
 */
export async function act(done: string, action: () => Promise<unknown>, undo?: Undo): Promise<boolean> {
  try {
    await action();
    say(done, false, undo);
    return true;
  } catch (thrown) {
    const problems =
      thrown instanceof ApiError ? thrown.problems.map(({ path, message }) => `${path}: ${message}`) : [];
    const code = thrown instanceof ApiError ? `${thrown.code}: ` : "";
    say(
      [`${code}${thrown instanceof Error ? thrown.message : String(thrown)}`, ...problems].join("; "),
      true,
    );
    return false;
  }
}

export function Messages() {
  return (
    <div class="messages" role="status" aria-live="polite">
      {messages.value.map(({ id, text, isError, undo }) => (
        <p class={`message ${isError ? "is-error" : ""}`} key={id}>
          <span>{text}</span>
          {undo !== undefined && (
            <Button
              label={`Undo: ${text}`}
              onClick={() => {
                close(id);
                void act(undo.done, undo.action);
              }}
            >
              Undo
            </Button>
          )}
          <button type="button" class="close" aria-label="Close the message" onClick={() => close(id)}>
            ×
          </button>
        </p>
      ))}
    </div>
  );
}
