/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * args_devices.h - internal to args.c: the part of the command line that is drives and network
 * cards, with their places in the boot order.
 */
#pragma once

#include "hvm/args.h"

void hvm_args_add_drives(struct words *w, const struct hvm_spec *s, const struct hvm_machine *m);
void hvm_args_add_nics(struct words *w, const struct hvm_spec *s, const struct hvm_machine *m);
