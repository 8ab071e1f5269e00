/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * spec.h - a fully virtualized machine as the domain's document has it ("hvm" in
 * docs/internals/domain-config.md), read and checked: what is in here can go into the device
 * model's command line.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/paths.h"
#include "base/types.h"

#define HVM_MAX_SERIALS 4
#define HVM_MAX_USB 8

enum hvm_serial { HVM_SERIAL_NONE, HVM_SERIAL_CONSOLE, HVM_SERIAL_FILE, HVM_SERIAL_TCP };

struct hvm_vnc {
    char listen[64];
    unsigned int display;
    bool unused;       /* the first free display from there on */
    char password[64]; /* "" = none */
};

struct hvm_spec {
    bool kvm;     /* the CPU: the host's, else an emulated one */
    char boot[8]; /* letters of a c d n */
    bool acpi, acpi_s3, acpi_s4, apic, pae, nx, nestedhvm, hpet, viridian, localtime, usb;
    int timer_mode;
    int64_t rtc_timeoffset; /* seconds */
    char vga[16], keymap[40];
    char soundhw[64];      /* cards with commas between */
    unsigned int videoram; /* MiB, 0 = the card's own */
    bool has_vnc;
    struct hvm_vnc vnc;
    enum hvm_serial serial[HVM_MAX_SERIALS];
    char serial_text[HVM_MAX_SERIALS][PATHS_MAX]; /* path, or tcp:... */
    unsigned int nr_serials;
    char usb_device[HVM_MAX_USB][16];
    unsigned int nr_usb;
    char floppy[2][PATHS_MAX]; /* images, "" = no drive */
};

/* Read an object. A machine of which nothing is said about serial ports has one, which is the
 * console. 0 or -EINVAL. */
int hvm_spec_parse(struct hvm_spec *s, const json_t *object, struct err *err) MUST_CHECK;
