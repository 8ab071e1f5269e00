/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * mapped.c - a guest's program that writes to a mapped file for ever, so that whoever writes the
 * file to the disk has to change page tables of an address space that is not his. Argument: the
 * file. What it reads must be what it wrote.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES 256
#define WORDS (4096 / 8)

int main(int argc, char **argv)
{
    int fd = argc == 2 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
    uint64_t *map;

    if (fd < 0 || ftruncate(fd, PAGES * 4096) < 0)
        return 1;
    map = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return 1;
    for (uint64_t n = 0;; n++) {
        for (unsigned int i = 0; i < PAGES; i++) {
            if (map[i * WORDS] != n) {
                printf("page %u: %lu instead of %lu\n", i, (unsigned long)map[i * WORDS],
                       (unsigned long)n);
                return 1;
            }
            map[i * WORDS] = n + 1;
        }
        usleep(1000);
    }
}
