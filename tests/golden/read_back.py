# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads on stdin what `dmarace report` writes for other programs, and says what it has.

trace EVENTS: a line for each hold, whose length has to be that of EVENTS to the microsecond
"""
import json
import re
import sys


def trace(text, events):
    lanes, holds = {}, []
    for event in json.loads(text)["traceEvents"]:
        key = event["pid"], event["tid"]
        if event["name"] == "thread_name":
            lanes[key] = event["args"]["name"]
        elif event.get("cat") == "parked":
            holds.append((event["args"]["rule"], round(event["dur"])))
            print(f"{lanes[key]} {event['name']}: {event['args']['how']}, {event['args']['by']}")
    told = re.findall(r"^end .* rule=(\S+) .*held_us=(\d+)", events, re.M)
    print("holds agree" if sorted(holds) == sorted((rule, int(us)) for rule, us in told)
          else f"holds differ: {holds} and {told}")


with open(sys.argv[2], encoding="utf-8") as file:
    trace(sys.stdin.read(), file.read())
