# SPDX-License-Identifier: GPL-2.0-or-later
"""Rounds of: a guest under a writing load, SIGKILL for every process of its domain, and a look
at what is on the disks.

What the guest had been told was flushed must be there, the file system must need no more than
its journal, the image's format must be whole, and the next round must get the disks although
nobody gave them back. The disks go from round to round as they are; the guest is booted once and
saved when it is about to mount them, and each round restores it. `kill-rounds` is the command,
test_block.py runs a few.
"""

import os
import random
import secrets
import shlex
import signal
import subprocess
import threading

from guestkit import XM, qemu_form
from guestkit.family import family, prefix, read_proc
from guestkit.machine import Machine

MODULES = ("xen-blkfront", "crc32c_generic", "crc32c-intel", "ext4")
SLOTS = 1024  # records on the disk without a file system

# A record is a line in a file, and a sector of the second disk; both are flushed before its
# number is told. Beside that, data and directories that nobody waits for. The number of the round
# comes by the console, after the guest has been restored.
LOAD = r"""
exec 2>&1
for module in xen-blkfront crc32c_generic crc32c-intel ext4; do modprobe $module; done
n=0; while [ ! -b /dev/xvdb ] && [ $n -lt 200 ]; do usleep 20000; n=$((n + 1)); done
mkdir -p /mnt
echo loaded
read -r round </dev/console
fail() { dmesg | tail -n 30; exit $1; }
mount -t ext4 /dev/xvda /mnt || fail 1
rm -rf /mnt/log /mnt/noise* /mnt/tree*
while :; do dd if=/dev/urandom of=/mnt/noise bs=64k count=48; mv /mnt/noise /mnt/noise2; done 2>/dev/null &
while :; do mkdir -p /mnt/tree/a/b/c; cp /init /mnt/tree/a/b; rm -rf /mnt/tree2
            mv /mnt/tree /mnt/tree2; done 2>/dev/null &
i=0
while :; do
    i=$((i + 1))
    echo "$round.$i" | dd of=/mnt/log oflag=append conv=notrunc,fsync 2>/dev/null || fail 2
    printf '%-511s\n' "$round.$i" |
        dd of=/dev/xvdb bs=512 seek=$((i % SLOTS)) conv=notrunc,fsync 2>/dev/null || fail 3
    echo $i
done
"""
PATIENCE = 600  # seconds until a guest that shows nothing counts as stuck


class LostData(Exception):
    """A round that ended with less than was promised."""


def call(*words, allowed=(0,)):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode not in allowed:
        raise LostData(f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Disks:
    """The two disks of a series of rounds, in `directory`."""

    def __init__(self, directory, form):
        self.directory, self.form = directory, form
        self.paths = [os.path.join(directory, f"disk{i}.{form}") for i in range(2)]
        raw = self._raw(0)
        call("mke2fs", "-q", "-F", "-t", "ext4", raw, "64M")
        with open(self._raw(1), "wb") as stream:
            stream.truncate(SLOTS * 512)
        if form != "raw":
            for i in range(2):
                call("qemu-img", "convert", "-O", qemu_form(form), self._raw(i), self.paths[i])

    def _raw(self, i):
        return os.path.join(self.directory, f"disk{i}.raw")

    def config(self):
        kind = "file" if self.form == "raw" else f"tap:{self.form}"
        return f"disk = ['{kind}:{self.paths[0]},xvda,w', '{kind}:{self.paths[1]},xvdb,w']\n"

    def check(self, number, told):
        """`told`: how many records the guest of round `number` had been told are safe."""
        if self.form != "raw":
            for i in range(2):
                # 3: clusters that nobody uses, which is no damage; 63: no check for this format.
                form = qemu_form(self.form)
                call("qemu-img", "check", "-q", "-f", form, self.paths[i], allowed=(0, 3, 63))
                call("qemu-img", "convert", "-f", form, "-O", "raw", self.paths[i], self._raw(i))
        call("e2fsck", "-fp", self._raw(0), allowed=(0, 1))
        lines = call("debugfs", "-R", "cat /log", self._raw(0)).split()
        wanted = [f"{number}.{i}" for i in range(1, told + 1)]
        if lines[:told] != wanted:
            raise LostData(f"the log has {len(lines)} lines, {told} were safe; it ends with {lines[-3:]}")
        with open(self._raw(1), "rb") as stream:
            sectors = stream.read()
        for i in range(max(1, told - SLOTS + 1), told + 1):
            slot = i % SLOTS
            found = sectors[slot * 512:slot * 512 + 512].split()[0].decode()
            # A later one may have been under way to the same place.
            if found not in (f"{number}.{i}", f"{number}.{i + SLOTS}"):
                raise LostData(f"sector {slot} has record {found}, {number}.{i} was safe")


def xm(*words):
    return [*shlex.split(XM), *words]


class Saved:
    """A guest that has booted, saved in a file; it has the name `name` in each of its lives."""

    def __init__(self, kernel_dir, disks):
        self.path = os.path.join(disks.directory, "guest.saved")
        with Machine("xm", kernel_dir, memory=96, config=disks.config()) as machine:
            self.name = machine.name
            machine.prepare(LOAD.replace("SLOTS", str(SLOTS)), modules=MODULES)
            with subprocess.Popen(machine.arguments(), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as console:
                text = b""
                while not text.endswith(b"loaded\n"):
                    line = console.stdout.readline()
                    if not line:
                        raise LostData(f"the guest did not boot:\n{text.decode('utf-8', 'replace')}")
                    text += line
                call(*xm("save", self.name, self.path))


class Round:
    """One life of the guest."""

    def __init__(self, saved, number, after):
        self._saved, self._number = saved, number
        self._after = after  # seconds from the first record to the kill
        self._nonce = secrets.token_hex(8)
        self._killed = False

    def _kill(self):
        """All at once, as far as there is such a thing; and who was born meanwhile. One that is on
        its way out is in no family any more, but may have its files."""
        dying = set()
        while pids := {pid for pid in family(self._nonce) if pid != os.getpid()} | dying:
            for pid in pids - dying:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            dying = {pid for pid in pids if not self._is_dead(pid)}

    @staticmethod
    def _is_dead(pid):
        """With all of its threads: the first may be a zombie while others still hold its files."""
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:
            return True
        states = [read_proc(f"{pid}/task/{thread}", "stat").rpartition(")")[2].split() for thread in threads]
        return all(not fields or fields[0] in "ZX" for fields in states)

    def _kill_now(self):
        self._killed = True
        self._kill()

    def _watch(self, console):
        """What the guest says until it is killed."""
        text = b""
        timer = threading.Timer(PATIENCE, self._kill)
        timer.start()
        try:
            while line := console.stdout.readline():
                if not text:
                    timer.cancel()
                    timer = threading.Timer(self._after, self._kill_now)
                    timer.start()
                text += line
        finally:
            timer.cancel()
            timer.join()
        return text

    def run(self):
        """How many records were told; raises LostData."""
        ours = prefix(self._nonce)
        try:
            call(*ours, *xm("restore", self._saved.path))
            with subprocess.Popen([*ours, *xm("console", self._saved.name)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as console:
                console.stdin.write(f"{self._number}\n".encode())
                console.stdin.flush()
                text = self._watch(console)
        finally:
            self._kill()
        told = text.split(b"\n")[:-1]
        if not self._killed or told != [b"%d" % i for i in range(1, len(told) + 1)]:
            raise LostData("the guest said:\n" + text.decode("utf-8", "replace")[-3000:])
        return len(told)


def rounds(kernel_dir, directory, form, count, seed, report=None):
    """`count` rounds on the same disks; records that were checked. Raises LostData."""
    chance = random.Random(seed)
    disks = Disks(directory, form)
    saved = Saved(kernel_dir, disks)
    total = 0
    for number in range(1, count + 1):
        told = Round(saved, number, chance.uniform(0, 1.5)).run()
        disks.check(number, told)
        total += told
        if report:
            report(number, told)
    return total
