"""Follows the log of events, and goes on where it stopped when it is started again.

    PYTHONPATH=clients/python python3 examples/python/watch_events.py --position position.txt

Each event is printed once, across restarts of the server and of this program. The position is the sequence of the last
printed event; it is written after each event. `--count` ends the program after that number of events.
"""

import argparse
import pathlib
import sys

import bioxen


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--position", type=pathlib.Path, required=True, help="file with the last printed sequence")
    parser.add_argument("--vm", help="follow this VM only")
    parser.add_argument("--count", type=int, help="end after that number of events")
    options = parser.parse_args(argv)
    last = int(options.position.read_text()) if options.position.exists() else 0
    with bioxen.connect() as bx, bx.watch_events(last + 1, vm_id=options.vm) as events:
        for number, event in enumerate(events, 1):
            print(event["seq"], event["time"], event["subject"], event["type"], flush=True)
            options.position.write_text(str(event["seq"]))
            if number == options.count:
                return


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        # Ctrl-C is the usual end of a program that follows something.
        pass
