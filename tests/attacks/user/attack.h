/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * attack.h - a hostile program for a guest with a real kernel. Each attack runs in a process of
 * its own; what may become of that one is said here, what must not happen to others is main.c's
 * business.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the engine keeps its stub in every program (src/engine/soft/stub/stub_layout.h). */
#include "engine/soft/stub/stub_layout.h"

enum expect {
    HOLDS, /* the process ends with status 0: what it tried was refused, or had no effect */
    DIES,  /* it ends by a signal */
    SPINS, /* it goes on until it is killed */
    ANY,   /* whatever: only others count */
};

struct attack {
    const char *name;
    int (*run)(void); /* exit status */
    enum expect expect;
};

extern const struct attack stub_attacks[], entry_attacks[], state_attacks[], code_attacks[],
    translated_attacks[];

/* Run f(arg) and say which signal stopped it, 0 if none did. It may leave the registers and the
 * stack as it likes. */
int signal_of(void (*f)(void *arg), void *arg);

/* Say why this attack is not what it should be; for `return`. */
int broken(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A new page with this code, of any rights. */
uint8_t *code_page(const void *code, size_t size, int prot);
/* The same below 4 GiB. */
uint8_t *low_code_page(const void *code, size_t size, int prot);
/* Code between two labels. */
#define CODE(name) name##_start, (size_t)(name##_end - name##_start)
#define DEFINE_CODE(name, text)                                                                    \
    extern const char name##_start[], name##_end[];                                                \
    __asm__(".section .rodata\n" #name "_start:\n" text "\n" #name "_end:\n.text\n")
