/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * kallsyms.c - see kallsyms.h.
 *
 * The tables, as scripts/kallsyms.c of Linux writes them, each aligned to 8:
 *   up to 6.3: offsets, relative_base, num_syms, names, markers, [seqs_of_names], token_table,
 *              token_index
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
#define MIN_SYMS 64u
#define GROUP 256u
#define MAX_NAMES (64u << 20) /* bytes from names to token_table */
#define SEARCH_BUDGET (64u << 20)

struct tables {
    const uint8_t *image;
    size_t size;
    size_t token_table;
    size_t token_index_end;
    uint32_t token[TOKENS]; /* image offset of each token's text */
    size_t markers;
    size_t names;
    uint32_t nr_syms;
    size_t offsets;
    uint64_t relative_base;
    uint32_t budget; /* names that may still be skipped while searching */
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
            if (end - at > UINT16_MAX)
                return 0;
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
        size_t left = at < t->size ? t->size - at : 0;
        const uint8_t *end =
            left ? memchr(t->image + at, 0, left < UINT16_MAX ? left : UINT16_MAX) : NULL;

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

/* Where n names that start at `names` end. 0 = they leave the space before the tokens. */
static size_t skip_names(struct tables *t, size_t names, uint32_t n)
{
    size_t at = names;
    uint32_t len;

    while (n--) {
        if (at >= t->token_table || !t->budget)
            return 0;
        t->budget--;
        len = name_length(t, &at);
        if (!len)
            return 0;
        at += len;
    }
    return at;
}

/* Do the markers at t->markers, which is n / 256 words before the tokens, fit the names? */
static bool check_markers(struct tables *t, size_t names, uint32_t n)
{
    size_t at = names;
    uint32_t i;

    for (i = 0; i < n; i += GROUP) {
        if (u32_at(t, t->markers + 4 * (i / GROUP)) != at - names)
            return false;
        at = skip_names(t, at, n - i < GROUP ? n - i : GROUP);
        if (!at)
            return false;
    }
    return true;
}

/* Is there a table of n names at `names`? It has to end, with its markers and possibly the
 * 3-byte sequence numbers, exactly at the token table. */
static bool try_names(struct tables *t, size_t names, uint32_t n)
{
    size_t end = skip_names(t, names, n);
    size_t markers_end;

    if (!end)
        return false;
    t->markers = align8(end);
    markers_end = align8(t->markers + 4 * (((size_t)n + GROUP - 1) / GROUP));
    if (markers_end != t->token_table && align8(markers_end + 3 * (size_t)n) != t->token_table)
        return false;
    return check_markers(t, names, n);
}

/* num_syms is the u32, padded to 8 bytes, before names. */
static bool find_names(struct tables *t)
{
    size_t lowest = t->token_table > MAX_NAMES ? t->token_table - MAX_NAMES : 8;
    size_t at;
    uint32_t n;

    for (at = t->token_table & ~(size_t)7; at >= lowest && at >= 8; at -= 8) {
        n = u32_at(t, at - 8);
        if (n >= MIN_SYMS && n <= MAX_SYMS && u32_at(t, at - 4) == 0 &&
            t->token_table - at >= 2 * (size_t)n && try_names(t, at, n)) {
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
    struct tables t = {.image = image, .size = size, .budget = SEARCH_BUDGET};
    char name[NAME_MAX_LEN];
    size_t at, done = 0;
    uint32_t i, len;

    if (!find_tokens(&t) || !find_names(&t) || !find_offsets(&t))
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
