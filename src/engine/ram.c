/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ram.c - the domain's memory: creation, frame allocation, and copies through the guest's
 * page tables.
 *
 * Both memfds are sealed against resizing, so that no holder of the descriptor can turn an
 * access of this process into SIGBUS. A frame that is not allocated has no memory behind it (a
 * hole reads as zero), unless a guest goes on writing to what it has given back: so holes are
 * made on both ways.
 */
#define _GNU_SOURCE
#include "engine/ram.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"

#define BITS_PER_WORD 64u

/* Page-table entry bits that matter to a walk. */
#define ENTRY_P 1ull
#define ENTRY_RW 2ull
#define ENTRY_A 0x20ull
#define ENTRY_D 0x40ull
#define ENTRY_PS 0x80ull
#define ENTRY_FRAME(e) ((0x000ffffffffff000ull & (e)) >> PAGE_SHIFT)

/* No guest may be larger: keeps every product of frame counts far from overflow. */
#define MAX_FRAMES (1ull << 36)

/* A sealed memfd of `size` bytes, mapped read-write. NULL, with errno set, on failure. */
static void *map_memfd(const char *name, uint64_t size, int *ret_fd)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *map;
    int code;

    if (fd < 0)
        return NULL;
    if (ftruncate(fd, (off_t)size) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        goto fail;
    map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (map == MAP_FAILED)
        goto fail;
    (void)madvise(map, size, MADV_DONTDUMP);
    *ret_fd = fd;
    return map;

fail:
    code = errno;
    close(fd);
    errno = code;
    return NULL;
}

/* Write identity and invalid entries in large pieces: pwrite fills the pages of the file
 * without a fault for each. */
static int fill_m2p(int fd, uint64_t nr_pages, uint64_t nr_frames)
{
    uint64_t buf[8192];

    for (uint64_t first = 0; first < nr_frames; first += ARRAY_SIZE(buf)) {
        uint64_t count = nr_frames - first;
        ssize_t n;

        if (count > ARRAY_SIZE(buf))
            count = ARRAY_SIZE(buf);
        for (uint64_t i = 0; i < count; i++)
            buf[i] = first + i < nr_pages ? first + i : INVALID_MFN;
        n = pwrite(fd, buf, count * sizeof(buf[0]), (off_t)(first * sizeof(buf[0])));
        if (n != (ssize_t)(count * sizeof(buf[0])))
            return n < 0 ? -errno : -ENOSPC;
    }
    return 0;
}

/* Words of the allocation bitmap. */
static uint64_t bitmap_words(const struct ram *ram)
{
    return (ram->max_pages + BITS_PER_WORD - 1) / BITS_PER_WORD;
}

static void set_allocated(struct ram *ram, mfn_t mfn, bool allocated)
{
    uint64_t *word = &ram->allocated[mfn / BITS_PER_WORD];
    uint64_t bit = 1ull << (mfn % BITS_PER_WORD);

    *word = allocated ? *word | bit : *word & ~bit;
    __atomic_store_n(&ram->allocated_copy[mfn / BITS_PER_WORD], *word, __ATOMIC_RELAXED);
    if (allocated)
        ram->nr_allocated++;
    else
        ram->nr_allocated--;
}

static uint64_t ram_bytes(const struct ram *ram)
{
    return (ram->nr_frames + RAM_PATCH_FRAMES) << PAGE_SHIFT;
}

static uint64_t m2p_bytes(const struct ram *ram)
{
    return ram_bitmap_offset(ram->nr_frames) + bitmap_words(ram) * sizeof(ram->allocated[0]);
}

static void set_frame_numbers(struct ram *ram, uint64_t nr_pages, uint64_t max_pages)
{
    ram->nr_pages = nr_pages;
    ram->max_pages = ram->limit = max_pages;
    ram->shared_info = max_pages;
    ram->grant_first = ram->shared_info + 1;
    ram->status_first = ram->grant_first + RAM_GRANT_FRAMES;
    ram->nr_frames = ram->status_first + RAM_STATUS_FRAMES;
    ram->patch_first = ram->nr_frames;
}

int ram_init(struct ram *ram, uint64_t nr_pages, uint64_t max_pages, struct err *err)
{
    int rc;

    *ram = (struct ram){.fd = -1, .m2p_fd = -1};
    if (!nr_pages || nr_pages > max_pages || max_pages > MAX_FRAMES)
        return err_set(err, EINVAL, "memory: %llu pages of at most %llu cannot be",
                       (unsigned long long)nr_pages, (unsigned long long)max_pages);
    set_frame_numbers(ram, nr_pages, max_pages);

    ram->base = map_memfd("guest-ram", ram_bytes(ram), &ram->fd);
    if (ram->base)
        ram->m2p = map_memfd("guest-m2p", m2p_bytes(ram), &ram->m2p_fd);
    if (!ram->base || !ram->m2p) {
        rc = -errno;
        goto fail;
    }
    rc = fill_m2p(ram->m2p_fd, nr_pages, ram->nr_frames);
    if (rc < 0)
        goto fail;

    ram->allocated_copy = (uint64_t *)((uint8_t *)ram->m2p + ram_bitmap_offset(ram->nr_frames));
    ram->allocated = calloc(bitmap_words(ram), sizeof(ram->allocated[0]));
    if (!ram->allocated) {
        rc = -ENOMEM;
        goto fail;
    }
    memset(ram->allocated, 0xff, nr_pages / 8);
    for (mfn_t mfn = nr_pages & ~7ull; mfn < nr_pages; mfn++)
        ram->allocated[mfn / BITS_PER_WORD] |= 1ull << (mfn % BITS_PER_WORD);
    memcpy(ram->allocated_copy, ram->allocated, bitmap_words(ram) * sizeof(ram->allocated[0]));
    ram->nr_allocated = nr_pages;
    ram->first_free = nr_pages;
    return 0;

fail:
    ram_done(ram);
    return err_set(err, -rc, "memory: cannot make %llu MiB of guest memory: %s",
                   (unsigned long long)(max_pages >> (20 - PAGE_SHIFT)), strerror(-rc));
}

void ram_done(struct ram *ram)
{
    if (ram->base) {
        munmap(ram->base, ram_bytes(ram));
        close(ram->fd);
    }
    if (ram->m2p) {
        munmap(ram->m2p, m2p_bytes(ram));
        close(ram->m2p_fd);
    }
    free(ram->allocated);
    *ram = (struct ram){.fd = -1, .m2p_fd = -1};
}

bool ram_is_allocated(const struct ram *ram, mfn_t mfn)
{
    return mfn < ram->max_pages &&
           (ram->allocated[mfn / BITS_PER_WORD] >> (mfn % BITS_PER_WORD) & 1);
}

void *ram_frame(const struct ram *ram, mfn_t mfn)
{
    if (mfn >= ram->nr_frames)
        return NULL;
    if (mfn < ram->max_pages && !ram_is_allocated(ram, mfn))
        return NULL;
    return ram->base + (mfn << PAGE_SHIFT);
}

void ram_written(const struct ram *ram, mfn_t mfn)
{
    if (ram->engine && mfn < ram->nr_frames)
        engine_frame_written(ram->engine, mfn);
}

/* Frames that have no memory, and read as zero. All processes lose their mappings of them. */
static void make_hole(const struct ram *ram, mfn_t first, uint64_t count)
{
    const off_t where = (off_t)(first << PAGE_SHIFT), size = (off_t)(count << PAGE_SHIFT);

    if (fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, where, size) < 0)
        memset(ram->base + where, 0, (size_t)size);
    for (mfn_t mfn = first; mfn < first + count; mfn++)
        ram_written(ram, mfn);
}

/* The first free frame, zeroed, or INVALID_MFN. */
static mfn_t take_first(struct ram *ram)
{
    uint64_t words = bitmap_words(ram);

    for (uint64_t i = ram->first_free / BITS_PER_WORD; i < words; i++) {
        mfn_t mfn;

        if (ram->allocated[i] == ~0ull)
            continue;
        mfn = i * BITS_PER_WORD + (unsigned int)__builtin_ctzll(~ram->allocated[i]);
        if (mfn >= ram->max_pages)
            break;
        make_hole(ram, mfn, 1);
        set_allocated(ram, mfn, true);
        ram->first_free = mfn + 1;
        return mfn;
    }
    return INVALID_MFN;
}

mfn_t ram_alloc(struct ram *ram)
{
    return ram->nr_allocated < ram->limit ? take_first(ram) : INVALID_MFN;
}

static bool range_is_free(const struct ram *ram, mfn_t first, uint64_t count)
{
    for (mfn_t mfn = first; mfn < first + count; mfn++) {
        if (ram_is_allocated(ram, mfn))
            return false;
    }
    return true;
}

mfn_t ram_alloc_order(struct ram *ram, unsigned int order)
{
    uint64_t count;

    if (!order)
        return ram_alloc(ram);
    if (order > 32)
        return INVALID_MFN;
    count = 1ull << order;
    if (ram->nr_allocated + count > ram->limit)
        return INVALID_MFN;
    for (mfn_t first = ram->first_free & ~(count - 1); first + count <= ram->max_pages;
         first += count) {
        if (!range_is_free(ram, first, count))
            continue;
        make_hole(ram, first, count);
        for (mfn_t mfn = first; mfn < first + count; mfn++)
            set_allocated(ram, mfn, true);
        return first;
    }
    return INVALID_MFN;
}

int ram_free(struct ram *ram, mfn_t mfn)
{
    if (!ram_is_allocated(ram, mfn))
        return -EINVAL;
    make_hole(ram, mfn, 1);
    set_allocated(ram, mfn, false);
    if (mfn < ram->first_free)
        ram->first_free = mfn;
    return 0;
}

mfn_t ram_exchange(struct ram *ram, mfn_t old)
{
    mfn_t new;

    if (!ram_is_allocated(ram, old))
        return INVALID_MFN;
    new = take_first(ram);
    (void)ram_free(ram, old);
    return new == INVALID_MFN ? take_first(ram) : new;
}

int ram_take_frames(struct ram *ram, uint64_t first, const uint64_t *words, uint64_t n)
{
    uint64_t all = bitmap_words(ram), beyond = ram->max_pages % BITS_PER_WORD;

    if (first > all || n > all - first)
        return -EINVAL;
    if (n > 0 && first + n == all && beyond && words[n - 1] >> beyond)
        return -EINVAL;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t *word = &ram->allocated[first + i];

        ram->nr_allocated -= (uint64_t)__builtin_popcountll(*word);
        ram->nr_allocated += (uint64_t)__builtin_popcountll(words[i]);
        *word = words[i];
    }
    memcpy(&ram->allocated_copy[first], words, n * sizeof(*words));
    ram->first_free = 0;
    return 0;
}

static bool is_canonical(gva_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

static uint64_t *table_slot(uint64_t *table, gva_t va, int level)
{
    return &table[va >> (PAGE_SHIFT + 9 * (level - 1)) & 511];
}

uint64_t *ram_l1_entry(const struct ram *ram, mfn_t cr3, gva_t va)
{
    uint64_t *table = is_canonical(va) ? ram_frame(ram, cr3) : NULL;

    for (int level = 4; table && level > 1; level--) {
        uint64_t entry = __atomic_load_n(table_slot(table, va, level), __ATOMIC_RELAXED);

        if (!(entry & ENTRY_P) || (entry & ENTRY_PS))
            return NULL;
        table = ram_frame(ram, ENTRY_FRAME(entry));
    }
    return table ? table_slot(table, va, 1) : NULL;
}

/* Host address of the byte that `va` names, NULL = fault. Sets accessed and dirty bits as
 * the processor would; an entry that changes meanwhile is left alone. */
static uint8_t *walk(const struct ram *ram, mfn_t cr3, gva_t va, bool write)
{
    mfn_t frame = cr3;
    uint8_t *page;

    if (!is_canonical(va))
        return NULL;
    for (int level = 4; level >= 1; level--) {
        uint64_t *table = ram_frame(ram, frame);
        uint64_t *slot, entry, bits = ENTRY_A;

        if (!table)
            return NULL;
        slot = table_slot(table, va, level);
        entry = __atomic_load_n(slot, __ATOMIC_RELAXED);
        if (!(entry & ENTRY_P) || (write && !(entry & ENTRY_RW)))
            return NULL;
        if (level > 1 && (entry & ENTRY_PS))
            return NULL;
        if (level == 1 && write)
            bits |= ENTRY_D;
        frame = ENTRY_FRAME(entry);
        if ((entry & bits) != bits)
            (void)__atomic_compare_exchange_n(slot, &(uint64_t){entry}, entry | bits, false,
                                              __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    page = ram_frame(ram, frame);
    return page ? page + (va & (PAGE_SIZE - 1)) : NULL;
}

static size_t bytes_to_page_end(gva_t va, size_t size)
{
    size_t n = PAGE_SIZE - (va & (PAGE_SIZE - 1));

    return n < size ? n : size;
}

int ram_copy_from_guest(const struct ram *ram, mfn_t cr3, void *to, gva_t from, size_t size)
{
    uint8_t *out = to;

    while (size) {
        size_t n = bytes_to_page_end(from, size);
        const uint8_t *p = walk(ram, cr3, from, false);

        if (!p)
            return -EFAULT;
        memcpy(out, p, n);
        out += n;
        from += n;
        size -= n;
    }
    return 0;
}

int ram_copy_to_guest(const struct ram *ram, mfn_t cr3, gva_t to, const void *from, size_t size)
{
    const uint8_t *in = from;

    while (size) {
        size_t n = bytes_to_page_end(to, size);
        uint8_t *p = walk(ram, cr3, to, true);

        if (!p)
            return -EFAULT;
        memcpy(p, in, n);
        ram_written(ram, (mfn_t)(p - ram->base) >> PAGE_SHIFT);
        in += n;
        to += n;
        size -= n;
    }
    return 0;
}
