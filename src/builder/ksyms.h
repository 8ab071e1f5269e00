/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ksyms.h - names for guest kernel addresses, for logs and debuggers. Built from a System.map
 * beside the kernel or, as distributions no longer ship those, from the symbol table that
 * Linux carries for its own messages (kallsyms.h). Immutable once built: lookups may come from
 * any thread.
 */
#pragma once

#include "base/types.h"
#include "builder/elf_image.h"

struct ksyms;

/* Symbols of the kernel file `path`, whose version string is `version` ("6.1.0-18-amd64 ...",
 * may be "") and whose image is `elf`. New, or NULL if there are none: never an error. */
struct ksyms *ksyms_find(const char *path, const char *version, const struct elf_image *elf);

/* From a file in System.map format ("ffffffff81000000 T _text" lines). NULL if there is no
 * usable line. */
struct ksyms *ksyms_from_map(const char *path);

/* From the image alone. NULL if it has no symbol table that is understood. */
struct ksyms *ksyms_from_image(const struct elf_image *elf);

/* Name of the last symbol at or below `va` and the distance to it in *offset; NULL if va lies
 * below all symbols or more than 16 MiB behind the last. Owned by `k`. NULL for k is fine. */
const char *ksyms_lookup(const struct ksyms *k, gva_t va, uint64_t *offset);

size_t ksyms_count(const struct ksyms *k);
void ksyms_free(struct ksyms *k); /* NULL is fine */
