/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * native.c - see native.h. The code: keep the caller's registers, load all of the test's from
 * the page behind, the instruction, store all, take the caller's back.
 */
#define _GNU_SOURCE
#include "native.h"

#include <string.h>
#include <sys/mman.h>

#define DATA 4096 /* where struct native_regs is in the buffer */
#define SAVED_RSP (DATA + 512)

static uint8_t *buffer, *at;
struct native_regs *native_regs;

int native_init(void)
{
    buffer =
        mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED)
        return -1;
    native_regs = (struct native_regs *)(buffer + DATA);
    return 0;
}

static void byte(unsigned int b)
{
    *at++ = (uint8_t)b;
}

/* opcode with a rip-relative operand at offset `data`; reg goes into ModRM */
static void with_data(unsigned int opcode, unsigned int reg, unsigned int data)
{
    int32_t disp;

    if (opcode == 0x8b || opcode == 0x89)
        byte(0x48 | (reg >> 3) << 2);
    byte(opcode);
    byte((reg & 7) << 3 | 5);
    disp = (int32_t)(data - (at + 4 - buffer));
    memcpy(at, &disp, 4);
    at += 4;
}

void (*native_build(const uint8_t *insn, unsigned int len))(void)
{
    static const uint8_t callee_saved[] = {0x53, 0x55, 0x41, 0x54, 0x41, 0x55,
                                           0x41, 0x56, 0x41, 0x57, 0x9c};
    static const uint8_t restore[] = {0x9d, 0x41, 0x5f, 0x41, 0x5e, 0x41,
                                      0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3};
    const unsigned int flags = DATA + offsetof(struct native_regs, rflags);

    at = buffer;
    memcpy(at, callee_saved, sizeof(callee_saved));
    at += sizeof(callee_saved);
    with_data(0x89, 4, SAVED_RSP);
    with_data(0xff, 6, flags); /* push */
    byte(0x9d);
    for (unsigned int i = 0; i < 16; i++)
        with_data(0x8b, i, DATA + i * 8);
    memcpy(at, insn, len);
    at += len;
    for (unsigned int i = 0; i < 16; i++)
        with_data(0x89, i, DATA + i * 8);
    with_data(0x8b, 4, SAVED_RSP);
    byte(0x9c);
    with_data(0x8f, 0, flags); /* pop */
    memcpy(at, restore, sizeof(restore));
    return (void (*)(void))buffer;
}
