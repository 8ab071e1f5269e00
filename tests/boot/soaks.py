# SPDX-License-Identifier: GPL-2.0-or-later
"""Long work for a guest, which must get through it without an error and without a word of its
kernel's. `soak` is the command, test_soak.py runs a minute of each.

devices: a Debian on its own disk verifies what it writes there, sends to and receives from the host
through passt, and forks, all at once; then it shuts down, and its file system must be clean.
stress: the classes of stress-ng that ask an engine most.
growth: processes, areas, code, modules and address spaces come and go all the time, and what the domain
takes of the host must not become more and more.
"""

import contextlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import threading

from guestkit import SCRIPTS, GuestkitError, debian
from guestkit.debian.guest import Guest, free_port
from guestkit.family import family, prefix, read_proc
from guestkit.machine import Machine, explain, fetch_kernel

CLASSES = ("cpu", "vm", "scheduler", "interrupt")
# What no healthy kernel says.
BAD_NEWS = (r"WARNING: CPU|kernel BUG|BUG:|Oops|Call Trace|rcu.*(stall|starved)|soft lockup|blocked for more|"
            r"I/O error|EXT4-fs error|NETDEV WATCHDOG")
# What the kernel says when it has no memory left: stress-ng asks for more than there is.
OUT_OF_MEMORY = r"[^\n]*invoked oom-killer.*?Out of memory: Killed[^\n]*"
# What stress-ng says of itself: its alarm at the end of a run interrupts a call. Left out: `cyclic`, two
# of which ask for nine tenths of a CPU each by deadline; `loop`, whose module the image lacks; and
# `madvise`, which poisons pages: Linux then reads back entries of theirs that on Xen are still on the way
# (WARNING at mm_inline.h, pte_install_uffd_wp_if_needed).
NOT_OURS = r"errno=4 \(Interrupted"

INSTALL = """
export DEBIAN_FRONTEND=noninteractive
apt-get update 2>&1 && apt-get install -y --no-install-recommends fio iperf3 2>&1
"""
DEVICES = r"""
end=$(($(date +%s) + SECONDS_LEFT))
gateway=$(ip route | sed -n 's/^default via \([^ ]*\).*/\1/p')
left() { [ "$(date +%s)" -lt $end ]; }
disk() {
    n=0
    while left; do
        fio --minimal --directory=/srv --size=48M --bs=4k --ioengine=libaio --iodepth=16 --direct=1 \
            --verify=crc32c --verify_fatal=1 --name=randwrite --rw=randwrite \
            --name=write --bs=256k --rw=write >/tmp/fio 2>&1 || { cat /tmp/fio; return 1; }
        n=$((n + 1))
    done
    echo "disk: $n rounds of 96 MiB"
}
network() {
    n=0
    while left; do
        for way in "" -R; do
            tries=0 # its server, on a busy host, may not have got over the last one
            until iperf3 -c $gateway -p PORT -t 5 $way >/tmp/iperf 2>&1; do
                tries=$((tries + 1))
                grep -q "server is busy" /tmp/iperf && [ $tries -lt 60 ] || { cat /tmp/iperf; return 1; }
                sleep 1
            done
        done
        n=$((n + 1))
    done
    echo "network: $n rounds of 10 seconds"
}
forks() {
    n=0
    while left; do
        [ "$(cat /proc/version | grep -c Linux)" = 1 ] || return 1
        n=$((n + 1))
    done
    echo "forks: $n pipelines"
}
disk & a=$!
network & b=$!
forks & c=$!
status=0
for process in $a $b $c; do wait $process || status=1; done
exit $status
"""


class Trouble(Exception):
    """Something went wrong in the guest; the text says what."""


def bad_news(text):
    return "\n".join(line for line in text.splitlines() if re.search(BAD_NEWS, line))


@contextlib.contextmanager
def iperf_server():
    """The port that it listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(["iperf3", "-s", "-B", "127.0.0.1", "-p", str(port)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        try:
            yield port
        finally:
            server.terminate()


def devices(seconds, vcpus=2, memory=512):
    """What was done, as text; raises Trouble."""
    if not shutil.which("iperf3"):
        raise GuestkitError("iperf3 is not there; run: apt-get install iperf3")
    with Guest(debian.system(), free_port(), memory=memory, vcpus=vcpus) as guest:
        guest.start()
        guest.wait(3600)
        done = guest.ssh(INSTALL, 3600)
        if done.returncode:
            raise GuestkitError(f"the guest could not install fio and iperf3:\n"
                                 f"{done.stdout[-2000:]}{done.stderr[-1000:]}")
        with iperf_server() as port:
            command = DEVICES.replace("SECONDS_LEFT", str(seconds)).replace("PORT", str(port))
            done = guest.ssh(command, seconds + 600)
        log = guest.ssh("dmesg").stdout
        guest.shut_down()
        guest.check_disk()
    if done.returncode or bad_news(log) or len(log) < 1000:
        raise Trouble(f"{done.stdout[-4000:]}\n{done.stderr[-2000:]}\n{bad_news(log)}")
    return done.stdout


def stress(seconds, vcpus=2, memory=2048, classes=CLASSES, sink=None):
    """Each stressor of `classes` on all vCPUs for its share of about `seconds`; the last lines of
    stress-ng. Raises Trouble."""
    rootfs = subprocess.run([os.path.join(SCRIPTS, "mkrootfs")], stdout=subprocess.PIPE, text=True,
                            check=True).stdout.strip()
    command = f"""
        cd /tmp
        n=$(for class in {' '.join(classes)}; do stress-ng --class $class? ; done 2>&1 |
            sed 's/.*: //' | tr ' ' '\\n' | sort -u | grep -c .)
        each=$((({seconds} + n - 1) / n)); echo "$n stressors, $each seconds each"
        stress-ng --class {','.join(classes)} --sequential {vcpus} --timeout $each --verify \\
            --exclude cyclic,loop,madvise --vm-bytes 128M --oomable 2>&1
        echo "stress-ng: exit $?"; dmesg"""
    with Machine("xm", image=rootfs, memory=memory, vcpus=vcpus) as machine:
        result = machine.run(command, timeout=seconds * 4 + 600, sink=sink)
    text = re.sub(OUT_OF_MEMORY, "", result.text(), flags=re.DOTALL)
    failed = "\n".join(line for line in re.findall(r"stress-ng: fail: .*", text)
                       if not re.search(NOT_OURS, line))
    if result.status != 0 or failed or bad_news(text):
        raise Trouble(f"{explain(result, 'xm') or ''}\n{failed}\n{bad_news(text)}")
    return "\n".join(re.findall(r"^stress-ng: (?:exit|.*completed).*", text, re.MULTILINE))


GROWTH = """
echo 500000 >/proc/sys/vm/max_map_count; echo 60000 >/proc/sys/kernel/pid_max
end=$(($(date +%s) + SECONDS_LEFT))
left() { [ "$(date +%s)" -lt $end ]; }
lane() {
    n=0
    while left; do
        for part in "$@"; do
            case $part in
                modules) for m in MODULES; do modprobe $m || return 1; done; rmmod MODULES || return 1 ;;
                *) out=$(/test/limits ${part%=*} ${part#*=}) || { echo "$part: $out"; return 1; } ;;
            esac
        done
        n=$((n + 1))
    done
    echo "$*: $n rounds"
}
lane processes=PROCESSES areas=AREAS scattered=20000 & a=$!
lane modules spaces=300 code=200000 churn=3000 & b=$!
status=0
for process in $a $b; do wait $process || status=1; done
dmesg
exit $status
"""
GROWTH_MODULES = ("raid6_pq", "xor")
ROLES = {"xenolith-domain": "D", "memfd:xenolith-vcpu": "V", "memfd:xenolith-stub": "stubs"}
# The last third of the time may need so much more than the second one: a part, and something besides.
MORE_PART = 1.15
MORE = {"KiB": 4096, "areas": 2000, "files": 8, "threads": 2, "processes": 4}


def take_stock(nonce):
    """{role: {what: how much}} of a machine's processes: memory of their own and page tables in all, the
    others of the largest."""
    stock = {}
    for pid in family(nonce):
        name = program_of(pid)
        status = dict(re.findall(r"^(RssAnon|VmPTE|Threads):\s*(\d+)", read_proc(pid, "status"), re.M))
        if name not in ROLES or len(status) < 3:
            continue
        have = stock.setdefault(ROLES[name], dict.fromkeys(MORE, 0))
        have["KiB"] += int(status["RssAnon"]) + int(status["VmPTE"])
        have["processes"] += 1
        for what, value in (("areas", read_proc(pid, "maps").count("\n")), ("threads", int(status["Threads"])),
                            ("files", count_files(pid))):
            have[what] = max(have[what], value)
    return stock


def program_of(pid):
    """Its name; the processes that run guests have no words of their own."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")).split(" ")[0]
    except OSError:
        return ""


def count_files(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0  # gone


class Meter(threading.Thread):
    """Takes stock every few seconds and writes a line a minute, the most of each."""

    def __init__(self, nonce, sink=None, period=5, minute=60):
        super().__init__()
        self.nonce, self.sink, self.period, self.minute = nonce, sink, period, minute
        self.minutes, self.ended = [], threading.Event()

    def run(self):
        most, left = {}, self.minute
        while not self.ended.wait(self.period):
            for role, stock in take_stock(self.nonce).items():
                have = most.setdefault(role, dict.fromkeys(MORE, 0))
                most[role] = {what: max(have[what], stock[what]) for what in MORE}
            left -= self.period
            if left <= 0:
                self.minutes.append(most)
                if self.sink:
                    self.sink(f"minute {len(self.minutes)}: {describe(most)}\n")
                most, left = {}, self.minute

    def stop(self):
        self.ended.set()
        self.join()

    def growth(self):
        """What has become more in the last third of the time, as text; empty: nothing."""
        third = len(self.minutes) // 3
        middle, last = self.minutes[third:2 * third], self.minutes[2 * third:]
        lines = []
        for role in ROLES.values():
            for what in MORE:
                before, after = (max((minute.get(role, {}).get(what, 0) for minute in part), default=0)
                                 for part in (middle, last))
                if after > before * MORE_PART + MORE[what]:
                    lines.append(f"{role}: {before} {what}, later {after}")
        return "\n".join(lines)


def describe(stock):
    return "; ".join(f"{role} " + " ".join(f"{value} {what}" for what, value in stock[role].items())
                     for role in ROLES.values() if role in stock)


# pylint: disable-next=too-many-arguments
def growth(seconds, vcpus=2, memory=1024, program=None, processes=5000, areas=100000, minute=60, sink=None):
    """What the domain took, a line a minute, and what was done; raises Trouble. `program`: limits.c."""
    nonce = secrets.token_hex(8)
    meter = Meter(nonce, sink, period=min(5, minute / 4), minute=minute)
    command = (GROWTH.replace("SECONDS_LEFT", str(seconds)).replace("MODULES", " ".join(GROWTH_MODULES))
               .replace("PROCESSES", str(processes)).replace("AREAS", str(areas)))
    with Machine("xm", fetch_kernel(), memory=memory, vcpus=vcpus, prefix=prefix(nonce)) as machine:
        meter.start()
        try:
            result = machine.run(command, files=[(program, "test/limits")], modules=GROWTH_MODULES,
                                 timeout=seconds * 2 + 900)
        finally:
            meter.stop()
    text = result.text()
    trouble = meter.growth()
    if result.status != 0 or bad_news(text) or trouble or not meter.minutes:
        raise Trouble(f"{explain(result, 'xm') or ''}\n{text[-2000:]}\n{bad_news(text)}\n{trouble}")
    rounds = re.findall(r"^.* rounds$", text, re.MULTILINE)
    return "\n".join([describe(stock) for stock in meter.minutes] + rounds)
