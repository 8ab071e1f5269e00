# SPDX-License-Identifier: GPL-2.0-or-later
#
# xen-script-common.sh - what all scripts here begin with: arguments are one command word and
# NAME=VALUE, in any order; an error ends the script.
# shellcheck shell=sh

set -e
PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
LANG=C
export PATH LC_ALL LANG
unset CDPATH

# shellcheck source-path=SCRIPTDIR source=hotplugpath.sh
. "${dir:-$(dirname "$0")}/hotplugpath.sh"
# shellcheck source-path=SCRIPTDIR source=logging.sh
. "${dir:-$(dirname "$0")}/logging.sh"

# findCommand ARGUMENT...: sets `command` to the first that is no assignment.
findCommand()
{
    for word in "$@"; do
        case $word in
        *=*) ;;
        *)
            # shellcheck disable=SC2034 # for who sources this
            command=$word
            return 0
            ;;
        esac
    done
    return 1
}

# evalVariables ARGUMENT...: sets the variables that are assigned; values stay as they are.
evalVariables()
{
    for word in "$@"; do
        case $word in
        [A-Za-z_]*=*)
            case ${word%%=*} in
            *[!A-Za-z0-9_]*) ;;
            *) eval "${word%%=*}=\${word#*=}" ;;
            esac
            ;;
        esac
    done
}

have()
{
    command -v "$1" >/dev/null 2>&1
}

# Ends the script; xen-hotplug-common.sh has one that also tells the toolstack.
fatal()
{
    log err "$@"
    exit 1
}
