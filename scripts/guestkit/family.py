# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's processes of one machine: found by a variable in the environment of the first one,
and by descent from those that have it."""

import os

MARK = "XENOLITH_FAMILY"


def read_proc(pid, name):
    """Text of /proc/PID/name; empty for a process that has gone or lets nobody look."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as stream:
            return stream.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _parents():
    """{pid: parent} of all processes."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            # The name in parentheses may hold anything.
            fields = read_proc(name, "stat").rpartition(")")[2].split()
            if fields:
                found[int(name)] = int(fields[1])
    return found


def prefix(nonce):
    """Words before the command that starts the machine."""
    return ["env", f"{MARK}={nonce}"]


def family(nonce):
    """Process ids, sorted."""
    parents = _parents()
    found = {pid for pid in parents if f"{MARK}={nonce}\0" in read_proc(pid, "environ")}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return sorted(found)
        found |= more
