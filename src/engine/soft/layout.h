/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * layout.h - the address plan of the software engine: vCPU process V, stub process S, and
 * the descriptors each is started with. The one place that defines it;
 * docs/internals/address-space.md explains it. Included by assembly and linker scripts.
 *
 * V: guest kernel address g (upper half) is at host address g + KERNEL_OFFSET. The upper
 * half from 0xffff880000000000 lands on [0, 0x77ffffffffff]; [0x780000000000, top) stays
 * unmapped, so that guest-user pointers used by kernel code fault, unless the kernel itself runs
 * code in the user half.
 */
#pragma once

#define KERNEL_OFFSET 0x0000780000000000

/* clang-format off */
/* V's own things, all below guest 0xffff888000000000 (= host 0x8000000000). */
#define V_TEXT          0x10000000   /* blob: text, rodata, data, bss (with stacks) */
#define V_RUN           0x1e000000   /* struct run, shared with D */
#define V_SHARED        0x1e100000   /* struct dom_shared, shared with D and the other V */
#define V_STUBS         0x1f000000   /* Q/R/X pages of the stubs, STUB_SLOT_SIZE each */
#define V_CACHE         0x20000000   /* code cache */
#define V_CACHE_SIZE    0x08000000
#define V_DISPATCH      0x40000000   /* u32 per guest pc (low 32 bits), sparse */
#define V_DISPATCH_HIGH 0x240000000  /* where the entry of pc 0xffffffff80000000 is */
#define V_DISPATCH_SIZE 0x200000000
#define V_META          0x500000000  /* translator records, vTLB tables, frame flags */
#define V_META_SIZE     0x80000000
#define V_M2P           0x600000000  /* machine-to-phys table, readable at M2P_GUEST; read-only */
#define V_M2P_WRITE     0x700000000  /* the same, writable, and the bitmap of allocated frames */
#define V_FRAMES        0x800000000  /* what the vCPUs know together of each frame */
#define V_RAM           0x1000000000 /* linear map of the whole RAM memfd */
#define V_RAM_MAX       0x7000000000
/* clang-format on */

#define M2P_GUEST 0xffff880600000000  /* V_M2P - KERNEL_OFFSET */
#define M2P_XEN_VA 0xffff800000000000 /* where guests that do not ask expect it */

/* V has one argument, its name; another one if the host takes 32-bit system calls, and one more if
 * programs may have an LDT there. */
#define V_ARGC_PLAIN 1

/* Descriptors V is started with. */
#define V_FD_RAM 3
#define V_FD_M2P 4
#define V_FD_SHARED 5
#define V_FD_RUN 6
#define V_FD_ZYGOTE 7 /* socket to the zygote */
#define V_FD_LOG 8    /* the domain's log, append only */
#define V_FD_PEERS 9  /* pidfds of vCPU 0, 1, ... where the domain has several */
