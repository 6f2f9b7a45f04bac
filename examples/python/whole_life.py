"""The whole life of a cell: create, start, measure, program, resize, snapshot, refuse, stop, destroy.

    PYTHONPATH=clients/python python3 examples/python/whole_life.py

It uses the server of BIOXEN_NATS_URL, else the local stack (`bioxen up`).
"""

import sys

import bioxen


def main(vm_id):
    with bioxen.connect() as bx:
        vm = bx.create_bio_vm(vm_id, "syn3a", "basic", {"resources": {"ribosomes": "50%"}}, labels={"study": "example"})
        vm.start()
        with vm.watch_telemetry() as telemetry:
            sample = next(telemetry)
        # Half of the ribosomes: the doubling time grows from 105 to 150.4 simulated minutes.
        print(f"doubles in {sample['doublingTimeMinutes']:.1f} simulated minutes")

        print("Lua in the cell returns", vm.exec("return 2 + 2")["result"])
        try:
            vm.exec("error('no such gene')")
        except bioxen.GuestError as error:
            print("a failed program is an exception:", error.message)

        vm.pause()
        try:
            vm.exec("return 1")
        except bioxen.InvalidTransition as error:
            print("a paused cell runs no program; allowed are", ", ".join(error.details["allowed"]))
        vm.resume()

        vm.resources.allocate(ribosomes="100%")
        try:
            vm.resources.allocate_ribosomes(10_000_000)
        except bioxen.CapacityExceeded as error:
            print("the chassis has", error.details["free"], "ribosomes free")
        for name, amounts in vm.get_resource_usage().items():
            print(f"{name}: {amounts['allocated']} allocated, {amounts['used']} used")

        vm.snapshot("before")
        vm.exec("cell.set_environment{chloramphenicol_um = 3}")
        vm.restore("before")

        print("after stop:", vm.stop()["state"])
        print("after destroy:", vm.destroy()["state"])
        print("events of its life:", len(vm.history()))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "whole-life")
