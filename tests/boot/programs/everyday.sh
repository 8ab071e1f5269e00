#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# everyday.sh - what people do with a Linux, one line of result each: "ok NAME" or "FAIL NAME"
# and the last of its output. $1: seconds of stress. Needs the image of mkrootfs.

try()
{
    name=$1
    shift
    if "$@" >/tmp/output 2>&1; then
        echo "ok $name"
    else
        echo "FAIL $name"
        tail -n 15 /tmp/output
    fi
}

ftrace()
{
    mount -t tracefs tracefs /sys/kernel/tracing || return
    cd /sys/kernel/tracing || return
    for _ in 1 2 3; do
        echo function >current_tracer
        echo 1 >tracing_on
        ls /proc/self >/dev/null
        echo 0 >tracing_on
        [ "$(wc -l <trace)" -gt 1000 ] || return
        echo nop >current_tracer
    done
}

crypto()
{
    for module in sha256-ssse3 sha512-ssse3 aesni-intel ghash-clmulni-intel crc32c-intel \
        chacha-x86_64; do
        modprobe $module || return
    done
    modprobe tcrypt mode=1 # tests all it knows, and never stays
    [ "$(grep -c 'selftest.*passed' /proc/crypto)" -gt 50 ] &&
        ! grep 'selftest' /proc/crypto | grep -qv passed && ! dmesg | grep 'alg: .*fail'
}

loop()
{
    for _ in $(seq 60); do
        modprobe raid6_pq && rmmod raid6_pq || return
    done
}

cd /tmp || exit
# shellcheck disable=SC2016
try bash bash -c 'for i in $(seq 20000); do x=$((x + i)); done; [ $x = 200010000 ]'
# shellcheck disable=SC2016 # perl's
try perl perl -e 'my %h; $h{$_ % 1000} += $_ for 1..300000; my $s; $s += $_ for values %h;
    exit($s != 45000150000)'
try python-threads python3 /test/threads.py
try gcc sh -c 'gcc -O2 -pthread -o /tmp/work /test/work.c -lm && /tmp/work'
try openssl openssl speed -seconds 1 -bytes 16384 aes-128-cbc sha256
try raid6 sh -c 'modprobe raid6_pq && dmesg | grep "raid6: using"; rmmod raid6_pq'
try crypto crypto
try ftrace ftrace
try modules loop
cd /tmp || exit
try stress stress-ng --cpu 1 --vm 1 --vm-bytes 64M --fork 1 --switch 1 --signal 1 --sigq 1 \
    --timeout "$1" --verify
try warnings sh -c '! dmesg | grep -E "WARNING: CPU|BUG:|Oops|rcu.*stall|soft lockup|blocked for more"'
