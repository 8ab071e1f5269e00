/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * kallsyms.c - see kallsyms.h.
 *
 * The tables, as scripts/kallsyms.c of Linux writes them, each aligned to 8:
 *   up to 6.3: offsets, relative_base, num_syms, names, markers, token_table, token_index
 *   from 6.4:  num_syms, names, markers, token_table, token_index, offsets, relative_base
 * names: per symbol a length (one byte, or two with bit 7 of the first set: ULEB128) and that
 * many token numbers; the first character of the expansion is the symbol's type.
 * markers: byte offset into names of every 256th symbol. offsets: s32 per symbol; negative: va
 * is relative_base - 1 - offset, else the offset is the (per-CPU) address.
 * Digits are always tokens of their own, which gives the token table its signature.
 */
#define _GNU_SOURCE
#include "builder/kallsyms.h"

#include <string.h>

#define TOKENS 256u
#define NAME_MAX_LEN 512u
#define MAX_SYMS (1u << 21)
#define GROUP 256u

struct tables {
    const uint8_t *image;
    size_t size;
    size_t token_table;
    size_t token_index_end;
    uint32_t token[TOKENS]; /* image offset of each token's text */
    size_t markers;
    uint32_t nr_markers;
    size_t names;
    uint32_t nr_syms;
    size_t offsets;
    uint64_t relative_base;
};

static size_t align8(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

/* The reads below are preceded by range checks of the caller. */
static uint32_t u32_at(const struct tables *t, size_t at)
{
    uint32_t v;

    memcpy(&v, t->image + at, sizeof(v));
    return v;
}

/* Go back over `count` NUL-terminated, non-empty strings that end at `end`. 0 = impossible. */
static size_t strings_back(const struct tables *t, size_t end, unsigned int count)
{
    size_t at = end;

    while (count--) {
        if (at < 3 || t->image[at - 1] != 0 || t->image[at - 2] == 0)
            return 0;
        for (at--; at > 0 && t->image[at - 1] != 0; at--)
            ;
    }
    return at;
}

/* Walk the 256 strings and compare with the index that follows them. */
static bool check_tokens(struct tables *t, size_t table)
{
    size_t at = table, index;
    unsigned int i;
    uint16_t v;

    for (i = 0; i < TOKENS; i++) {
        const uint8_t *end = at < t->size ? memchr(t->image + at, 0, t->size - at) : NULL;

        if (!end || at - table > UINT16_MAX)
            return false;
        t->token[i] = (uint32_t)at;
        at = (size_t)(end - t->image) + 1;
    }
    index = align8(at);
    if (index > t->size || t->size - index < TOKENS * sizeof(v))
        return false;
    for (i = 0; i < TOKENS; i++) {
        memcpy(&v, t->image + index + i * sizeof(v), sizeof(v));
        if (v != t->token[i] - table)
            return false;
    }
    t->token_table = table;
    t->token_index_end = index + TOKENS * sizeof(v);
    return true;
}

static bool find_tokens(struct tables *t)
{
    static const char digits[20] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009";
    const uint8_t *end = t->image + t->size, *p = t->image;
    size_t table;

    if (t->size > UINT32_MAX)
        return false;
    while ((p = memmem(p, (size_t)(end - p), digits, sizeof(digits)))) {
        table = strings_back(t, (size_t)(p - t->image), '0');
        if (table && check_tokens(t, table))
            return true;
        p++;
    }
    return false;
}

/* The markers lie right before `end`: ascending from 0, at most one word of padding. */
static bool find_markers(struct tables *t, size_t end)
{
    size_t at = end & ~(size_t)3;
    uint32_t above = UINT32_MAX, v;

    if (at >= 8 && u32_at(t, at - 4) == 0)
        at -= 4;
    for (t->nr_markers = 0; at >= 4 && t->nr_markers <= MAX_SYMS / GROUP; at -= 4) {
        v = u32_at(t, at - 4);
        if (v >= above)
            return false;
        above = v;
        t->nr_markers++;
        if (v == 0) {
            t->markers = at - 4;
            return true;
        }
    }
    return false;
}

/* Length of the name at *at, which moves to its first token. 0 = out of the image. */
static uint32_t name_length(const struct tables *t, size_t *at)
{
    uint32_t len;

    if (t->size - *at < 2)
        return 0;
    len = t->image[(*at)++];
    if (len & 0x80)
        len = (len & 0x7f) | (uint32_t)t->image[(*at)++] << 7;
    return len <= t->size - *at ? len : 0;
}

/* Do nr_syms names from `names` on agree with all markers and end at the markers? */
static bool check_names(const struct tables *t, size_t names, uint32_t nr_syms)
{
    size_t at = names;
    uint32_t i, len;

    for (i = 0; i < nr_syms; i++) {
        if (i % GROUP == 0 && u32_at(t, t->markers + 4 * (i / GROUP)) != at - names)
            return false;
        len = at < t->markers ? name_length(t, &at) : 0;
        if (!len)
            return false;
        at += len;
    }
    return at <= t->markers && t->markers - at < 8;
}

/* num_syms is 8 bytes before names, which start about marker[last] before the markers. */
static bool find_names(struct tables *t)
{
    uint32_t last = u32_at(t, t->markers + 4 * (t->nr_markers - 1));
    uint32_t low = (t->nr_markers - 1) * GROUP, n;
    size_t at, tries;

    if (last > t->markers)
        return false;
    at = (t->markers - last) & ~(size_t)7;
    for (tries = 0; at >= 16 && tries < GROUP * NAME_MAX_LEN / 8; tries++, at -= 8) {
        n = u32_at(t, at - 8);
        if (n > low && n <= low + GROUP && u32_at(t, at - 4) == 0 && check_names(t, at, n)) {
            t->names = at;
            t->nr_syms = n;
            return true;
        }
    }
    return false;
}

static bool take_offsets(struct tables *t, size_t offsets, size_t base)
{
    if (offsets > t->size || base > t->size || t->size - base < 8)
        return false;
    memcpy(&t->relative_base, t->image + base, 8);
    t->offsets = offsets;
    return t->relative_base >= 0xffffffff80000000ull && t->relative_base % 4096 == 0;
}

static bool find_offsets(struct tables *t)
{
    size_t bytes = align8((size_t)t->nr_syms * 4);
    size_t after = align8(t->token_index_end);
    size_t num_syms = t->names - 8;

    if (num_syms >= 8 + bytes && take_offsets(t, num_syms - 8 - bytes, num_syms - 8))
        return true;
    return take_offsets(t, after, after + bytes);
}

/* Expand a name without its type character; false if it is not printable text. */
static bool expand(const struct tables *t, char name[NAME_MAX_LEN], size_t at, uint32_t len)
{
    unsigned int used = 0;
    bool type = true;
    uint32_t i;

    for (i = 0; i < len; i++) {
        const uint8_t *token = t->image + t->token[t->image[at + i]];

        for (; *token; token++) {
            if (*token <= ' ' || *token >= 0x7f || used + 1 >= NAME_MAX_LEN)
                return false;
            if (!type)
                name[used++] = (char)*token;
            type = false;
        }
    }
    name[used] = 0;
    return used > 0;
}

static gva_t address(const struct tables *t, uint32_t i)
{
    int32_t offset = (int32_t)u32_at(t, t->offsets + 4 * (size_t)i);

    return offset >= 0 ? (gva_t)offset : t->relative_base - 1 - (uint64_t)(int64_t)offset;
}

size_t kallsyms_walk(const uint8_t *image, size_t size, kallsyms_fn *report, void *opaque)
{
    struct tables t = {.image = image, .size = size};
    char name[NAME_MAX_LEN];
    size_t at, done = 0;
    uint32_t i, len;

    if (!find_tokens(&t) || !find_markers(&t, t.token_table) || !find_names(&t) ||
        !find_offsets(&t))
        return 0;
    for (at = t.names, i = 0; i < t.nr_syms; i++, at += len) {
        len = name_length(&t, &at);
        if (!expand(&t, name, at, len))
            continue;
        if (!report(opaque, address(&t, i), name))
            break;
        done++;
    }
    return done;
}
