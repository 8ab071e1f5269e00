# SPDX-License-Identifier: GPL-2.0-or-later
"""Languages' own tests and programs that compile at run time give in a guest what they give on
this host. The same image is run in both: in a guest, and unpacked, in namespaces of its own."""

import os
import shutil
import subprocess
import sys

import pytest

from guestkit import SCRIPTS
from guestkit.machine import Machine, explain
from conftest import MACHINE

pytestmark = pytest.mark.slow

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(HERE, "programs")
BASE = "bash busybox-static coreutils grep hostname iproute2 mount util-linux "
IMAGES = {
    "python": BASE + "libpython3.11-testsuite netbase python3",
    "node": BASE + "nodejs",
    "java": BASE + "openjdk-17-jdk-headless",
    "debian": "",  # mkrootfs' own
}
# As init does it for a guest.
NATIVE = r"""
mount --rbind /dev "$1/dev" && mount -t proc proc "$1/proc" && mount -t tmpfs tmpfs "$1/tmp" || exit 125
mount -t tmpfs tmpfs "$1/dev/shm"
cd "$1/root" && exec chroot "$1" sh -c 'ip link set lo up; exec sh /cmd'
"""

PYTHON = """
cd /tmp
for name in {}; do
    python3 -m test --timeout 900 -W test_$name >/tmp/out 2>&1
    echo "$name $?"; grep -E '^(FAIL|ERROR):' /tmp/out
done
"""
# What meets the engine: signals, threads, processes, memory maps, sockets, floats, C calls.
PYTHON_TESTS = ("array asyncgen builtin cmath compile coroutines dict epoll fcntl float fork1 functools gc "
                "generators hashlib json list long marshal math memoryview mmap os pickle poll posix pty "
                "queue random resource sched select selectors set signal socket statistics strtod struct "
                "thread threadsignals wait3 wait4 zlib")
PERL = """
mkdir /tmp/perl; cp -r /perl/t /tmp/perl; mkdir /tmp/perl/lib; cd /tmp/perl/t
cp -r /usr/share/perl/5.36/. /usr/lib/x86_64-linux-gnu/perl/5.36/. ../lib
export PERL_CORE=1
for test in {}; do
    perl -I../lib $test >/tmp/out 2>&1; status=$?
    echo "$test $status $(grep -c '^ok' /tmp/out) $(grep '^not ok' /tmp/out | grep -cv TODO)"
done
"""
PERL_TESTS = "base/*.t cmd/*.t comp/*.t op/[a-f]*.t"
JAVA = """
mkdir /tmp/java; cp /test/Threads.java /tmp/java; cd /tmp/java
PATH=$PATH:$(echo /usr/lib/jvm/java-17-openjdk-*/bin)
javac Threads.java; echo "javac $?"
for how in -XX:+UseSerialGC -XX:+UseParallelGC -XX:+UseG1GC -XX:+UseZGC -Xint; do
    java $how -Xmx200m Threads; echo "$how $?"
done
"""
BUILD = """
cp -r /source /tmp/source; cd /tmp/source
find . -exec touch -d @0 {{}} + # else what came with the source would be made anew
({}) >/tmp/out 2>&1; echo "built $?"
({}) >/tmp/out 2>&1; echo "tested $?"; grep -E '^# |^PASS|^FAIL|\\*\\*\\*' /tmp/out
"""
SUITES = {
    "python": ("python", PYTHON.format(PYTHON_TESTS)),
    "perl": ("debian", PERL.format(PERL_TESTS)),
    "node": ("node", "for i in 1 2 3; do node /test/workers.js; echo $?; done"),
    "java": ("java", JAVA),
    "zlib": ("debian", BUILD.format("./configure && make -j2", "make check")),
    "hello": ("debian", BUILD.format("FORCE_UNSAFE_CONFIGURE=1 ./configure && make -j2",
                                     "make check")),
}
SOURCES = {"perl": "perl/t", "zlib": "source", "hello": "source"}


def output_of(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{os.path.basename(command[0])} could not do it")
    return done.stdout.strip()


def image_of(name):
    words = ["--name", name, *IMAGES[name].split()] if IMAGES[name] else []
    return output_of(os.path.join(SCRIPTS, "mkrootfs"), *words)


def files_of(name):
    """(path here, path in the guest) of what a suite needs besides its image."""
    files = [(PROGRAMS, "test")]
    if name in SOURCES:
        source = output_of(os.path.join(SCRIPTS, "fetch-source"), name)
        files.append((os.path.join(source, "t") if name == "perl" else source, SOURCES[name]))
    return files


def natively(root, image, command, files):
    """What the command says in the unpacked image. Skips where it cannot be run."""
    with subprocess.Popen(["gzip", "-dc", image], stdout=subprocess.PIPE) as packed:
        # It cannot make the device nodes without root: the host's are put there.
        subprocess.run(["busybox", "cpio", "-idm"], cwd=root, stdin=packed.stdout,
                       stderr=subprocess.DEVNULL, check=False)
    for source, target in files:
        shutil.copytree(source, os.path.join(root, target), symlinks=True)
    with open(os.path.join(root, "cmd"), "w", encoding="ascii") as stream:
        stream.write(command)
    user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    done = subprocess.run(["unshare", *user, "--mount", "--net", "--ipc", "--pid", "--fork", "--uts",
                           "--kill-child", "sh", "-c", NATIVE, "sh", root], stdin=subprocess.DEVNULL,
                          env={"PATH": "/sbin:/usr/sbin:/bin:/usr/bin", "HOME": "/root", "TERM": "linux"},
                          stdout=subprocess.PIPE, text=True, errors="replace", check=False)
    if done.returncode == 125:
        pytest.skip("the host lets this user make no mounts of its own")
    return done.stdout


@pytest.mark.parametrize("name", sorted(SUITES))
def test_suite(kernels, tmp_path, name):
    image_name, command = SUITES[name]
    image, files = image_of(image_name), files_of(name)
    want = natively(tmp_path, image, command, files)
    shutil.rmtree(tmp_path)
    assert want.count("\n") > 2
    with Machine(MACHINE, kernels(), image=image, memory=2048, vcpus=2) as machine:
        result = machine.run(command + "\ndmesg | grep -E 'WARNING: CPU|BUG:|Oops'\n", files=files,
                             timeout=5400, sink=lambda data: sys.stdout.write(data.decode("latin-1")))
    assert explain(result, MACHINE) is None
    assert result.text() == want
