# SPDX-License-Identifier: GPL-2.0-or-later
#
# xen-hotplug-common.sh - the contract of device scripts: parameters come from the device's
# directory in xenstore, XENBUS_PATH; the answer goes there, too: success(), or fatal() with a
# sentence that "xm create" prints. A script that fails without a word gets one.
# shellcheck shell=sh

# shellcheck source-path=SCRIPTDIR source=xen-script-common.sh
. "${dir:-$(dirname "$0")}/xen-script-common.sh"
# shellcheck source-path=SCRIPTDIR source=locking.sh
. "${dir:-$(dirname "$0")}/locking.sh"

if [ -z "${XENBUS_PATH:-}" ]; then
    fatal "XENBUS_PATH is not set: this script is run by the toolstack for a device"
fi

xenstore_read()
{
    xenstore-read "$@" || fatal "xenstore-read $* failed."
}

# xenstore_read_default PATH VALUE
xenstore_read_default()
{
    xenstore-read "$1" 2>/dev/null || printf '%s\n' "$2"
}

# xenstore_write PATH VALUE...
xenstore_write()
{
    log debug "Writing $* to xenstore."
    xenstore-write "$@" || log err "Writing $* to xenstore failed."
}

fatal()
{
    trap - EXIT
    xenstore_write "$XENBUS_PATH/hotplug-error" "$*" "$XENBUS_PATH/hotplug-status" error
    log err "$@"
    exit 1
}

# The device works, but not as its owner will expect: xm tells who starts the domain.
warn()
{
    xenstore_write "$XENBUS_PATH/hotplug-warning" "$*"
    log warning "$@"
}

success()
{
    xenstore_write "$XENBUS_PATH/hotplug-status" connected
}

# The device is in use elsewhere.
ebusy()
{
    trap - EXIT
    xenstore_write "$XENBUS_PATH/hotplug-error" "$*" "$XENBUS_PATH/hotplug-status" busy
    log err "$@"
    exit 1
}

# A sub-shell may have said why already.
sigerr()
{
    [ "$1" = 0 ] && exit 0
    trap - EXIT
    case $(xenstore_read_default "$XENBUS_PATH/hotplug-status" '') in
    error | busy) exit 1 ;;
    esac
    fatal "$0 failed; error detected."
}
trap 'sigerr $?' EXIT

do_or_die()
{
    "$@" || fatal "$* failed"
}

do_without_error()
{
    "$@" 2>/dev/null || log debug "$* failed"
}
