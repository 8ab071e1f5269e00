/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * types.h - the few scalar types that the whole project shares. Freestanding:
 * may be included by the blobs that run without a C library.
 *
 * mfn_t: frame number as the guest's page tables hold it. pfn_t: the guest's own
 * dense numbering. They are equal at start and must never be assumed equal later.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t mfn_t;
typedef uint64_t pfn_t;
typedef uint64_t gva_t;   /* guest virtual (linear) address */
typedef uint64_t maddr_t; /* machine address: mfn << 12 | offset */
typedef uint32_t port_t;  /* event channel port */
typedef uint16_t domid_t;

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ul
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define INVALID_MFN (~0ull)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_FMT(f, a) __attribute__((format(printf, f, a)))
