/**
 * Who may publish and subscribe where, written by hand. This table knows nothing of the catalogue and of the generator:
 * a new endpoint that the wrong role can call fails the test of permissions until this table allows it.
 */

/** Streams and buckets that every service looks at when it starts. */
const COMPARED =
  "(?:BIOXEN_(?:EVENTS|COMMANDS|OUTCOMES|DEAD_LETTERS|GUEST_STATE|FEED|COURSES)|KV_bioxen-(?:leases|first-outcomes|fold-snapshots))";

const READS_LOG = [
  String.raw`\$JS\.API\.INFO`,
  String.raw`\$JS\.API\.STREAM\.MSG\.GET\.(?:BIOXEN_EVENTS|KV_bioxen-log-record)`,
  String.raw`\$JS\.API\.CONSUMER\.CREATE\.BIOXEN_EVENTS\..+`,
  String.raw`\$JS\.API\.CONSUMER\.(?:INFO|DELETE|MSG\.NEXT)\.BIOXEN_EVENTS\.[^.]+`,
];
const STARTS = [
  ...READS_LOG,
  String.raw`\$JS\.API\.STREAM\.INFO\.${COMPARED}`,
  String.raw`\$JS\.API\.DIRECT\.GET\.KV_bioxen-(?:leases|fold-snapshots)\..+`,
];

/** A service, its leases and the kinds of its jobs. */
function service(name: string, kinds: string, own: readonly string[]): string[] {
  return [
    ...STARTS,
    String.raw`\$JS\.API\.DIRECT\.GET\.KV_bioxen-first-outcomes\..+`,
    String.raw`\$KV\.bioxen-first-outcomes\.(?:${kinds})\.[^.]+`,
    String.raw`\$KV\.bioxen-leases\.(?:${name}|jobs-(?:${kinds}))`,
    String.raw`\$JS\.API\.CONSUMER\.(?:DURABLE\.CREATE|INFO|DELETE|MSG\.NEXT)\.BIOXEN_COMMANDS\.jobs-(?:${kinds})`,
    String.raw`\$JS\.API\.CONSUMER\.CREATE\.BIOXEN_COMMANDS\.jobs-(?:${kinds})\..+`,
    String.raw`\$JS\.ACK\.BIOXEN_COMMANDS\.jobs-(?:${kinds})\..+`,
    String.raw`\$JS\.API\.STREAM\.MSG\.GET\.BIOXEN_(?:COMMANDS|OUTCOMES)`,
    String.raw`bioxen\.job-(?:outcome|dead)\..+`,
    String.raw`bioxen\.tel\.service\.${name}`,
    ...own,
  ];
}

const QUERIES = String.raw`bioxen\.qry\.(?:vm\.(?:get|list|history)|chassis\.(?:get|list|drain|orphans)|placement\.(?:plan|explain|rebalance)|ledger\.(?:get|list)|quota\.(?:get|list)|monitor\.(?:vm|chassis|fleet|history|report)|alert\.(?:list|dead)|log\.problems|job\.outcome|course\.get|experiment\.(?:get|list))`;
const VM_COMMANDS =
  "vm\\.(?:create|start|pause|resume|stop|destroy|resize|set-environment|exec|snapshot|restore|fork|delete-snapshot|migrate|cancel-migration)";
const OPERATOR_COMMANDS = `(?:${VM_COMMANDS}|chassis\\.(?:register|cordon|uncordon|remove|drain|cancel-drain|rebalance|delete-machine)|alert\\.(?:set-rule|remove-rule|retry)|log\\.(?:skip|unskip)|experiment\\.(?:start|cancel))`;

const READS_STREAMS = [
  ...READS_LOG,
  String.raw`\$JS\.API\.STREAM\.LIST`,
  String.raw`\$JS\.API\.STREAM\.INFO\.(?:BIOXEN_|KV_bioxen-).+`,
  String.raw`\$SRV\.(?:PING|INFO|STATS)`,
];
const READS_EVERYTHING = [...READS_STREAMS, QUERIES, String.raw`\$SYS\.REQ\.USER\.INFO`];
const OPERATOR_CALLS = [`bioxen\\.(?:cmd|job)\\.${OPERATOR_COMMANDS}`, String.raw`bioxen\.cmd\.job\.cancel`];
const ADMIN_CALLS = [...OPERATOR_CALLS, String.raw`bioxen\.(?:cmd|job)\.(?:quota\.set|vm\.transfer)`];
const OPERATES = [
  ...READS_EVERYTHING,
  ...OPERATOR_CALLS,
  String.raw`\$JS\.API\.STREAM\.MSG\.GET\.BIOXEN_(?:COMMANDS|OUTCOMES|DEAD_LETTERS)`,
  String.raw`\$JS\.API\.STREAM\.MSG\.DELETE\.BIOXEN_(?:OUTCOMES|DEAD_LETTERS)`,
];
function tenant(name: string): string[] {
  return [
    ...TENANT_CALLS,
    String.raw`\$JS\.API\.(?:INFO|STREAM\.INFO\.BIOXEN_FEED)`,
    String.raw`\$JS\.API\.CONSUMER\.CREATE\.BIOXEN_FEED\.${name}_(?:[1-9]|[12]\d|3[0-2])\.bioxen\.feed\.${name}\..+`,
    String.raw`\$JS\.API\.CONSUMER\.(?:INFO|DELETE|MSG\.NEXT)\.BIOXEN_FEED\.${name}_(?:[1-9]|[12]\d|3[0-2])`,
    String.raw`\$SYS\.REQ\.USER\.INFO`,
  ];
}
const TENANT_CALLS = [
  `bioxen\\.(?:cmd|job)\\.(?:${VM_COMMANDS}|experiment\\.(?:start|cancel))`,
  String.raw`bioxen\.cmd\.job\.cancel`,
  String.raw`bioxen\.qry\.(?:vm\.(?:get|list|history)|chassis\.list|placement\.(?:plan|explain)|quota\.get|job\.outcome|course\.get|experiment\.(?:get|list))`,
];

/** What the gateway sends in the name of a principal of a role, and nothing in its own. */
function spokenAs(role: string, calls: readonly string[]): string[] {
  return calls.map((call) => call.replace(/^bioxen/, String.raw`bioxen\.as\.gateway-${role}\.[^.]+`));
}
const GATEWAY = [
  ...READS_STREAMS,
  String.raw`\$JS\.API\.CONSUMER\.CREATE\.BIOXEN_FEED\..+`,
  String.raw`\$JS\.API\.CONSUMER\.(?:INFO|DELETE|MSG\.NEXT)\.BIOXEN_FEED\.[^.]+`,
  ...spokenAs("admin", [...ADMIN_CALLS, QUERIES]),
  ...spokenAs("operator", [...OPERATOR_CALLS, QUERIES]),
  ...spokenAs("observer", [QUERIES]),
  ...spokenAs("tenant", TENANT_CALLS),
];

function agent(id: string): string[] {
  return [
    ...STARTS,
    String.raw`bioxen\.cmd\.(?:vm\.(?:report|divide)|chassis\.(?:register|report-machine|report-left))`,
    String.raw`bioxen\.qry\.chassis\.get`,
    String.raw`\$KV\.bioxen-leases\.agent\.${id}`,
    String.raw`bioxen\.tel\.(?:vm|chassis)\.[^.]+`,
    String.raw`bioxen\.tel\.service\.chassis-agent`,
    String.raw`bioxen\.log\.vm\.[^.]+`,
    String.raw`bioxen\.blob\.[^.]+\.${id}\.[^.]+`,
    String.raw`bioxen\.course\.${id}\.[^.]+\.[^.]+\.[^.]+\.[^.]+\.[^.]+`,
    String.raw`\$JS\.API\.(?:DIRECT\.GET\.BIOXEN_GUEST_STATE\..+|STREAM\.MSG\.GET\.BIOXEN_GUEST_STATE)`,
  ];
}

const PUBLISH: Readonly<Record<string, readonly string[]>> = {
  lifecycle: service("lifecycle|jobs-stray", "vm|log", [
    String.raw`bioxen\.evt\.(?:vm|log)\.[^.]+`,
    String.raw`bioxen\.cmd\.ledger\.resize`,
    String.raw`bioxen\.as\.(?:gateway-)?tenant\.[^.]+\.stored-job\..+`,
    String.raw`bioxen\.agent\.[^.]+\.(?:exec|checkpoint|hold)`,
    String.raw`bioxen\.blob\.[^.]+\.[^.]+`,
    String.raw`\$JS\.API\.(?:DIRECT\.GET\.BIOXEN_GUEST_STATE\..+|STREAM\.(?:MSG\.GET|PURGE)\.BIOXEN_GUEST_STATE)`,
    String.raw`\$JS\.API\.(?:DIRECT\.GET\.BIOXEN_COURSES\..+|STREAM\.(?:MSG\.GET|PURGE)\.BIOXEN_COURSES)`,
    String.raw`\$JS\.API\.STREAM\.MSG\.DELETE\.BIOXEN_COMMANDS`,
    String.raw`\$KV\.bioxen-first-outcomes\.(?:job|quota|chassis|alert|experiment)\.[^.]+`,
    String.raw`\$JS\.API\.STREAM\.MSG\.GET\.BIOXEN_DEAD_LETTERS`,
    String.raw`\$JS\.API\.STREAM\.INFO\.KV_bioxen-log-record`,
    String.raw`\$KV\.bioxen-(?:log-record\.log|fold-snapshots\..+)`,
  ]),
  allocator: service("allocator", "quota", [
    String.raw`bioxen\.evt\.(?:ledger|quota)\.[^.]+`,
    String.raw`\$KV\.bioxen-first-outcomes\.ledger\.[^.]+`,
  ]),
  "chassis-scheduler": service("chassis-scheduler", "chassis", [
    String.raw`bioxen\.evt\.(?:chassis|drain)\.[^.]+`,
    String.raw`bioxen\.cmd\.vm\.(?:defer|move|cancel-migration|preempt|reinstate)`,
    String.raw`bioxen\.cmd\.ledger\.reserve`,
    String.raw`bioxen\.agent\.[^.]+\.orphans`,
    String.raw`bioxen\.tel\.scheduler\.[^.]+`,
  ]),
  monitor: service("monitor", "alert", [
    String.raw`bioxen\.evt\.alert\.[^.]+`,
    String.raw`bioxen\.alert\.[^.]+\.[^.]+`,
    String.raw`\$JS\.API\.STREAM\.(?:LIST|INFO\.KV_bioxen-log-record)`,
    String.raw`bioxen\.feed\.[^.]+\.(?:vm|tel|log)\.[^.]+`,
    String.raw`\$JS\.API\.STREAM\.MSG\.GET\.BIOXEN_FEED`,
  ]),
  experiments: service("experiments", "experiment", [
    String.raw`bioxen\.evt\.experiment\.[^.]+`,
    String.raw`bioxen\.cmd\.vm\.(?:create|start|destroy)`,
    String.raw`bioxen\.qry\.course\.get`,
  ]),
  "agent-local": agent("local"),
  "agent-far": agent("far"),
  gateway: GATEWAY,
  admin: [...OPERATES, ...ADMIN_CALLS],
  olga: OPERATES,
  otto: READS_EVERYTHING,
  alice: tenant("alice"),
  bob: tenant("bob"),
};

const OWN_ACCOUNT = [String.raw`_INBOX\..+`];
const ANSWERS_DISCOVERY = [...OWN_ACCOUNT, String.raw`\$SRV\.(?:PING|INFO|STATS)(?:\..+)?`];

/** The endpoints of a service, under the subjects of services, of principals and of agents. */
function serves(commands: string): string[] {
  return [...ANSWERS_DISCOVERY, String.raw`bioxen\.(?:as\.[^.]+\.[^.]+\.|from\.[^.]+\.)?${commands}`];
}

const TELEMETRY = [String.raw`bioxen\.(?:evt|tel|log|alert)\..+`];
const JOB_OUTCOMES = String.raw`bioxen\.job-outcome\..+`;

const SUBSCRIBE: Readonly<Record<string, readonly string[]>> = {
  lifecycle: [
    ...serves(
      `(?:cmd\\.(?:${VM_COMMANDS}|vm\\.(?:transfer|defer|report|divide|move|preempt|reinstate)|log\\.(?:skip|unskip)|job\\.cancel)|qry\\.(?:vm\\.(?:get|list|history)|log\\.problems|job\\.outcome|course\\.get))`,
    ),
    String.raw`bioxen\.as\.(?:gateway-)?tenant\.[^.]+\.job\..+`,
  ],
  allocator: serves(
    String.raw`(?:cmd\.(?:ledger\.(?:reserve|resize)|quota\.set)|qry\.(?:ledger\.(?:get|list)|quota\.(?:get|list)))`,
  ),
  "chassis-scheduler": [
    ...serves(
      String.raw`(?:cmd\.chassis\.(?:register|cordon|uncordon|remove|drain|cancel-drain|rebalance|delete-machine|report-machine|report-left)|qry\.(?:chassis\.(?:get|list|drain|orphans)|placement\.(?:plan|explain|rebalance)))`,
    ),
    String.raw`bioxen\.from\.[^.]+\.tel\.chassis\.[^.]+`,
    String.raw`bioxen\.tel\.scheduler\.[^.]+`,
  ],
  monitor: [
    ...serves(
      String.raw`(?:cmd\.alert\.(?:set-rule|remove-rule|retry)|qry\.(?:alert\.(?:list|dead)|monitor\.(?:vm|chassis|fleet|history|report)))`,
    ),
    String.raw`bioxen\.from\.[^.]+\.(?:tel\.(?:vm|chassis)|log\.vm)\.[^.]+`,
    String.raw`bioxen\.from\.[^.]+\.tel\.service\.chassis-agent`,
    String.raw`bioxen\.as\.tenant\.[^.]+\.feed-info`,
    String.raw`bioxen\.tel\.service\.[a-z-]+`,
  ],
  experiments: serves(String.raw`(?:cmd\.experiment\.(?:start|cancel)|qry\.experiment\.(?:get|list))`),
  "agent-local": [
    ...ANSWERS_DISCOVERY,
    String.raw`bioxen\.(?:as\.[^.]+\.[^.]+\.|from\.[^.]+\.)?agent\.local\.(?:exec|checkpoint|hold|orphans)`,
    String.raw`bioxen\.tel\.chassis\.[^.]+`,
  ],
  "agent-far": [
    ...ANSWERS_DISCOVERY,
    String.raw`bioxen\.(?:as\.[^.]+\.[^.]+\.|from\.[^.]+\.)?agent\.far\.(?:exec|checkpoint|hold|orphans)`,
    String.raw`bioxen\.tel\.chassis\.[^.]+`,
  ],
  gateway: [...OWN_ACCOUNT, ...TELEMETRY, String.raw`bioxen\.feed\.[^.]+\.(?:tel|log)\.[^.]+`],
  admin: [...OWN_ACCOUNT, ...TELEMETRY, JOB_OUTCOMES],
  olga: [...OWN_ACCOUNT, ...TELEMETRY, JOB_OUTCOMES],
  otto: [...OWN_ACCOUNT, ...TELEMETRY],
  alice: [...OWN_ACCOUNT, String.raw`bioxen\.feed\.alice\..+`],
  bob: [...OWN_ACCOUNT, String.raw`bioxen\.feed\.bob\..+`],
};

function allows(rules: readonly string[] | undefined, subject: string): boolean {
  if (rules === undefined) throw new Error("no rules for this user");
  return rules.some((rule) => new RegExp(`^${rule}$`).test(subject));
}

export function mayPublish(user: string, subject: string): boolean {
  return allows(PUBLISH[user], subject);
}

export function maySubscribe(user: string, subject: string): boolean {
  return allows(SUBSCRIBE[user], subject);
}
