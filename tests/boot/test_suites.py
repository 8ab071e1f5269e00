# SPDX-License-Identifier: GPL-2.0-or-later
"""Languages' own tests, programs that compile at run time, debuggers, and Debian packages give in a
guest what they give on this host: the same answers, and of packages the same bytes. The same image
is run in both: in a guest, and unpacked, in namespaces of its own."""

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
BASE = "bash busybox-static coreutils findutils grep hostname iproute2 mount sed util-linux "
IMAGES = {
    "python": BASE + "libpython3.11-testsuite netbase python3",
    "node": BASE + "nodejs openssl procps",
    "java": BASE + "junit4 openjdk-17-jdk-headless",
    "packages": BASE + "bsdutils build-essential debhelper debianutils diffutils dpkg fakeroot file gawk "
                       "gcc-multilib gettext gzip help2man libc-bin libhiredis-dev libjemalloc-dev "
                       "liblua5.1-dev liblzf-dev libssl-dev libsystemd-dev lua-bitop-dev lua-cjson-dev "
                       "man-db ncurses-bin openssl perl pkg-config procps tar tcl tcl-tls texinfo xz-utils",
    "tools": BASE + "debianutils gcc gdb libc6-dbg libc6-dev ltrace luajit procps strace valgrind",
    "compilers": BASE + "gcc golang-go libc6-dev rustc",
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
ln -s /usr/bin/perl perl; export PERL_CORE=1 PERL_SKIP_TTY_TEST=1
for test in {}; do
    perl -I../lib $test >/tmp/out 2>&1; status=$?
    echo "$test $status $(grep -c '^ok' /tmp/out) $(grep '^not ok' /tmp/out | grep -cv TODO)"
done
"""
PERL_TESTS = {"perl": "base/*.t cmd/*.t comp/*.t op/[a-f]*.t", "perl-g": "op/[g-q]*.t",
              "perl-r": "op/[r-z]*.t"}
JAVA = """
mkdir /tmp/java; cp /test/Threads.java /tmp/java; cd /tmp/java
PATH=$PATH:$(echo /usr/lib/jvm/java-17-openjdk-*/bin)
javac Threads.java; echo "javac $?"
for how in -XX:+UseSerialGC -XX:+UseParallelGC -XX:+UseG1GC -XX:+UseZGC -XX:+UseShenandoahGC \\
        -XX:TieredStopAtLevel=1 -XX:-TieredCompilation -Xint; do
    java $how -Xmx200m Threads; echo "$how $?"
done
"""
# A library of a hundred thousand lines, compiled, and its tests by each compiler and collector.
JAVA_MATH = """
PATH=$PATH:$(echo /usr/lib/jvm/java-17-openjdk-*/bin); cd /tmp; mkdir math
path=math:/usr/share/java/junit4.jar:/usr/share/java/hamcrest.jar
for part in main test; do
    files=$(find /source/$part -name '*.java')
    javac -nowarn -encoding UTF-8 -cp $path -d math $files 2>/dev/null; echo "$part $?"
    find math -name '*.class' | sort | xargs sha256sum | sha256sum
done
cp -r /source/test/resources/. math
run()
{
    how=$1; shift
    for name; do
        tests=$(cd math; find org/apache/commons/math3/$name -name '*Test.class' | grep -v Abstract | sort)
        tests=$(echo "$tests" | sed 's/.class$//' | tr / .)
        java $how -cp $path org.junit.runner.JUnitCore $tests >/tmp/out 2>&1
        echo "$how $name $(grep -E '^OK|^Tests run|^[0-9]+[)] ' /tmp/out)"
    done
}
run -XX:+UseG1GC complex dfp fitting fraction linear special util
for how in -XX:TieredStopAtLevel=1 -XX:-TieredCompilation -XX:+UseZGC -Xint; do
    run $how complex fraction special
done
"""
NODE = """
cp -r /source /tmp/node; cd /tmp/node/parallel
for test in $(ls | grep -E '^test-({})'); do
    flags=$(sed -n 's|^// Flags: ||p' $test | head -n 1)
    for try in 1 2 3; do # some give a thing a second
        timeout 120 node $flags $test >/tmp/out 2>&1; status=$?
        [ $status != 0 ] || break
    done
    echo "$test $status"
done
"""
NODE_TESTS = "buffer|process|timers|v8|vm|worker"
# dpkg has no database in such an image: which library is whose is said here.
PACKAGE = """
cd /tmp; cp -r /source source; cd source
mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates; : >/var/lib/dpkg/status
hostname build
for library in {libraries}; do echo "${{library%-*}} ${{library##*-}} a-library"; done >debian/shlibs.local
export ACLOCAL=aclocal-1.16 AUTOMAKE=automake-1.16 DEB_BUILD_OPTIONS="{options}"
dpkg-buildpackage -b -d -us -uc >/tmp/out 2>&1; echo "built $?"
grep -E '^(PASS|FAIL): |^# [A-Z]+: |^[[:space:]]*[*][*][*] ' /tmp/out; sha256sum ../*.deb
"""
REDIS = PACKAGE.format(options="parallel=2 nocheck",
                       libraries="libc-6 libm-6 libssl-3 libcrypto-3 libsystemd-0 libjemalloc-2 liblzf-1 "
                                 "libhiredis-0.14 liblua5.1-0 lua5.1-cjson-0 lua5.1-bitop-0 "
                                 "libatomic-1 libdl-2") + """
for name in unit/type/{hash,incr,list,set,stream,string,zset} unit/{acl,auth,bitops,expire} \\
        unit/{functions,geo,info,keyspace,multi,protocol,pubsub,quit,scan,scripting,sort} integration/{aof,rdb,redis-cli}; do
    for try in 1 2 3; do # they measure time
        tclsh8.6 tests/test_helper.tcl --clients 2 --single $name >/tmp/out 2>&1 && break
    done
    echo "$name $?"
    sed -n 's/^\\[\\(ok\\|err\\|exception\\)\\]: \\(.*\\) ([0-9]* ms)$/\\1 \\2/p' /tmp/out | sort
done
"""
SUITES = {
    "python": ("python", PYTHON.format(PYTHON_TESTS)),
    "node": ("node", "for i in 1 2 3; do node /test/workers.js; echo $?; done"),
    "node-parallel": ("node", NODE.format(NODE_TESTS)),
    "java": ("java", JAVA),
    "java-math": ("java", JAVA_MATH),
    "hello": ("packages", PACKAGE.format(options="", libraries="libc-6")),
    "zlib": ("packages", PACKAGE.format(options="parallel=2", libraries="libc-6")),
    "redis": ("packages", REDIS),
    "tools": ("tools", "sh /test/tools.sh"),
    "compilers": ("compilers", "sh /test/compilers.sh"),
    **{name: ("debian", PERL.format(tests)) for name, tests in PERL_TESTS.items()},
}
# What fetch-source is told, what of it the suite needs, and where the suite looks for it.
SOURCES = {
    **{name: (["--packaged", name], "", "source") for name in ("hello", "zlib", "redis")},
    **{name: (["perl"], "t", "perl/t") for name in PERL_TESTS},
    "node-parallel": (["nodejs"], "test", "source"),
    "java-math": (["commons-math3"], "src", "source"),
}


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
        words, part, target = SOURCES[name]
        source = output_of(os.path.join(SCRIPTS, "fetch-source"), *words)
        files.append((os.path.join(source, part), target))
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
