/**
 * Accounts for every event that a run left in the log. Pure.
 */
export interface LoggedEvent {
  readonly seq: number;
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  readonly causationid: string;
  readonly correlationid: string;
}

export interface Outcomes {
  /** Sequence of the last event before the run. */
  readonly after: number;
  /** Correlation ids of the requests that were answered with `ok`, and of the set-up of the run. */
  readonly accepted: ReadonlySet<string>;
  /** Correlation ids of all other requests: refused, dropped, or without a reply subject and malformed. */
  readonly refused: ReadonlySet<string>;
}

export interface Account {
  readonly byRequest: number;
  /** Events of a service or an agent on its own initiative, whose chain of causes does not begin with a request. */
  readonly byService: ReadonlyMap<string, number>;
  readonly problems: readonly string[];
}

/** The cause of the first event of a default alert rule. The monitor records such a rule when it raises its first alert. */
const DEFAULT_RULES = "default-rules";

/**
 * Returns who caused each event. A problem is an event by a refused request, and an event whose cause is neither an
 * accepted request nor an event of the log nor the default rules of the monitor. `events` is the whole log.
 */
export function accountFor(events: readonly LoggedEvent[], { after, accepted, refused }: Outcomes): Account {
  const problems: string[] = [];
  const byService = new Map<string, number>();
  const known = new Set<string>();
  let byRequest = 0;
  for (const event of events) {
    const { seq, id, type, subject, causationid, correlationid } = event;
    const isKnown = known.has(causationid) || causationid === DEFAULT_RULES;
    known.add(id);
    if (seq <= after) continue;
    const what = `${type} of ${subject} at ${seq}`;
    if (refused.has(correlationid))
      problems.push(`${what} was caused by the refused request ${correlationid}`);
    else if (accepted.has(correlationid)) byRequest += 1;
    else if (isKnown) byService.set(type, (byService.get(type) ?? 0) + 1);
    else problems.push(`${what} has the unknown cause ${causationid}, correlation ${correlationid}`);
  }
  return { byRequest, byService, problems };
}
