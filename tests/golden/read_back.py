# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads on stdin what `dmarace report` writes for other programs, and says what it has.

junit:        a line for each case
trace EVENTS: a line for each hold, whose length has to be that of EVENTS to the microsecond
serve PROGRAM DIR: asks `PROGRAM report --serve 0 DIR` itself, a line for each answer
"""
import http.client
import json
import re
import subprocess
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


def ask(host, method, path, **headers):
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    print(f"{method} {path} {headers or ''}: {answer.status} {answer.headers['Content-Type']}")
    return text


def serve(program, directory):
    with subprocess.Popen([program, "report", "--serve", "0", directory], text=True,
                          stdout=subprocess.PIPE) as server:
        urls = [server.stdout.readline().strip() for _ in range(3)]
        host = urls[0].split("/")[2]
        page, trace_text, junit_text = (ask(host, "GET", "/" + url.split("/", 3)[3])
                                        for url in urls)
        json.loads(trace_text), xml.fromstring(junit_text)
        # What a browser would load for it.
        print("requests of the page:", re.findall(r"(?:src|href)=.[^#]|url\([^#]|@import|<link|"
                                                  r"<script", page))
        ask(host, "GET", "/etc/passwd")
        ask(host, "POST", "/")
        ask(host, "GET", "/", Host="elsewhere.example")
        idle = http.client.HTTPConnection(host, timeout=20)
        idle.connect()  # a browser's, that asks nothing
        ask(host, "GET", "/junit.xml")
        server.terminate()
        print("ended", server.wait(20))


if sys.argv[1] == "junit":
    junit(sys.stdin.read())
elif sys.argv[1] == "serve":
    serve(*sys.argv[2:])
else:
    with open(sys.argv[2], encoding="utf-8") as file:
        trace(sys.stdin.read(), file.read())
