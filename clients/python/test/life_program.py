"""A whole life of a VM, with an exec, watches and refused commands; prints what happened as one JSON document.

Argument: the beginning of the ids of its VMs.
"""

import json
import sys

import bioxen


def refused(call):
    """The class, code and details of the exception that the call raises."""
    try:
        call()
    except bioxen.BioXenError as error:
        return {"class": type(error).__name__, "code": error.code, "details": error.details}
    return None


def main(prefix):
    seen = {}
    with bioxen.connect() as bx:
        seen["connection"] = repr(bx)
        with bx.watch_events() as events:
            vm = bx.create_bio_vm(f"{prefix}-life", "syn3a", "basic", {"resources": {"ribosomes": "50%"}}, labels={"team": prefix})
            seen["created"] = vm.status()["state"]
            seen["refused"] = {
                "twice": refused(lambda: bx.create_bio_vm(f"{prefix}-life", "syn3a")),
                "resume": refused(vm.resume),
                "absent": refused(bx.vm(f"{prefix}-absent").start),
                "malformed": refused(lambda: bx.create_bio_vm("Not An Id", "syn3a")),
                "chassis": refused(lambda: bx.call("qry.chassis.get", {"chassisId": "nowhere"})),
            }
            with vm.watch_telemetry() as telemetry, vm.watch_log() as log:
                seen["started"] = vm.start()["state"]
                seen["doublingTimeMinutes"] = telemetry.next(30)["doublingTimeMinutes"]
                seen["exec"] = vm.exec("print('hello') return 2 + 2")
                seen["refused"]["exec"] = refused(lambda: vm.exec("error('broken')"))
                seen["refused"]["loop"] = refused(lambda: vm.exec("while true do end", timeout_ms=100))
                vm.exec("print('a line')")
                line = log.next(30)
                while line is not None and "a line" not in json.dumps(line):
                    line = log.next(30)
                seen["log"] = line is not None
            seen["paused"] = vm.pause()["state"]
            seen["resumed"] = vm.resume()["state"]
            seen["resized"] = vm.resources.allocate(ribosomes=400)["allocation"]["ribosomes"]
            seen["refused"]["too much"] = refused(lambda: vm.resize({"ribosomes": 10**6}))
            seen["usage"] = vm.get_resource_usage()["ribosomes"]["allocated"]
            seen["available"] = vm.resources.get_available_resources()["ribosomes"]
            vm.snapshot(f"{prefix}-snapshot")
            copy = vm.fork(f"{prefix}-copy", f"{prefix}-snapshot")
            seen["copy"] = copy.status()["state"]
            vm.restore(f"{prefix}-snapshot")
            seen["later"] = vm.resize({"ribosomes": 300}, at_minute=100_000)["allocation"]["ribosomes"]
            seen["changed"] = vm.set_environment({"nutrientQuality": 0.5}, at_minute=100_000)
            vm.delete_snapshot(f"{prefix}-snapshot")
            seen["refused"]["snapshot"] = refused(lambda: vm.restore(f"{prefix}-snapshot"))
            seen["listed"] = [one["vmId"] for one in bx.list_vms(label=f"team={prefix}")]
            copy.destroy()
            seen["stopped"] = vm.stop()["state"]
            seen["destroyed"] = vm.destroy()["state"]
            types = []
            for event in events:
                if event["subject"].endswith(f"{prefix}-life"):
                    types.append(event["type"])
                if event["type"] == "bioxen.vm.destroyed.v1" and event["subject"].endswith(f"{prefix}-life"):
                    break
            seen["watched"] = types
            seen["history"] = [event["type"] for event in vm.history()]
    print(json.dumps(seen))


main(sys.argv[1])
