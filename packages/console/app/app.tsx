/**
 * The shell: navigation, state of the connection, and the view that the address names.
 */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import icon from "./icon.svg";
import {
  alerts,
  fleet,
  isStale,
  isTenant,
  lastMessageAtMs,
  loadError,
  nowMs,
  session,
  streamState,
  viewsTick,
} from "./live.ts";
import { span } from "./model/words.ts";
import { route, to } from "./router.ts";
import { Button, Empty, ErrorNote } from "./ui/basics.tsx";
import { Confirmation } from "./ui/dialog.tsx";
import { Messages } from "./ui/messages.tsx";
import { Page } from "./ui/page.tsx";
import { switchTheme, theme } from "./ui/theme.ts";
import { ViewOf } from "./views/views.tsx";

interface Entry {
  readonly path: string;
  readonly label: string;
  readonly tally?: () => number;
  readonly isAlert?: boolean;
  /** Views of what a tenant may not read. */
  readonly isForOperators?: boolean;
}

const GROUPS: readonly { readonly title: string; readonly entries: readonly Entry[] }[] = [
  {
    title: "Fleet",
    entries: [
      { path: "", label: "Overview" },
      { path: "vms", label: "VMs", tally: () => fleet.vms.size },
      { path: "chassis", label: "Chassis", tally: () => fleet.chassis.size },
      { path: "experiments", label: "Experiments" },
    ],
  },
  {
    title: "Operations",
    entries: [
      { path: "log", label: "Log" },
      { path: "time", label: "Time travel", isForOperators: true },
      {
        path: "alerts",
        label: "Alerts",
        tally: () => alerts.value.length,
        isAlert: true,
        isForOperators: true,
      },
      { path: "jobs", label: "Jobs" },
      { path: "quotas", label: "Quotas", isForOperators: true },
      { path: "principals", label: "Principals" },
    ],
  },
];

const isMenuOpen = signal(false);

function Nav() {
  void viewsTick.value;
  const [here = ""] = route.value.path;
  return (
    <nav class={`nav ${isMenuOpen.value ? "is-open" : ""}`} id="nav" aria-label="Views">
      <a class="brand" href="#/">
        <img src={icon} width="24" height="24" alt="" />
        BioXen
      </a>
      {GROUPS.map(({ title, entries }) => (
        <div key={title}>
          <p class="group-title">{title}</p>
          <ul>
            {entries
              .filter(({ isForOperators }) => isForOperators !== true || !isTenant.value)
              .map(({ path, label, tally, isAlert }) => (
                <li key={path}>
                  <a href={path === "" ? "#/" : to([path])} aria-current={here === path ? "page" : undefined}>
                    {label}
                    {tally !== undefined && <Tally value={tally()} isAlert={isAlert === true} />}
                  </a>
                </li>
              ))}
          </ul>
        </div>
      ))}
    </nav>
  );
}

function Tally({ value, isAlert }: { readonly value: number; readonly isAlert: boolean }) {
  if (value === 0) return null;
  return <span class={`tally ${isAlert ? "is-alert" : ""}`}>{value}</span>;
}

function LinkState() {
  const isLive = !isStale.value;
  const text = isLive ? "Live" : streamState.value === "connecting" ? "Connecting" : "Reconnecting";
  return (
    <span class={`link-state ${isLive ? "" : "is-stale"}`} role="status">
      <span class="mark" aria-hidden="true" />
      {text}
    </span>
  );
}

function StaleNote() {
  if (!isStale.value || streamState.value === "connecting") return null;
  const age =
    lastMessageAtMs.value === 0
      ? ""
      : ` The shown state is ${span(nowMs.value - lastMessageAtMs.value)} old.`;
  return (
    <p class="stale-note" role="alert">
      No connection to BioXen: reconnecting.{age}
    </p>
  );
}

function Head() {
  const known = session.value;
  const isDark = theme.value === "dark";
  return (
    <header class="head">
      <div class="row">
        <button
          type="button"
          class="button menu-button"
          aria-expanded={isMenuOpen.value}
          aria-controls="nav"
          onClick={() => {
            isMenuOpen.value = !isMenuOpen.value;
          }}
        >
          Menu
        </button>
        <LinkState />
      </div>
      <div class="row">
        {known != null && (
          <span class="principal muted small">
            {known.principal === known.role ? known.role : `${known.principal} · ${known.role}`}
          </span>
        )}
        <Button kind="quiet" onClick={switchTheme}>
          {isDark ? "Light theme" : "Dark theme"}
        </Button>
      </div>
    </header>
  );
}

/** What a browser without a session sees. */
function Gate() {
  return (
    <main class="gate card">
      <h1>BioXen</h1>
      {loadError.value === undefined ? (
        <p>This browser has no session.</p>
      ) : (
        <ErrorNote error={loadError.value} />
      )}
      <p>
        Run this command on the machine where BioXen runs. It opens the console with a code that is valid
        once.
      </p>
      <pre class="code-block">bioxen console</pre>
    </main>
  );
}

function Frame({ children }: { readonly children: ComponentChildren }) {
  const path = route.value.path.join("/");
  useEffect(() => {
    isMenuOpen.value = false;
  }, [path]);
  return (
    <div class="shell">
      <button type="button" class="button skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to content
      </button>
      <Head />
      <Nav />
      <main class="main" id="main" tabIndex={-1}>
        <StaleNote />
        {children}
      </main>
      <Messages />
      <Confirmation />
    </div>
  );
}

export function App() {
  if (session.value === null) return <Gate />;
  return (
    <Frame>
      {session.value === undefined ? (
        <Page title="BioXen">
          <Empty title="Connecting to BioXen" />
        </Page>
      ) : (
        <ViewOf />
      )}
    </Frame>
  );
}
