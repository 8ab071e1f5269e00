/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * version.h - the Xen that we say we are: to the guest (version.c) and in core files.
 */
#pragma once

#define VERSION_MAJOR 4
#define VERSION_MINOR 17
#define VERSION_EXTRA ".0-xenolith"
#define VERSION_CAPABILITIES "xen-3.0-x86_64 "
#define VERSION_CHANGESET "unavailable"
#define VERSION_COMPILER "gcc"
#define VERSION_COMPILE_BY "xenolith"
