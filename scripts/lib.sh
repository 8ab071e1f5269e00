# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lib.sh - what the shell scripts beside it share. Sourced after `set -eu`. Messages go to
# stderr: stdout belongs to the result a caller asked for.

top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck disable=SC2034 # used by the scripts that source this
cache=${XENOLITH_CACHE:-$top/.cache}

say()
{
    echo "${0##*/}: $*" >&2
}

die()
{
    say "$@"
    exit 1
}

# have PROGRAM: is it in the path?
have()
{
    command -v "$1" >/dev/null 2>&1
}

# A Debian system that never ran `apt-get update` (every fresh container) knows no package.
apt_lists_empty()
{
    [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' 2>/dev/null | head -n 1)" ]
}
