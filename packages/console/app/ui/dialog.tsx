/**
 * Modal dialogs on the `dialog` element of the browser, which holds the focus and closes on Escape.
 */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Button } from "./basics.tsx";

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

export function Dialog({ title, onClose, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opener = document.activeElement;
    ref.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  return (
    <dialog ref={ref} class="dialog" aria-labelledby="dialog-title" onClose={onClose}>
      <h2 id="dialog-title">{title}</h2>
      {children}
    </dialog>
  );
}

interface Question {
  readonly title: string;
  readonly text: string;
  readonly verb: string;
  readonly isDanger: boolean;
  readonly answer: (isYes: boolean) => void;
}
const question = signal<Question | undefined>(undefined);

/** Asks before an action without undo. Resolves to the answer. */
export function confirmed(title: string, text: string, verb: string, isDanger = true): Promise<boolean> {
  return new Promise((resolve) => {
    question.value = {
      title,
      text,
      verb,
      isDanger,
      answer: (isYes) => {
        question.value = undefined;
        resolve(isYes);
      },
    };
  });
}

export function Confirmation() {
  const asked = question.value;
  if (asked === undefined) return null;
  return (
    <Dialog title={asked.title} onClose={() => asked.answer(false)}>
      <p>{asked.text}</p>
      <div class="row end">
        <Button onClick={() => asked.answer(false)}>Cancel</Button>
        <Button kind={asked.isDanger ? "danger" : "primary"} onClick={() => asked.answer(true)}>
          {asked.verb}
        </Button>
      </div>
    </Dialog>
  );
}
