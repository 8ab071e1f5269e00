# SPDX-License-Identifier: GPL-2.0-or-later
#
# logging.sh - log LEVEL TEXT...: a line on stderr, which goes to xen-hotplug.log, and to syslog
# where there is one. The levels are syslog's: debug, info, notice, warning, err. A warning is in
# the log of xend, too.
# shellcheck shell=sh

log()
{
    log_level=$1
    shift
    case $log_level in
    warning) log_mark='warning: ' ;;
    *) log_mark= ;;
    esac
    printf '%s: %s%s%s\n' "${0##*/}" "$log_mark" "$*" "${XENBUS_PATH:+ ($XENBUS_PATH)}" >&2
    if [ "$log_level" != debug ] && [ -S /dev/log ] && command -v logger >/dev/null 2>&1; then
        logger -p "daemon.$log_level" -- "$0: $*${XENBUS_PATH:+ ($XENBUS_PATH)}" || true
    fi
}
