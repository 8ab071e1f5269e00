#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A device model without a machine: it speaks QMP on the descriptor that its command line names, and
tells of an event in the same breath as it answers a command, the event first."""

import json
import re
import socket
import sys

EVENTS = {
    "balloon": {"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-reset"}},
    "dump-guest-memory": {"event": "DUMP_COMPLETED", "data": {"result": {}}},
}


def main():
    fd = int(re.search(r"id=qmp,fd=(\d+)", " ".join(sys.argv)).group(1))
    with socket.socket(fileno=fd) as sock, sock.makefile("rw") as stream:
        def send(*messages):
            stream.write("".join(json.dumps(message) + "\r\n" for message in messages))
            stream.flush()
        send({"QMP": {"version": {}, "capabilities": []}})
        for line in stream:
            request = json.loads(line)
            answer = {"return": [] if request["execute"].startswith("query") else {},
                      "id": request["id"]}
            event = EVENTS.get(request["execute"])
            if request["execute"] == "balloon":
                print("Triple fault", file=sys.stderr, flush=True)
            send(*[event] if event else [], answer)


main()
