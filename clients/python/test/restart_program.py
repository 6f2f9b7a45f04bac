"""Watches a VM while the server is killed and restarted: the test says `go` once the server is back.

Argument: the id of the VM.
"""

import json
import sys

import bioxen


def main(vm_id):
    with bioxen.connect() as bx:
        vm = bx.create_bio_vm(vm_id, "syn3a")
        with vm.watch_events(1) as events, vm.watch_telemetry() as telemetry:
            vm.start()
            first = [next(events)["seq"]]
            before = telemetry.next(30)
            print(json.dumps({"running": before is not None}))
            sys.stdin.readline()
            # Commands are repeated until the server and the services are back.
            vm.pause(timeout=60)
            vm.resume(timeout=60)
            sample = telemetry.next(60)
            while sample is not None and sample["atMs"] <= before["atMs"]:
                sample = telemetry.next(60)
            result = vm.exec("return 6 * 7")["result"]
            vm.destroy(timeout=60)
            watched = first
            for event in events:
                watched.append(event["seq"])
                if event["type"] == "bioxen.vm.destroyed.v1":
                    break
            history = vm.history()
            print(
                json.dumps(
                    {
                        "watched": watched,
                        "events": len(history),
                        "measured": sample is not None,
                        "result": result,
                        "connected": bx.connected,
                    }
                )
            )


main(sys.argv[1])
