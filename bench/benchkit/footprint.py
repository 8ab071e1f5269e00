# SPDX-License-Identifier: GPL-2.0-or-later
"""What a machine costs in memory beside the memory of its guest.

The processes are found by a variable in the environment of the first one and by descent from
it. Each page counts by its share (PSS), so that shared libraries and code are not counted
twice; page tables, which are the kernel's memory for the process, are added.
"""

import re

from guestkit.family import family, read_proc

GUEST_RAM = "memfd:guest-ram"
MAPPING = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+ *(.*)$")


def _status_kib(pid, key):
    found = re.search(rf"^{key}:\s+(\d+) kB", read_proc(pid, "status"), re.MULTILINE)
    return int(found.group(1)) if found else 0


class Process:
    """Shares of one process in KiB."""

    def __init__(self, pid, memory_mib):
        self.name = read_proc(pid, "comm").strip()
        self.pss = self.anonymous = self.guest = 0
        self.tables = _status_kib(pid, "VmPTE")
        is_guest = False
        for line in read_proc(pid, "smaps").splitlines():
            if found := MAPPING.match(line):
                size = int(found.group(2), 16) - int(found.group(1), 16)
                # QEMU's guest memory has no name, but no other mapping is as large.
                is_guest = GUEST_RAM in found.group(3) or (
                    self.name.startswith("qemu") and size == memory_mib << 20)
                continue
            key, _, value = line.partition(":")
            if key == "Pss":
                share = int(value.split()[0])
                if is_guest:
                    self.guest += share
                else:
                    self.pss += share
            elif key == "Anonymous" and not is_guest:
                self.anonymous += int(value.split()[0])


class Footprint:
    """Sums over the processes of one machine."""

    def __init__(self, processes):
        self.processes = processes

    def _sum(self, key):
        return sum(getattr(process, key) for process in self.processes) / 1024

    def total_mib(self):
        return self._sum("pss") + self._sum("tables")

    def text(self):
        largest = sorted(self.processes, key=lambda p: -(p.pss + p.tables))[:3]
        shares = ", ".join(f"{p.name} {(p.pss + p.tables) / 1024:.1f}" for p in largest)
        return (f"footprint {self.total_mib():.1f} MiB in {len(self.processes)} processes "
                f"(anonymous {self._sum('anonymous'):.1f}, page tables {self._sum('tables'):.1f}; "
                f"largest: {shares}); guest memory in use {self._sum('guest'):.1f} MiB")


def measure(nonce, memory_mib):
    return Footprint([Process(pid, memory_mib) for pid in family(nonce)])
