# SPDX-License-Identifier: GPL-2.0-or-later
#
# hotplugpath.sh - directories, for scripts that source it. Whoever runs a hotplug script sets
# XENOLITH_RUN_DIR; without it the system's instance is meant.
# shellcheck shell=sh disable=SC2034

XEN_SCRIPT_DIR=${XEN_SCRIPT_DIR:-/etc/xen/scripts}
XEN_CONFIG_DIR=/etc/xen
XEN_RUN_DIR=${XENOLITH_RUN_DIR:-/run/xenolith}
XEN_LOCK_DIR=$XEN_RUN_DIR
XEN_HOTPLUG_DIR=$XEN_RUN_DIR/hotplug
