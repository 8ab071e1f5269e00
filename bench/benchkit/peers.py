# SPDX-License-Identifier: GPL-2.0-or-later
"""Those who run the benchmark program: the host itself, our guest, QEMU TCG, gVisor, and our
fully virtualized guest.

A peer's round() runs the program once and returns an Outcome. What goes wrong in a round is
told in the outcome and never ends the benchmark.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time

from guestkit import BUILD, XM, GuestkitError
from guestkit.family import prefix
from guestkit.machine import Machine, explain, fetch_kernel

from . import footprint

GUEST = os.path.join(BUILD, "bench", "bench-guest")
IN_GUEST = "/bench-guest"
PEERS = ("xenolith", "tcg", "gvisor")
HVM = "hvm"  # only when asked for: it is much like tcg
BOOT_KERNEL, BOOT_SHELL = BOOT_ROWS = ("boot-kernel", "boot-shell")
FOOTPRINT_ROW = "footprint"
TIMEOUT = 1200

# When the guest's kernel started process 1, by its own clock.
INIT_TIME = (r"dmesg | sed -n 's/^\[ *\([0-9.]*\)\] Run [^ ]*init as init.*/{"
             r'"init": \1}' "/p'")
# How long the guest whose memory is measured is left alone, and how long it sleeps for it.
IDLE_SECONDS, SLEEP_SECONDS = 3, 8


def program_rows():
    done = subprocess.run([GUEST, "--list"], check=True, capture_output=True, text=True)
    return done.stdout.split()


class Outcome:
    """What one round of one peer gave."""

    def __init__(self):
        self.values = {}  # row: ns (median of the repetitions), seconds of boot rows, or MiB
        self.best = {}  # row: the same of the quickest repetition
        self.units = {}
        self.problems = []
        self._began = None
        self._buffer = b""

    def feed(self, data):
        """Output of the program as it comes; the time it comes at matters."""
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                self.problems.append(f"odd output: {line[:200]!r}")
                continue
            self._record(record)

    def _record(self, record):
        row = record.get("row")
        if "begin" in record:
            self._began = time.monotonic()
        elif "end" in record:
            self._check_clock(record["seconds"])
        elif "init" in record:
            self.values[BOOT_KERNEL] = record["init"]
        elif "ns" in record:
            self.values[row] = record["ns"]
            self.best[row] = min(record["reps"])
            self.units[row] = record["unit"]
        elif "error" in record:
            self.problems.append(f"{row}: {record['error']}")

    def _check_clock(self, told):
        real = time.monotonic() - self._began
        if abs(real - told) > 0.02 * real + 0.2:
            self.problems.append(f"its clock counted {told:.2f} s where the host's counted "
                                 f"{real:.2f} s: its numbers mean nothing")


def program_arguments(rows, args):
    """Arguments of the program for those of `rows` that are its own; None if none is."""
    own = [row for row in rows if row not in BOOT_ROWS + (FOOTPRINT_ROW,)]
    if not own:
        return None
    return ["--rows", ",".join(own), "--ms", str(args.ms), "--reps", str(args.reps)]


class Command:
    """The program as a process of this host, perhaps through another program."""

    def __init__(self, name, devices, prefix=()):
        self.name = name
        # In a sandbox the host's devices are not its own.
        self._devices = None if prefix else devices
        self._prefix = list(prefix)

    def round(self, rows, args, last):
        outcome = Outcome()
        if BOOT_SHELL in rows and self._prefix:
            outcome.values[BOOT_SHELL] = self._start_time(outcome)
        options = program_arguments(rows, args)
        if options is None:
            return outcome
        environment = self._devices.environment() if self._devices else {}
        with subprocess.Popen(self._prefix + [GUEST] + options, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, env={**os.environ, **environment}) as process:
            while data := os.read(process.stdout.fileno(), 65536):
                outcome.feed(data)
        if process.returncode:
            outcome.problems.append(f"the program exited with {process.returncode}")
        return outcome

    def _start_time(self, outcome):
        started = time.monotonic()
        done = subprocess.run(self._prefix + ["/bin/true"], stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            outcome.problems.append(f"/bin/true exited with {done.returncode}")
        return time.monotonic() - started


class Guest:
    """The program in a machine with a Debian kernel and the busybox initramfs."""

    def __init__(self, name, devices, kind, kernel, memory):
        self.name = name
        self._kind, self._memory = kind, memory
        self._kernel_dir, self._kernel = kernel
        self._devices = devices

    def _machine(self, **options):
        kind = self._kind
        if kind == HVM:
            kind = "xm"
            options["config"] = "builder = 'hvm'\n" + options.get("config", "")
            options["extra"] = "console=ttyS0 panic=-1"
        return Machine(kind, self._kernel_dir, self._kernel, memory=self._memory, vcpus=1,
                       **options)

    def round(self, rows, args, last):
        outcome = Outcome()
        options = program_arguments(rows, args)
        if options is not None or BOOT_KERNEL in rows or BOOT_SHELL in rows:
            self._program(rows, options, outcome)
        if last and FOOTPRINT_ROW in rows:
            self._footprint(outcome)
        return outcome

    def _program(self, rows, options, outcome):
        command = INIT_TIME + self._devices.setup(self._kind, self._kernel_dir)
        if options is not None:
            command += f"\n{IN_GUEST} {' '.join(options)}"
        with self._machine(**self._devices.machine(self._kind)) as machine:
            result = machine.run(command, files=[(GUEST, IN_GUEST)], timeout=TIMEOUT,
                                 modules=self._devices.modules(self._kind), sink=outcome.feed)
        if reason := explain(result, self._kind):
            outcome.problems.append(reason)
        elif result.status:
            outcome.problems.append(f"the program exited with {result.status}")
        if result.seconds is not None:
            outcome.values[BOOT_SHELL] = result.seconds
        for row in BOOT_ROWS:
            if row not in rows:
                outcome.values.pop(row, None)

    def _footprint(self, outcome):
        """Memory beside the guest's own, of a guest in which a shell sleeps."""
        nonce = secrets.token_hex(8)
        found = []
        with self._machine() as machine:
            machine.prefix = prefix(nonce)

            def when_ready(_):
                if not found:
                    time.sleep(IDLE_SECONDS)
                    found.append(footprint.measure(nonce, self._memory))

            result = machine.run(f"echo ready; sleep {SLEEP_SECONDS}", timeout=TIMEOUT,
                                 sink=when_ready)
        if reason := explain(result, self._kind):
            outcome.problems.append(reason)
        elif not found or not found[0].processes:
            outcome.problems.append("footprint: the machine's processes were not found")
        else:
            outcome.values[FOOTPRINT_ROW] = found[0].total_mib()
            print(f"bench: {self.name}: {found[0].text()}", file=sys.stderr)


def kernel_files(text):
    """(directory with modules or None, image)"""
    if os.path.sep in text:
        if not os.path.exists(text):
            raise GuestkitError(f"no such kernel image: {text}")
        return None, text
    directory = fetch_kernel(text)
    return directory, os.path.join(directory, "vmlinuz")


def make_peers(args, devices):
    """The host first, then those wanted that are here."""
    wanted = [] if args.peers == "none" else args.peers.split(",")
    programs = {"xenolith": XM, "tcg": "qemu-system-x86_64", "gvisor": "runsc",
                HVM: "qemu-system-x86_64"}
    kinds = {"xenolith": "xm", "tcg": "qemu", HVM: HVM}
    peers = [Command("native", devices)]
    for name in wanted:
        if name not in programs:
            raise GuestkitError(f"no peer {name!r}; there are: {', '.join(programs)}")
        if not shutil.which(programs[name]):
            print(f"bench: no {programs[name]} here, so no {name}", file=sys.stderr)
        elif name == "gvisor":
            flags = ["--network=none", "--platform=ptrace"]
            if os.geteuid():
                flags.append("--rootless")
            peers.append(Command(name, devices, ["runsc", *flags, "do"]))
        else:
            peers.append(Guest(name, devices, kinds[name], kernel_files(args.kernel), args.memory))
    return peers
