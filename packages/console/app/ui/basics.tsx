/**
 * The small parts of every view: buttons, badges, bars, times, notes, empty and loading states.
 */
import type { ComponentChildren } from "preact";
import { ApiError } from "../api/client.ts";
import { nowMs } from "../live.ts";
import type { Amounts } from "../model/types.ts";
import { ago, count, instant, percent, resourceName, short } from "../model/words.ts";

interface ButtonProps {
  readonly children: ComponentChildren;
  readonly onClick?: () => void;
  readonly kind?: "primary" | "danger" | "plain" | "quiet";
  readonly type?: "button" | "submit";
  readonly disabled?: boolean;
  readonly label?: string;
  readonly pressed?: boolean;
}

export function Button({
  children,
  onClick,
  kind = "plain",
  type = "button",
  disabled,
  label,
  pressed,
}: ButtonProps) {
  return (
    <button
      type={type}
      class={`button ${kind}`}
      onClick={onClick}
      disabled={disabled ?? false}
      aria-label={label}
      aria-pressed={pressed}
    >
      {children}
    </button>
  );
}

/** A state in words, with a mark whose form and colour differ: colour alone says nothing. */
export function Badge({ state }: { readonly state: string }) {
  return (
    <span class={`badge is-${state}`}>
      <span class="mark" aria-hidden="true" />
      {state}
    </span>
  );
}

/** An instant in the viewer's zone, with its age; the UTC instant is the tooltip. */
export function Time({ ms, withAge = false }: { readonly ms: number; readonly withAge?: boolean }) {
  const iso = new Date(ms).toISOString();
  return (
    <time dateTime={iso} title={iso}>
      {instant(ms, nowMs.value)}
      {withAge && <span class="muted"> · {ago(nowMs.value - ms)}</span>}
    </time>
  );
}

export function Age({ ms }: { readonly ms: number }) {
  const iso = new Date(ms).toISOString();
  return (
    <time dateTime={iso} title={iso}>
      {ago(nowMs.value - ms)}
    </time>
  );
}

interface ResourceBarProps {
  readonly name: string;
  readonly offered: number;
  readonly reserved: number;
  readonly lent?: number;
}

/** One resource of a chassis: what is guaranteed to VMs, what is lent beyond it, and what is free. */
export function ResourceBar({ name, offered, reserved, lent = 0 }: ResourceBarProps) {
  const share = (amount: number) => (offered === 0 ? 0 : Math.min(1, Math.max(0, amount / offered)));
  const free = Math.max(0, offered - reserved);
  const text = `${count(reserved)} of ${count(offered)} guaranteed, ${count(lent)} lent, ${count(free)} free`;
  return (
    <div class="resource" title={text}>
      <span class="resource-name">{resourceName(name)}</span>
      <span class="bar" role="img" aria-label={`${resourceName(name)}: ${text}`}>
        <span class="bar-part guaranteed" style={{ width: `${share(reserved) * 100}%` }} />
        <span class="bar-part lent" style={{ width: `${share(Math.min(lent, free)) * 100}%` }} />
      </span>
      <span class="num resource-share">{percent(share(reserved))}</span>
      <span class="num muted resource-free">{short(free)} free</span>
    </div>
  );
}

export function AmountsTable({
  rows,
  caption,
}: {
  readonly caption: string;
  readonly rows: readonly [string, Amounts | null | undefined][];
}) {
  const names = [...new Set(rows.flatMap(([, amounts]) => Object.keys(amounts ?? {})))];
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: on a phone the table is scrolled, also with the keyboard
    <section class="table-scroll" tabIndex={0} aria-label={caption}>
      <table class="plain-table">
        <caption class="visually-hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">Resource</th>
            {rows.map(([title]) => (
              <th scope="col" class="num" key={title}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {names.map((name) => (
            <tr key={name}>
              <th scope="row">{resourceName(name)}</th>
              {rows.map(([title, amounts]) => (
                <td class="num" key={title}>
                  {amounts?.[name] === undefined ? "–" : count(amounts[name])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** A place without content, with the next step. */
export function Empty({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children !== undefined && <div class="empty-next">{children}</div>}
    </div>
  );
}

/** Lines in place of content that is being read, of the same height. */
export function Loading({ lines = 4 }: { readonly lines?: number }) {
  return (
    <div class="loading" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, at) => (
        <span class="loading-line" key={at} />
      ))}
    </div>
  );
}

/** A refusal: what was wrong, and each problem of a malformed request. */
export function ErrorNote({ error, retry }: { readonly error: unknown; readonly retry?: () => void }) {
  const known = error instanceof ApiError ? error : undefined;
  return (
    <div class="note is-error" role="alert">
      <p>
        {known !== undefined && <code>{known.code}</code>}{" "}
        {error instanceof Error ? error.message : String(error)}
      </p>
      {known !== undefined && known.problems.length > 0 && (
        <ul>
          {known.problems.map(({ path, message }) => (
            <li key={path + message}>
              <code>{path === "" ? "request" : path}</code> {message}
            </li>
          ))}
        </ul>
      )}
      {retry !== undefined && <Button onClick={retry}>Try again</Button>}
    </div>
  );
}

interface CardProps {
  readonly title?: ComponentChildren;
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
  readonly class?: string;
  readonly label?: string;
}

/** A titled group of content. */
export function Card({ title, actions, children, class: extra = "", label }: CardProps) {
  return (
    <section class={`card ${extra}`} aria-label={label ?? (typeof title === "string" ? title : undefined)}>
      {(title !== undefined || actions !== undefined) && (
        <header class="card-head">
          <h2>{title}</h2>
          {actions !== undefined && <div class="row">{actions}</div>}
        </header>
      )}
      {children}
    </section>
  );
}

/** Terms and their values in two columns. */
export function Facts({ facts }: { readonly facts: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts.map(([term, value]) => (
        <div key={term}>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A figure: its name, its value, and its unit if it has one. */
export type Figure = readonly [term: string, value: string, unit?: string];

/** A row of figures with their names. */
export function Figures({ label, figures }: { readonly label: string; readonly figures: readonly Figure[] }) {
  return (
    <dl class="figures" aria-label={label}>
      {figures.map(([term, value, unit]) => (
        <div key={term}>
          <dt>{term}</dt>
          <dd>
            {value} {unit !== undefined && <small>{unit}</small>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
