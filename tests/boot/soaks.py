# SPDX-License-Identifier: GPL-2.0-or-later
"""Long work for a guest, which must get through it without an error and without a word of its
kernel's. `soak` is the command, test_soak.py runs a minute of each.

devices: a Debian on its own disk verifies what it writes there, sends to and receives from the host
through passt, and forks, all at once; then it shuts down, and its file system must be clean.
stress: the classes of stress-ng that ask an engine most.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess

from guestkit import SCRIPTS, GuestkitError, debian
from guestkit.debian.guest import Guest, free_port
from guestkit.machine import Machine, explain

CLASSES = ("cpu", "vm", "scheduler", "interrupt")
# What no healthy kernel says.
BAD_NEWS = (r"WARNING: CPU|kernel BUG|BUG:|Oops|Call Trace|rcu.*(stall|starved)|soft lockup|blocked for more|"
            r"I/O error|EXT4-fs error|NETDEV WATCHDOG")
# What stress-ng says of itself: its alarm at the end of a run interrupts a call. Left out: `cyclic`, two
# of which ask for nine tenths of a CPU each by deadline, and `loop`, whose module the image lacks.
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
            iperf3 -c $gateway -p PORT -t 5 $way >/tmp/iperf 2>&1 || { cat /tmp/iperf; return 1; }
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
            --exclude cyclic,loop --vm-bytes 128M --oomable 2>&1
        echo "stress-ng: exit $?"; dmesg"""
    with Machine("xm", image=rootfs, memory=memory, vcpus=vcpus) as machine:
        result = machine.run(command, timeout=seconds * 4 + 600, sink=sink)
    text = result.text()
    failed = "\n".join(line for line in re.findall(r"stress-ng: fail: .*", text)
                       if not re.search(NOT_OURS, line))
    if result.status != 0 or failed or bad_news(text):
        raise Trouble(f"{explain(result, 'xm') or ''}\n{failed}\n{bad_news(text)}")
    return "\n".join(re.findall(r"^stress-ng: (?:exit|.*completed).*", text, re.MULTILINE))
