"""Growth under few ribosomes: one cell for each share of ribosomes, and a CSV with what they do.

    PYTHONPATH=clients/python python3 examples/python/growth_sweep.py --type syn3a --shares 10,25,50,75,100 > growth.csv

Columns: the share of the type's full demand (per cent), the ribosomes (count), the doubling time (simulated minutes)
and the growth rate (per simulated minute). Cells are destroyed after their measurement, also after an error.
"""

import argparse
import csv
import sys

import bioxen


def measured(bx, biological_type, share, prefix):
    """Runs one cell with this share of ribosomes, per cent, until its first measurement; returns a row of the CSV."""
    vm = bx.create_bio_vm(f"{prefix}-{share}", biological_type, "basic", {"resources": {"ribosomes": f"{share}%"}})
    try:
        with vm.watch_telemetry() as telemetry:
            view = vm.start()
            sample = telemetry.next(timeout=30)
        if sample is None:
            raise RuntimeError(f"{vm.id} was not measured within 30 s")
        return {
            "share [%]": share,
            "ribosomes": view["allocation"]["ribosomes"],
            "doubling time [min]": round(sample["doublingTimeMinutes"], 1),
            "growth rate [1/min]": f"{sample['growthRatePerMinute']:.6f}",
        }
    finally:
        vm.destroy()


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--type", default="syn3a", choices=bioxen.get_supported_biological_types())
    parser.add_argument("--shares", default="10,25,50,75,100", help="shares of the full demand, per cent, by commas")
    parser.add_argument("--prefix", default="sweep", help="beginning of the ids of the cells")
    options = parser.parse_args(argv)
    shares = [int(share) for share in options.shares.split(",")]
    with bioxen.connect() as bx:
        rows = [measured(bx, options.type, share, options.prefix) for share in shares]
    writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
