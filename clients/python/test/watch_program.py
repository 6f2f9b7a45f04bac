"""Prints the events of the log, one JSON document a line, for the tests of watches.

Arguments: the first sequence (0: from now on), and the number of events after which the program ends. A line on
standard input ends it before. The last line says how the watch ended.
"""

import json
import sys
import threading

import bioxen


def main(first, count):
    with bioxen.connect() as bx:
        with bx.watch_events(first or None) as watch:
            threading.Thread(target=lambda: (sys.stdin.readline(), watch.close()), daemon=True).start()
            print(json.dumps({"watching": True}))
            try:
                for number, event in enumerate(watch, 1):
                    print(json.dumps({"seq": event["seq"], "type": event["type"], "subject": event["subject"]}))
                    if number == count:
                        break
            except bioxen.WatchError as error:
                print(json.dumps({"reason": error.reason, "lastSeq": error.last_seq, "text": str(error)}))
            print(json.dumps({"lastSeq": watch.last_seq}))


main(int(sys.argv[1]), int(sys.argv[2]))
