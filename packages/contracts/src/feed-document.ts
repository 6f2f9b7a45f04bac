/** The section of docs/PROTOCOL.md about the feed of tenants. */
import { FEED_READERS, LOG_SEQUENCE_HEADER } from "./feed.ts";
import { FEED_STREAM } from "./subjects.ts";

export const FEED_SECTION = `### \`bioxen.feed.<owner>.…\`: the feed of tenants

On a server with keys, a tenant follows its own VMs here, and has no access to the subjects above. A VM is in the feed of its present owner: the event
that transfers it is the first one in the feed of its new owner. VMs of the admin have no feed.

| subject | content |
| --- | --- |
| \`bioxen.feed.<owner>.vm.<vmId>\` | the events of the VM, from the stream \`${FEED_STREAM}\`; a reader resumes by the sequence of that stream. The header \`${LOG_SEQUENCE_HEADER}\` has the sequence of the event in the log |
| \`bioxen.feed.<owner>.tel.<vmId>\` | VmSample |
| \`bioxen.feed.<owner>.log.<vmId>\` | GuestLine |

A consumer of \`${FEED_STREAM}\` needs exactly one filter, such as \`bioxen.feed.alice.>\` or \`bioxen.feed.alice.vm.alice-1\`; any other is refused. Its
name is one of the ${FEED_READERS} names \`<tenant>_1\` to \`<tenant>_${FEED_READERS}\`, such as \`alice_1\`; the server lets no other tenant use it. Create it with the action
\`create\` and some random \`metadata\`: while another process has the name, the server then answers that the consumer exists, and the next name may be free.`;
