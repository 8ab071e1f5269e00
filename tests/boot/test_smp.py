# SPDX-License-Identifier: GPL-2.0-or-later
"""Several virtual CPUs: they come up, run programs in parallel, go offline and come back."""

import os

import pytest

LOOP = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"
WARNINGS = r"dmesg | grep -E 'WARNING:.*(at |CPU)|BUG:|Oops|detected stall|Call Trace|soft lockup'"


@pytest.mark.parametrize("vcpus", [2, 4])
def test_work_in_parallel(guest, vcpus):
    result = guest(f"""nproc
        for c in $(seq 0 {vcpus - 1}); do
            taskset -c $c sh -c '{LOOP}; echo ran on $(cut -d" " -f39 /proc/self/stat)' &
        done; wait
        for j in 1 2 3; do
            (for i in $(seq 20); do /bin/true || echo failed; done; echo forked) &
        done; wait
        for j in 1 2 3; do
            (dd if=/dev/zero bs=64k count=100 2>/dev/null | cat | md5sum) &
        done; wait
        {WARNINGS}""", vcpus=vcpus)
    lines = result.text().splitlines()
    assert lines[0] == str(vcpus)
    assert sorted(lines[1:vcpus + 1]) == [f"ran on {c}" for c in range(vcpus)]
    assert lines[vcpus + 1:vcpus + 4] == ["forked"] * 3
    sums = set(lines[vcpus + 4:])
    assert sums == {"35bf22f857bb41c66abdeaac81592f08  -"}, lines


@pytest.mark.parametrize("vcpus", [2, 4])
def test_threads_of_one_program(guest, build_dir, vcpus):
    program = os.path.join(build_dir, "tests", "boot-vcpus")
    result = guest(f"/bin/vcpus; {WARNINGS}", vcpus=vcpus, files=[(program, "bin/vcpus")])
    assert result.text().splitlines() == [f"{vcpus} threads", "ok counters", "ok protection",
                                          "ok pages", "ok fork", "ok code"]


def test_offline_online(guest):
    result = guest(f"""cd /sys/devices/system/cpu
        for i in 1 2 3; do
            echo 0 >cpu1/online; cat online; nproc
            echo 1 >cpu1/online; cat online
            taskset -c 1 sh -c 'cut -d" " -f39 /proc/self/stat'
        done
        {WARNINGS}""", vcpus=2)
    assert result.text().split() == ["0", "1", "0-1", "1"] * 3


@pytest.mark.slow
def test_tracing_on_and_off_beside_work(guest):
    """The kernel changes some 40,000 calls of its own code while the other vCPU runs it."""
    result = guest(f"""mount -t tracefs t /sys/kernel/tracing; cd /sys/kernel/tracing
        (while [ ! -e /tmp/end ]; do ls -lR /proc/self >/dev/null 2>&1; done) &
        for i in 1 2 3; do
            echo function >current_tracer; sleep 0.2; echo nop >current_tracer; echo $i
        done
        touch /tmp/end; wait
        {WARNINGS}""", vcpus=2)
    assert result.text().split() == ["1", "2", "3"]
