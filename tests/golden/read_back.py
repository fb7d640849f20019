# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads on stdin what `dmarace report` writes for other programs, and says what it has.

junit:        a line for each case
trace EVENTS: a line for each hold, whose length has to be that of EVENTS to the microsecond
"""
import json
import re
import sys
import xml.etree.ElementTree as xml


def junit(text):
    for suite in xml.fromstring(text):
        cases = suite.findall("testcase")
        for count, element in (("tests", None), ("failures", "failure"), ("errors", "error"),
                               ("skipped", "skipped")):
            found = sum(1 for case in cases if element is None or case.find(element) is not None)
            if int(suite.get(count)) != found:
                print(f"{suite.get('name')}: {count} is {suite.get(count)}, there are {found}")
        for case in cases:
            ends = [f"{child.tag} {child.get('type')}" for child in case if child.get("type")]
            print(f"{case.get('classname')} {case.get('name')}: {', '.join(ends) or 'success'}")


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


if sys.argv[1] == "junit":
    junit(sys.stdin.read())
else:
    with open(sys.argv[2], encoding="utf-8") as file:
        trace(sys.stdin.read(), file.read())
