/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * files.h - files of the host that a machine gets anew with each life: its kernel, its ramdisk and
 * those that serial ports write to. The domain process is in its jail then, so the launcher opens
 * them, and knows which from before the jail: who asks for one says its number.
 */
#pragma once

#include "base/err.h"
#include "base/launcher.h"
#include "domain/options.h"
#include "hvm/spec.h"

enum hvm_file {
    HVM_FILE_KERNEL,
    HVM_FILE_RAMDISK,
    HVM_FILE_SERIAL, /* of the first port; those of the others follow */
    HVM_NR_FILES = HVM_FILE_SERIAL + HVM_MAX_SERIALS
};

/* Before the launcher is made: keep what the document names. 0 or -ENOMEM. */
int hvm_files_prepare(const struct domain_options *o, const struct hvm_spec *s,
                      struct err *err) MUST_CHECK;

/* One of them, open: the kernel and the ramdisk to be read, the others to be appended to. The
 * caller's; or -errno, -ENOENT also if the document names none. Any thread. */
int hvm_files_open(unsigned int file) MUST_CHECK;

/* One of the launcher's services: the number is all that it takes from the request. */
launcher_service hvm_files_service;
