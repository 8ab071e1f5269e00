#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# tools.sh - debuggers, tracers, checkers and a just-in-time compiler at work. What they say goes to
# stdout, less what differs from run to run: process ids, addresses of stacks, the order of threads.
cd /tmp || exit
export LC_ALL=C
gcc -g -O0 -pthread -o traced /test/traced.c; echo "gcc $?"

# gdb_batch WORDS... [--args PROGRAM ARGUMENTS]: the words are commands
gdb_batch()
{
    set -- -ex 'set confirm off' -ex 'set debuginfod enabled off' -ex 'set print thread-events off' "$@"
    gdb -nx -batch "$@" 2>&1 | grep -Ev '^\[|^Using host|^warning: |^This normally|^$' |
        sed -E 's/process [0-9]+/process N/; s/Thread [0-9]+ "/Thread "/; s/0x7ff[0-9a-f]*/STACK/g'
}
echo "== breakpoints, watchpoints, steps"
gdb_batch -ex 'break factorial if n == 3' -ex 'watch watched' -ex 'run' -ex 'backtrace 1' -ex 'continue' \
    -ex 'backtrace 4' -ex 'print n' -ex 'stepi 3' -ex 'info registers rip' -ex 'next' -ex 'finish' \
    -ex 'hbreak factorial if n == 1' -ex 'rwatch counter' -ex 'continue' -ex 'info breakpoints' -ex 'delete' \
    -ex 'continue' ./traced
echo "== a thousand single steps"
gdb_batch -ex 'break factorial' -ex 'run' -ex 'delete' -ex 'stepi 1000' -ex 'continue' ./traced | tail -n 1
echo "== attach to threads that run"
./traced wait >/tmp/out & traced=$!
sleep 1
# shellcheck disable=SC2016 # gdb's variable
gdb_batch -p $traced -ex 'thread apply all -q -s frame function wait_for_word' -ex 'set var go_on = 1' \
    -ex 'print go_on' -ex 'detach' | grep -oE 'wait_for_word|^\$1.*' | sort
wait $traced; echo "$?"; cat /tmp/out

echo "== strace, ltrace"
strace -f -o /tmp/calls ./traced; echo "$?"
grep -cE 'clone3?\(.*CLONE_THREAD' /tmp/calls
grep -oE '(openat|write|exit_group)\(.*(nowhere|720|0\)).*' /tmp/calls
strace -c -o /tmp/counts /bin/ls / >/dev/null; echo "$?"
ltrace -f -e malloc+strlen+printf -o /tmp/calls ./traced; echo "$?"
grep -oE '(strlen|printf)\(.*' /tmp/calls | sed -E 's/ *(=|<no return).*//'; grep -c 'malloc(100)' /tmp/calls

echo "== valgrind"
for tool in "memcheck --leak-check=full" helgrind; do
    # shellcheck disable=SC2086 # a name and its option
    valgrind --tool=$tool --log-file=/tmp/report ./traced; echo "$tool $?"
    sed -nE 's/^==[0-9]+== +(definitely lost:.*|ERROR SUMMARY: [0-9]+ errors).*/\1/p' /tmp/report
done 2>&1

echo "== sanitizers"
while read -r kind mistakes; do
    gcc -g -pthread -fsanitize="$kind" -o mistakes /test/mistakes.c; echo "$kind $?"
    for mistake in none $mistakes; do
        ./mistakes "$mistake" >/tmp/out 2>/tmp/report; echo "$mistake $?"
        cat /tmp/out
        grep -oE '^SUMMARY: [A-Za-z]+Sanitizer: [-a-z ]+|runtime error: .*' /tmp/report
    done
done <<END
address overflow freed
undefined undefined
thread race
END

echo "== luajit"
for how in -jon -joff -O3; do
    luajit $how /test/work.lua; echo "$how $?"
done
