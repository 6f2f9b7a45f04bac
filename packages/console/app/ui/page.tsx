/**
 * The frame of one view: its heading, which gets the focus when the view opens, and its actions.
 */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { route } from "../router.ts";

interface PageProps {
  readonly title: ComponentChildren;
  /** Text of the title of the document, when the heading is not a text. */
  readonly name?: string;
  readonly lead?: ComponentChildren;
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
}

let isFirst = true;

export function Page({ title, lead, actions, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const path = route.value.path.join("/");
  useEffect(() => {
    // A screen reader reads the heading of a view that was opened; the first page load is read out anyway.
    if (!isFirst) heading.current?.focus({ preventScroll: true });
    isFirst = false;
    window.scrollTo(0, 0);
  }, [path]);
  return (
    <div class="page">
      <div class="page-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {lead !== undefined && <div class="lead">{lead}</div>}
        </div>
        {actions !== undefined && actions !== false && <div class="row">{actions}</div>}
      </div>
      {children}
    </div>
  );
}
