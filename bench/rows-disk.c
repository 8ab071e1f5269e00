/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rows-disk.c - rows about a disk: the file or device that BENCH_DISK names, past the page cache
 * of this machine (O_DIRECT), with several operations under way (Linux AIO).
 *
 * Natively the disk is a file, in a guest the device whose image that file is. Whatever is in it
 * is lost.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "row.h"

#define AREA (256ull << 20)
#define BLOCK_LARGE (1u << 20)
#define BLOCK_SMALL 4096u
#define DEPTH_LARGE 4u
#define DEPTH_SMALL 32u
/* Operations that count as one: so many that the depth is reached, and a flush does not decide. */
#define TURN_LARGE 8u
#define TURN_SMALL 256u

static int disk = -1;
static aio_context_t context;
static char *buffers; /* DEPTH_LARGE large or DEPTH_SMALL small ones */
static struct iocb blocks[DEPTH_SMALL];
static uint64_t position; /* next block: sequential, or the state of the random order */

static int setup_disk(void)
{
    const char *path = getenv("BENCH_DISK");
    int rc;

    if (!path)
        return -ENOTSUP;
    disk = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    if (disk < 0)
        return row_errno();
    buffers = row_map((size_t)DEPTH_LARGE * BLOCK_LARGE);
    if (!buffers || syscall(SYS_io_setup, DEPTH_SMALL, &context)) {
        rc = row_errno();
        close(disk);
        return rc;
    }
    memset(buffers, 'x', (size_t)DEPTH_LARGE * BLOCK_LARGE);
    position = 1;
    return 0;
}

static void done_disk(void)
{
    syscall(SYS_io_destroy, context);
    context = 0;
    close(disk);
}

static uint64_t next_block(uint32_t size)
{
    uint64_t count = AREA / size;

    if (size == BLOCK_LARGE)
        return position++ % count;
    /* Knuth's generator of 64 bits; its upper half is the random one. */
    position = position * 6364136223846793005ull + 1442695040888963407ull;
    return (position >> 33) % count;
}

static int start(struct iocb *block, uint16_t op, uint32_t size)
{
    size_t slot = (size_t)(block - blocks);

    *block = (struct iocb){
        .aio_lio_opcode = op,
        .aio_fildes = (uint32_t)disk,
        .aio_buf = (uint64_t)(uintptr_t)(buffers + slot * size),
        .aio_nbytes = size,
        .aio_offset = (int64_t)(next_block(size) * size),
        .aio_data = slot,
    };
    return syscall(SYS_io_submit, context, 1L, &block) == 1 ? 0 : row_errno();
}

/* n operations, `depth` of them under way; each that ends starts the next. */
static int run_io(uint64_t n, uint16_t op, uint32_t size, unsigned depth)
{
    uint64_t started = 0, ended = 0;
    int rc = 0;

    for (; started < n && started < depth && !rc; started++)
        rc = start(&blocks[started], op, size);
    while (ended < n && !rc) {
        struct io_event events[DEPTH_SMALL];
        long got = syscall(SYS_io_getevents, context, 1L, (long)depth, events, NULL);

        if (got < 0)
            return row_errno();
        for (long i = 0; i < got && !rc; i++, ended++) {
            if (events[i].res != (int64_t)size)
                rc = events[i].res < 0 ? (int)events[i].res : -EIO;
            else if (started < n && !(rc = start(&blocks[events[i].data], op, size)))
                started++;
        }
    }
    return rc;
}

static int run_seq_read(uint64_t n)
{
    return run_io(n * TURN_LARGE, IOCB_CMD_PREAD, BLOCK_LARGE, DEPTH_LARGE);
}

/* What was written counts when it is on the disk. */
static int run_seq_write(uint64_t n)
{
    int rc = run_io(n * TURN_LARGE, IOCB_CMD_PWRITE, BLOCK_LARGE, DEPTH_LARGE);

    return rc ? rc : fdatasync(disk) ? row_errno() : 0;
}

static int run_random_read(uint64_t n)
{
    return run_io(n * TURN_SMALL, IOCB_CMD_PREAD, BLOCK_SMALL, DEPTH_SMALL);
}

static int run_random_write(uint64_t n)
{
    int rc = run_io(n * TURN_SMALL, IOCB_CMD_PWRITE, BLOCK_SMALL, DEPTH_SMALL);

    return rc ? rc : fdatasync(disk) ? row_errno() : 0;
}

const struct row disk_rows[] = {
    {"disk-read", "MiB", TURN_LARGE, setup_disk, run_seq_read, done_disk},
    {"disk-write", "MiB", TURN_LARGE, setup_disk, run_seq_write, done_disk},
    {"disk-random-read", "4 KiB", TURN_SMALL, setup_disk, run_random_read, done_disk},
    {"disk-random-write", "4 KiB", TURN_SMALL, setup_disk, run_random_write, done_disk},
    {0},
};
