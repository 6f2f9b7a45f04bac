/**
 * The snapshots of a VM: restore, fork, delete.
 */
import { command } from "../api/client.ts";
import { mayCommand } from "../live.ts";
import type { SnapshotView, VmView } from "../model/types.ts";
import { simTime } from "../model/words.ts";
import { Button, Card, Empty, Time } from "../ui/basics.tsx";
import { confirmed } from "../ui/dialog.tsx";
import { act } from "../ui/messages.tsx";

async function restore({ vmId }: VmView, snapshotId: string): Promise<void> {
  const text =
    "The VM continues from the snapshot. What its cell did since then is lost, unless it is recorded.";
  if (!(await confirmed(`Restore ${vmId} to ${snapshotId}?`, text, "Restore"))) return;
  await act(`${vmId} continues from ${snapshotId}`, () => command("vm", "restore", { vmId, snapshotId }));
}

async function remove({ vmId }: VmView, snapshotId: string): Promise<void> {
  if (!(await confirmed(`Delete ${snapshotId}?`, "The snapshot cannot be brought back.", "Delete"))) return;
  await act(`${snapshotId} is deleted`, () => command("vm", "delete-snapshot", { vmId, snapshotId }));
}

function fork({ vmId }: VmView, snapshotId: string): Promise<boolean> {
  const newVmId = `${vmId}-${snapshotId}`.slice(0, 63);
  return act(`${newVmId} is created from ${snapshotId}`, () =>
    command("vm", "fork", { vmId, fromSnapshotId: snapshotId, newVmId }),
  );
}

function Row({ vm, snapshot }: { readonly vm: VmView; readonly snapshot: SnapshotView }) {
  const { snapshotId, atMs } = snapshot;
  const { simMinutes } = snapshot as { simMinutes?: number };
  return (
    <tr>
      <th scope="row">{snapshotId}</th>
      <td>
        <Time ms={atMs} withAge />
      </td>
      <td class="num">{simMinutes === undefined ? "–" : simTime(simMinutes)}</td>
      <td>
        {mayCommand.value && (
          <span class="row end">
            <Button label={`Restore ${snapshotId}`} onClick={() => void restore(vm, snapshotId)}>
              Restore
            </Button>
            <Button label={`Fork ${snapshotId}`} onClick={() => void fork(vm, snapshotId)}>
              Fork
            </Button>
            <Button kind="danger" label={`Delete ${snapshotId}`} onClick={() => void remove(vm, snapshotId)}>
              Delete
            </Button>
          </span>
        )}
      </td>
    </tr>
  );
}

export function SnapshotsTab({ vm }: { readonly vm: VmView }) {
  return (
    <Card title="Snapshots">
      {vm.snapshots.length === 0 ? (
        <Empty title="This VM has no snapshot">
          Take one with the button Snapshot while the VM runs or is paused.
        </Empty>
      ) : (
        <div class="table-scroll">
          <table class="plain-table">
            <thead>
              <tr>
                <th scope="col">Snapshot</th>
                <th scope="col">Taken</th>
                <th scope="col" class="num">
                  Simulated time
                </th>
                <th scope="col">
                  <span class="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {vm.snapshots.map((snapshot) => (
                <Row key={snapshot.snapshotId} vm={vm} snapshot={snapshot} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}
