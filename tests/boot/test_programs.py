# SPDX-License-Identifier: GPL-2.0-or-later
"""Ordinary programs behave in a guest: busybox in the quick suite, a Debian system with
compilers and interpreters in the slow one. Answers are compared with what is right, not with
what came out last time."""

import hashlib
import os

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))


def test_processes(guest):
    """Fork, exec, pipes, waits, signals."""
    result = guest("""
        i=0; while [ $i -lt 200 ]; do /bin/true || exit 1; i=$((i + 1)); done
        echo forks
        seq 1 20000 | sort -rn | head -1
        (sleep 0.2; exit 3) & wait $!; echo "wait $?"
        sh -c 'trap "echo caught" USR1; kill -USR1 $$; echo after'
        sh -c 'sh -c "kill -SEGV \\$\\$"; echo "signal $?"' 2>/dev/null
        for i in $(seq 70); do (sleep 1; echo x) & done | wc -l
        """)
    assert result.text().split("\n")[:6] == ["forks", "20000", "wait 3", "caught", "after",
                                             "signal 139"]
    assert result.text().split("\n")[-2] == "70"


def test_files(guest):
    """tmpfs, proc and sysfs."""
    result = guest("""
        dd if=/dev/zero of=/tmp/zero bs=1M count=32 2>/dev/null
        sha256sum </tmp/zero
        cp -r /usr /tmp/copy && diff -r /usr /tmp/copy && echo same
        find /proc/1 /sys -type f 2>/dev/null | wc -l
        cat /proc/1/maps >/dev/null && ln /tmp/zero /tmp/link && stat -c %h /tmp/zero
        """)
    lines = result.text().split("\n")
    assert lines[0].split()[0] == hashlib.sha256(b"\0" * (32 << 20)).hexdigest()
    assert lines[1] == "same"
    assert int(lines[2]) > 1000
    assert lines[3] == "2"


def test_arithmetic(guest):
    result = guest("echo '2^200; scale=30; 4*a(1)' | bc -l; echo abc | md5sum; echo abc | sha512sum "
                   "| cut -c1-16; echo abc | gzip | gzip -d")
    text = result.text()
    assert str(2 ** 200) in text.replace("\\\n", "")
    assert "3.14159265358979323846264338" in text
    assert hashlib.md5(b"abc\n").hexdigest() in text
    assert hashlib.sha512(b"abc\n").hexdigest()[:16] in text
    assert text.endswith("abc\n")


@pytest.mark.parametrize("vcpus", [1, 2])
@pytest.mark.parametrize("name", ["threads32", "breakpoints32"])
def test_32bit(guest, build_dir, name, vcpus):
    program = os.path.join(build_dir, "tests", f"boot-{name}")
    if not os.path.exists(program):
        pytest.skip("the compiler makes no 32-bit programs (gcc-multilib)")
    result = guest(f"for i in 1 2 3 4; do /test/{name} & done; wait", vcpus=vcpus,
                   files=[(program, f"test/{name}")])
    assert result.text() == f"{name} ok\n" * 4


@pytest.mark.parametrize("where", ["never", "auto", "always"])
def test_low_memory(guest, build_dir, where):
    """Where the engine has something of its own as long as the program has nothing there."""
    program = os.path.join(build_dir, "tests", "boot-low_memory")
    result = guest("/test/low_memory && /test/low_memory", vcpus=2,
                   config=f"program_translation='{where}'\n",
                   files=[(program, "test/low_memory")])
    assert result.text() == "low_memory ok\n" * 2


def test_modules(guest):
    """Loading code into the kernel, with SIMD self-tests, and taking it out again."""
    result = guest("modprobe raid6_pq && lsmod | grep -c raid6_pq && dmesg | grep -c 'raid6: using'; "
                   "rmmod raid6_pq; lsmod | grep -c raid6_pq", modules=["raid6_pq"])
    assert result.text().split() == ["1", "1", "0"] or result.text().split() == ["1", "2", "0"]


@pytest.mark.slow
def test_module_loop(guest):
    """Code comes and goes at the same addresses."""
    result = guest("""
        for i in $(seq 15); do
            for m in raid6_pq xor crc32c-intel sha256-ssse3 xen-blkfront; do
                modprobe $m 2>/dev/null
            done
            for m in xor raid6_pq xen-blkfront; do rmmod $m 2>/dev/null; done
        done
        dmesg | grep -cE 'WARNING: CPU|BUG:|Oops'; cat /proc/crypto | grep -c 'selftest.*passed'
        """, modules=["raid6_pq", "xor", "crc32c-intel", "sha256-ssse3", "xen-blkfront"])
    bad, good = result.text().split()
    assert bad == "0" and int(good) > 10


@pytest.mark.slow
def test_ftrace(guest):
    """Forty thousand call sites are patched and patched back on the live kernel."""
    result = guest("""
        mount -t tracefs tracefs /sys/kernel/tracing
        cd /sys/kernel/tracing
        for i in 1 2 3; do
            echo function >current_tracer; echo 1 >tracing_on; ls /proc >/dev/null
            echo 0 >tracing_on  # else reading the trace overwrites it
            wc -l <trace; echo nop >current_tracer
        done
        echo 1 >tracing_on
        echo 'p:probe do_sys_openat2' >kprobe_events && echo 1 >events/kprobes/enable
        cat /proc/version >/dev/null; grep -c probe trace
        echo 0 >events/kprobes/enable; echo >kprobe_events; echo alive
        """, timeout=300)
    lines = result.text().split()
    assert all(int(line) > 1000 for line in lines[:3])
    assert int(lines[3]) >= 1 and lines[4] == "alive"


PROGRAMS = {
    "bash": ("bash -c 's=0; for ((i = 0; i < 200000; i++)); do ((s += i)); done; echo $s'",
             "19999900000"),
    "perl": ("perl -e 'my %h; $h{$_ % 1000} += $_ for 1..300000; print $h{7}, qq(\\n)'",
             str(sum(i for i in range(1, 300001) if i % 1000 == 7))),
    "python-threads": ("python3 /test/threads.py", "ok 80000"),
    "openssl": ("printf abc | openssl dgst -sha256 | cut -d' ' -f2; "
                "head -c 1000000 /dev/zero | openssl enc -aes-256-cbc -pbkdf2 -k x | "
                "openssl enc -d -aes-256-cbc -pbkdf2 -k x | md5sum | cut -d' ' -f1",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"
                + hashlib.md5(b"\0" * 1000000).hexdigest()),
    "gcc": ("gcc -O2 -pthread -o /tmp/work /test/work.c -lm && /tmp/work", "work ok"),
    "signals": ("gcc -O1 -o /tmp/sig /test/signals.c && /tmp/sig", "signals ok"),
    "breakpoints": ("gcc -O1 -o /tmp/bp /test/breakpoints.c && /tmp/bp", "breakpoints ok"),
    "int80": ("gcc -O1 -o /tmp/i80 /test/int80.c && /tmp/i80", "int80 ok"),
    "ia32": ("gcc -m32 -O1 -nostdlib -static -fno-pie -no-pie -fno-stack-protector -o /tmp/ia32 "
             "/test/ia32.c && /tmp/ia32", "ia32 ok"),
    "make": ("mkdir /tmp/m && cd /tmp/m && for i in $(seq 20); do echo \"int f$i(void){return $i;}\""
             " >f$i.c; done && printf 'all: %s\\n' \"$(for i in $(seq 20); do printf 'f%s.o ' $i; "
             "done)\" >Makefile && make -j4 >/dev/null && ls *.o | wc -l", "20"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_debian_program(guest, rootfs, name):
    command, want = PROGRAMS[name]
    result = guest(command, image=rootfs, memory=2048, timeout=300,
                   files=[(os.path.join(HERE, "programs"), "test")])
    assert result.text().strip() == want
    assert result.status == 0


@pytest.mark.slow
@pytest.mark.parametrize("stressor", ["cpu", "vm", "fork", "pipe", "switch", "mmap", "sigsegv",
                                      "timer", "futex", "mprotect", "madvise", "context", "fault"])
def test_stress(guest, rootfs, stressor):
    options = " --vm-bytes 128M" if stressor == "vm" else ""
    result = guest(f"stress-ng --{stressor} 2{options} --verify --timeout 10 2>&1 | tail -20; "
                   "exit ${PIPESTATUS[0]}", image=rootfs, memory=2048, timeout=200)
    assert result.status == 0, result.text()
