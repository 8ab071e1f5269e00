/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pv_load.c - see pv_load.h.
 */
#define _GNU_SOURCE
#include "builder/pv_load.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hostfile.h"
#include "builder/pv_pages.h"

#define MAX_LOADS 256 /* Linux has 4 */
#define ADDRESS_LIMIT (1ull << 46)

struct extent {
    uint64_t start, end;
};

/* The place of one PT_LOAD segment, checked. */
static int segment_extent(struct extent *extent, const struct elf_image *elf,
                          const Elf64_Phdr *segment, uint64_t paddr_offset, struct err *err)
{
    uint64_t pa = segment->p_paddr - paddr_offset;

    if (segment->p_filesz > segment->p_memsz)
        return err_set(err, ENOEXEC,
                       "damaged: a segment has more bytes in the file (0x%llx) than "
                       "in memory (0x%llx)",
                       (unsigned long long)segment->p_filesz, (unsigned long long)segment->p_memsz);
    if (!elf_image_range(elf, segment->p_offset, segment->p_filesz))
        return err_set(err, ENOEXEC,
                       "truncated: a segment's bytes 0x%llx to 0x%llx lie behind the end of the "
                       "file (0x%zx)",
                       (unsigned long long)segment->p_offset,
                       (unsigned long long)(segment->p_offset + segment->p_filesz), elf->size);
    if (segment->p_paddr < paddr_offset || pa >= ADDRESS_LIMIT ||
        segment->p_memsz > ADDRESS_LIMIT - pa)
        return err_set(err, ENOEXEC,
                       "damaged: segment of 0x%llx bytes at physical address 0x%llx is outside "
                       "of the domain's memory (PADDR_OFFSET 0x%llx)",
                       (unsigned long long)segment->p_memsz, (unsigned long long)segment->p_paddr,
                       (unsigned long long)paddr_offset);
    *extent = (struct extent){pa, pa + segment->p_memsz};
    return 0;
}

/* Insert into the list sorted by start; -ENOEXEC on overlap. */
static int insert_extent(struct extent *list, unsigned int n, struct extent new, struct err *err)
{
    unsigned int i = n;

    while (i > 0 && list[i - 1].start > new.start)
        i--;
    if ((i > 0 && list[i - 1].end > new.start) || (i < n && list[i].start < new.end))
        return err_set(err, ENOEXEC,
                       "damaged: the segment at physical address 0x%llx overlaps "
                       "another one",
                       (unsigned long long)new.start);
    memmove(list + i + 1, list + i, (n - i) * sizeof(*list));
    list[i] = new;
    return 0;
}

int pv_load_extent(uint64_t *start, uint64_t *end, const struct elf_image *elf,
                   uint64_t paddr_offset, struct err *err)
{
    struct extent list[MAX_LOADS], extent = {0};
    unsigned int n = 0, i;
    int rc;

    for (i = 0; i < elf->nr_segments; i++) {
        Elf64_Phdr segment = elf_image_segment(elf, i);

        if (segment.p_type != PT_LOAD || !segment.p_memsz)
            continue;
        if (n == MAX_LOADS)
            return err_set(err, ENOEXEC, "more than %u loadable segments", MAX_LOADS);
        rc = segment_extent(&extent, elf, &segment, paddr_offset, err);
        if (!rc)
            rc = insert_extent(list, n, extent, err);
        if (rc)
            return rc;
        n++;
    }
    if (!n)
        return err_set(err, ENOEXEC, "the ELF file has no loadable segment");
    *start = list[0].start;
    *end = list[n - 1].end;
    return 0;
}

/* Copy, but leave pages alone that would stay zero: the .bss that Linux has in its file as
 * zeros is a fifth of it, and untouched guest memory costs nothing. */
static void copy_sparse(uint8_t *to, const uint8_t *from, uint64_t size)
{
    static const uint8_t zeros[PAGE_SIZE];
    uint64_t n;

    for (; size; size -= n, to += n, from += n) {
        n = PAGE_SIZE - ((uintptr_t)to & (PAGE_SIZE - 1));
        if (n > size)
            n = size;
        if (memcmp(from, zeros, n) != 0)
            memcpy(to, from, n);
    }
}

void pv_load_kernel(struct ram *ram, const struct elf_image *elf, uint64_t paddr_offset)
{
    unsigned int i;

    for (i = 0; i < elf->nr_segments; i++) {
        Elf64_Phdr segment = elf_image_segment(elf, i);

        if (segment.p_type == PT_LOAD && segment.p_filesz)
            copy_sparse((uint8_t *)pv_page(ram, 0) + (segment.p_paddr - paddr_offset),
                        elf->data + segment.p_offset, segment.p_filesz);
    }
}

int pv_load_initrd_open(struct initrd *initrd, const char *path, struct err *err)
{
    struct stat st;
    int rc = 0;

    *initrd = (struct initrd){.path = path, .fd = -1};
    if (!path)
        return 0;
    initrd->fd = hostfile_open(path);
    if (initrd->fd == -ENOENT)
        return err_set(err, ENOENT, "ramdisk image does not exist: %s", path);
    if (initrd->fd == -EISDIR)
        return err_set(err, EINVAL, "ramdisk image %s is not a regular file", path);
    if (initrd->fd < 0)
        return err_set(err, -initrd->fd, "cannot open ramdisk image %s: %s", path,
                       strerror(-initrd->fd));
    if (fstat(initrd->fd, &st) != 0)
        rc = err_set(err, errno, "cannot examine ramdisk image %s: %s", path, strerror(errno));
    else if (st.st_size == 0)
        rc = err_set(err, EINVAL, "ramdisk image %s is empty", path);
    if (rc) {
        pv_load_initrd_done(initrd);
        return rc;
    }
    initrd->size = (uint64_t)st.st_size;
    return 0;
}

int pv_load_initrd_read(struct ram *ram, pfn_t pfn, const struct initrd *initrd, struct err *err)
{
    uint8_t *to = pv_page(ram, pfn);
    uint64_t done = 0;
    ssize_t n;

    while (done < initrd->size) {
        n = pread(initrd->fd, to + done, initrd->size - done, (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, errno, "cannot read ramdisk image %s: %s", initrd->path,
                           strerror(errno));
        if (n == 0)
            return err_set(err, EIO, "ramdisk image %s shrank while it was read", initrd->path);
        done += (uint64_t)n;
    }
    return 0;
}

void pv_load_initrd_done(struct initrd *initrd)
{
    if (initrd->fd >= 0)
        close(initrd->fd);
    initrd->fd = -1;
}
