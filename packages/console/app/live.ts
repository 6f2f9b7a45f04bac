/**
 * The live connection of the page: session, fleet, streams, and the signals that views read.
 */
import { computed, effect, signal } from "@preact/signals";
import { API, ApiError, all, command, query, queryText, request } from "./api/client.ts";
import { eventOf, UNREADABLE } from "./api/read-events.ts";
import { EventStream, type StreamState } from "./api/sse.ts";
import { Fleet, KEPT_EVENTS } from "./model/fleet.ts";
import type {
  ActiveAlertView,
  ChassisSample,
  ChassisView,
  LedgerView,
  Session,
  VmSample,
  VmView,
} from "./model/types.ts";

/** undefined: not known yet; null: the browser has no session. */
export const session = signal<Session | null | undefined>(undefined);
export const streamState = signal<StreamState>("connecting");
export const loadError = signal<ApiError | undefined>(undefined);
/** Grows when views of the fleet changed. */
export const viewsTick = signal(0);
/** Grows when telemetry arrived, at most four times a second: text that changes faster cannot be read. */
export const samplesTick = signal(0);
/** Time of the newest message of a stream, epoch ms. */
export const lastMessageAtMs = signal(0);
/** The time by which ages are shown, epoch ms; one step a second. */
export const nowMs = signal(Date.now());
export const alerts = signal<readonly ActiveAlertView[]>([]);

/** Silence after which a fleet with a live agent must have been cut off, ms. Without heartbeats it is lost after 10 s. */
const SILENT_MS = 12_000;

/** Agents send a heartbeat each second, so that silence shows a connection that is open and dead. */
const isSilent = computed(() => {
  void viewsTick.value;
  const hasAgent = !isTenant.value && [...fleet.chassis.values()].some(({ state }) => state === "ready");
  return hasAgent && lastMessageAtMs.value > 0 && nowMs.value - lastMessageAtMs.value > SILENT_MS;
});

/** True while the shown state can be older than it looks. */
export const isStale = computed(
  () => streamState.value !== "live" || loadError.value !== undefined || isSilent.value,
);

export const mayCommand = computed(() => session.value?.role !== "observer" && session.value != null);
export const isTenant = computed(() => session.value?.role === "tenant");

async function found<T>(reading: Promise<T>): Promise<T | undefined> {
  return reading.catch((thrown: unknown) => {
    if (thrown instanceof ApiError && (thrown.status === 404 || /NOT_FOUND|FORBIDDEN/.test(thrown.code)))
      return undefined;
    throw thrown;
  });
}

export const fleet = new Fleet({
  vm: async (vmId) => (await found(query<{ vm: VmView }>("vm", "get", { vmId })))?.vm,
  vms: (onPage) => all<VmView>("vm", "list", "vms", {}, onPage),
  chassis: () => all<ChassisView>("chassis", "list", "chassis"),
  ledgers: async () => {
    const chassis = await all<ChassisView>("chassis", "list", "chassis");
    const ledgers = await Promise.all(chassis.map(({ chassisId }) => ledgerOf(chassisId)));
    return ledgers.filter((ledger) => ledger !== undefined);
  },
  ledger: (chassisId) => ledgerOf(chassisId),
});

/** The totals of a ledger; its entries have a page each. A tenant reads none: they name the VMs of others. */
async function ledgerOf(chassisId: string): Promise<LedgerView | undefined> {
  if (isTenant.value) return undefined;
  return (await found(query<{ ledger: LedgerView }>("ledger", "get", { chassisId, limit: 1 })))?.ledger;
}

/** Takes the code out of the address, so that neither history nor a screenshot has it, and logs in with it. */
export async function logIn(): Promise<void> {
  const code = /^#code=(.+)$/.exec(location.hash)?.[1];
  if (code !== undefined) {
    history.replaceState(null, "", `${location.pathname}${location.search}#/`);
    await request("session", {
      method: "POST",
      headers: { "content-type": "application/json", "x-bioxen": "1" },
      body: JSON.stringify({ code: decodeURIComponent(code) }),
    }).catch((thrown: ApiError) => {
      loadError.value = thrown;
    });
  }
  await readSession();
}

async function readSession(): Promise<void> {
  try {
    session.value = await request<Session>("session");
    loadError.value = undefined;
  } catch (thrown) {
    if (thrown instanceof ApiError && thrown.status === 401) session.value = null;
    else {
      loadError.value = thrown as ApiError;
      setTimeout(() => void readSession(), RELOAD_WAIT_MS);
    }
  }
}

/** Pause before the fleet is read again after a failure, ms. */
const RELOAD_WAIT_MS = 1_500;

async function load(): Promise<void> {
  try {
    await fleet.load();
    loadError.value = undefined;
  } catch (thrown) {
    loadError.value = thrown as ApiError;
    setTimeout(() => void load(), RELOAD_WAIT_MS);
  }
}

/** Pause between two readings of the alerts, ms: when a chassis fails, each of its VMs raises one. */
const ALERTS_PAUSE_MS = 1_000;
let alertsAreStale = true;
let isReadingAlerts = false;

async function readAlerts(): Promise<void> {
  if (!alertsAreStale || isReadingAlerts || session.value == null || isTenant.value) return;
  alertsAreStale = false;
  isReadingAlerts = true;
  try {
    alerts.value = await all<ActiveAlertView>("alert", "list", "active");
  } catch {
    alertsAreStale = true;
  }
  setTimeout(() => {
    isReadingAlerts = false;
  }, ALERTS_PAUSE_MS);
}

/** How far back the events of a new page begin: enough to show what has just happened. */
const FIRST_EVENTS = 200;

/** Opens the streams and reads the fleet. Called once, with a session. */
export async function goLive(): Promise<void> {
  const lastSeq = await lastSequence();
  const from = Math.max(1, lastSeq - FIRST_EVENTS);
  new EventStream({
    url: () => `${API}events${queryText({ from: fleet.seq === 0 ? from : fleet.seq + 1 })}`,
    onEvent: ({ id, event: type, data }) => {
      lastMessageAtMs.value = Date.now();
      if (type === UNREADABLE) return;
      const event = eventOf(data, Number(id));
      fleet.apply(event);
      if (event.subject.startsWith("alert/")) alertsAreStale = true;
    },
    onState: (state) => {
      const wasLost = streamState.value === "lost";
      streamState.value = state;
      if (state === "live" && wasLost) void load();
      if (state === "refused") void readSession();
    },
  });
  new EventStream({
    url: () => `${API}telemetry`,
    onEvent: ({ data }) => {
      lastMessageAtMs.value = Date.now();
      const sample = JSON.parse(data) as VmSample | ChassisSample | (VmSample | ChassisSample)[];
      for (const one of Array.isArray(sample) ? sample : [sample]) fleet.sample(one);
    },
    onState: () => undefined,
  });
  await load();
}

async function lastSequence(): Promise<number> {
  const known = session.value as (Session & { lastSeq?: number }) | null | undefined;
  return known?.lastSeq ?? 0;
}

let samplesShownAtMs = 0;
function frame(): void {
  void readAlerts();
  const { views, samples } = fleet.flush();
  if (views) viewsTick.value += 1;
  const now = performance.now();
  if (samples) samplesPending = true;
  if (samplesPending && now - samplesShownAtMs > 250) {
    samplesPending = false;
    samplesShownAtMs = now;
    samplesTick.value += 1;
  }
}
let samplesPending = false;
/** Interval in which changes reach the page, ms: below what an eye notices as a delay, and bounded work under load. */
const FLUSH_MS = 100;
setInterval(frame, FLUSH_MS);
setInterval(() => {
  nowMs.value = Date.now();
}, 1_000);

effect(() => {
  document.title = `${alerts.value.length > 0 ? `(${alerts.value.length}) ` : ""}BioXen`;
});

export { command, KEPT_EVENTS };
