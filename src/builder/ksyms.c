/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ksyms.c - see ksyms.h. One array sorted by address, names in one pool. Bounded, since the
 * input may come from a guest.
 */
#define _GNU_SOURCE
#include "builder/ksyms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hostfile.h"
#include "builder/kallsyms.h"

#define MAX_SYMBOLS (1u << 21)
#define MAX_POOL (128u << 20)
#define MAX_DISTANCE (16ull << 20)

struct symbol {
    gva_t va;
    uint32_t name; /* offset into pool */
};

struct ksyms {
    struct symbol *symbols;
    size_t nr, room;
    char *pool;
    size_t pool_used, pool_room;
};

/* Double a buffer so that it holds `need` items; false at the limit or without memory. */
static bool grow(void **buffer, size_t *room, size_t need, size_t item, size_t limit)
{
    size_t new_room = *room ? *room : 4096;
    void *p;

    if (need <= *room)
        return true;
    if (need > limit)
        return false;
    while (new_room < need)
        new_room *= 2;
    p = realloc(*buffer, new_room * item);
    if (!p)
        return false;
    *buffer = p;
    *room = new_room;
    return true;
}

/* A kallsyms_fn. False ends the walk. */
static bool add(void *opaque, gva_t va, const char *name)
{
    struct ksyms *k = opaque;
    size_t len = strlen(name) + 1;
    void *symbols = k->symbols, *pool = k->pool;
    bool ok = grow(&symbols, &k->room, k->nr + 1, sizeof(*k->symbols), MAX_SYMBOLS);

    k->symbols = symbols;
    ok = ok && grow(&pool, &k->pool_room, k->pool_used + len, 1, MAX_POOL);
    k->pool = pool;
    if (!ok)
        return false;
    k->symbols[k->nr++] = (struct symbol){va, (uint32_t)k->pool_used};
    memcpy(k->pool + k->pool_used, name, len);
    k->pool_used += len;
    return true;
}

/* By address, then in order of arrival, so that of several names the last one is found. */
static int compare(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;

    if (x->va != y->va)
        return x->va < y->va ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

static struct ksyms *finish(struct ksyms *k)
{
    if (!k || !k->nr) {
        ksyms_free(k);
        return NULL;
    }
    qsort(k->symbols, k->nr, sizeof(*k->symbols), compare);
    return k;
}

struct ksyms *ksyms_from_map(const char *path)
{
    struct ksyms *k = calloc(1, sizeof(*k));
    int fd = hostfile_open(path);
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
    char line[1024], name[512], type;
    unsigned long long va;

    while (k && f && fgets(line, sizeof(line), f)) {
        /* Debian's stand-in is one line at address ~0. */
        if (sscanf(line, "%llx %c %511s", &va, &type, name) == 3 && va != ~0ull &&
            !add(k, va, name))
            break;
    }
    if (f)
        fclose(f);
    else if (fd >= 0)
        close(fd);
    return finish(k);
}

struct ksyms *ksyms_from_image(const struct elf_image *elf)
{
    struct ksyms *k = calloc(1, sizeof(*k));

    if (k)
        kallsyms_walk(elf->data, elf->size, add, k);
    return finish(k);
}

struct ksyms *ksyms_find(const char *path, const char *version, const struct elf_image *elf)
{
    const char *slash = strrchr(path, '/');
    int dir = slash ? (int)(slash - path) + 1 : 0;
    int len = (int)strcspn(version, " /");
    struct ksyms *k = NULL;
    char map[4096];

    if (len && snprintf(map, sizeof(map), "%.*sSystem.map-%.*s", dir, path, len, version) <
                   (int)sizeof(map))
        k = ksyms_from_map(map);
    return k ? k : ksyms_from_image(elf);
}

const char *ksyms_lookup(const struct ksyms *k, gva_t va, uint64_t *offset)
{
    size_t low = 0, high = k ? k->nr : 0, middle;

    while (low < high) { /* first symbol above va */
        middle = low + (high - low) / 2;
        if (k->symbols[middle].va <= va)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low || va - k->symbols[low - 1].va > MAX_DISTANCE)
        return NULL;
    *offset = va - k->symbols[low - 1].va;
    return k->pool + k->symbols[low - 1].name;
}

size_t ksyms_count(const struct ksyms *k)
{
    return k ? k->nr : 0;
}

void ksyms_free(struct ksyms *k)
{
    if (!k)
        return;
    free(k->symbols);
    free(k->pool);
    free(k);
}
