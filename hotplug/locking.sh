# SPDX-License-Identifier: GPL-2.0-or-later
#
# locking.sh - claim_lock NAME, release_lock NAME: one script at a time. One lock can be held
# at a time. The kernel drops the lock of a script that dies, so none has to be stolen.
# shellcheck shell=sh

claim_lock()
{
    mkdir -p "$XEN_HOTPLUG_DIR"
    exec 9>>"$XEN_HOTPLUG_DIR/$1.flock"
    flock -w 100 9 || fatal "Waited too long for the lock '$1' in $XEN_HOTPLUG_DIR"
}

# shellcheck disable=SC2120 # callers name the lock, as they do in Xen's scripts
release_lock()
{
    exec 9>&-
}
