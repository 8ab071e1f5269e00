/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-io.c - which way an operation takes: through the host's page cache or past it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "backend/block/disk.h"
#include "backend/block/io.h"

#define ALIGN 512u
#define LARGE (128u << 10)
#define SIZE (4u << 20)
#define MANY 16u

/* Two files stand for the two ways: what is found in one of them went that way. */
static struct {
    char path[2][24];
    struct blk_file file;
    struct blk_io *io;
    uint8_t *buffer; /* LARGE bytes and a page */
} t;

static int make_file(char *path)
{
    int fd;

    strcpy(path, "/tmp/test-io-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    /* A hole: nothing of it is in memory. */
    assert_int_equal(ftruncate(fd, SIZE), 0);
    return fd;
}

static int setup(void **state)
{
    t.file = (struct blk_file){make_file(t.path[0]), make_file(t.path[1]), ALIGN};
    t.buffer = aligned_alloc(PAGE_SIZE, LARGE + PAGE_SIZE);
    return t.buffer ? 0 : -1;
}

static int done(void **state)
{
    free(t.buffer);
    close(t.file.fd);
    close(t.file.direct_fd);
    return unlink(t.path[0]) | unlink(t.path[1]);
}

/* One operation on memory `skew` bytes behind a page's start; if `first` is less than `length` in
 * two buffers. Its result. */
static int run(enum blk_op_kind kind, size_t skew, uint64_t offset, uint64_t length, size_t first)
{
    struct iovec iov[2] = {{t.buffer + skew, first}, {t.buffer + skew + first, length - first}};
    struct blk_op op = {.kind = kind,
                        .iov = iov,
                        .nr_iov = first < length ? 2 : 1,
                        .offset = offset,
                        .length = length};

    blk_io_submit(t.io, &op);
    while (!blk_io_turn(t.io, true))
        ;
    return op.result;
}

static uint8_t byte_at(int fd, uint64_t offset)
{
    uint8_t byte = 0;

    assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
    return byte;
}

/* Did the write go past the cache? It went one way and not the other. */
static bool wrote_direct(size_t skew, uint64_t offset, uint64_t length, size_t first)
{
    static uint8_t mark;
    uint8_t cached, direct;

    memset(t.buffer, ++mark, LARGE + PAGE_SIZE);
    assert_int_equal(run(BLK_WRITE, skew, offset, length, first), 0);
    cached = byte_at(t.file.fd, offset + length - 1);
    direct = byte_at(t.file.direct_fd, offset + length - 1);
    assert_true((cached == mark) != (direct == mark));
    return direct == mark;
}

static void check_writes(void)
{
    assert_true(wrote_direct(0, 0, 4096, 4096));
    assert_true(wrote_direct(0, 8192, LARGE, LARGE));
    assert_true(wrote_direct(512, 1024, 1024, 512));
    /* A place, a length, memory, a border between buffers that is not aligned. */
    assert_false(wrote_direct(0, 100, 4096, 4096));
    assert_false(wrote_direct(0, 0, 700, 700));
    assert_false(wrote_direct(8, 0, 4096, 4096));
    assert_false(wrote_direct(0, 0, 4096, 8));
}

/* The first byte that a read finds at `offset`. */
static uint8_t found(uint64_t offset, uint64_t length)
{
    memset(t.buffer, 0, LARGE);
    assert_int_equal(run(BLK_READ, 0, offset, length, length), 0);
    return t.buffer[0];
}

/* Is there cachestat(2), Linux 6.5? */
static bool can_tell(void)
{
    uint64_t range[2] = {0, PAGE_SIZE}, pages[5];

    return syscall(451, t.file.fd, range, pages, 0) == 0;
}

static uint64_t pages_cached(void)
{
    uint64_t range[2] = {0, LARGE}, pages[5] = {0};

    assert_int_equal(syscall(451, t.file.fd, range, pages, 0), 0);
    return pages[0];
}

/* One page at a time: the host keeps those together that came together. */
static void fill_cache(void)
{
    static const uint8_t data[PAGE_SIZE];

    for (off_t at = 0; at < LARGE; at += PAGE_SIZE)
        assert_int_equal(pwrite(t.file.fd, data, PAGE_SIZE, at), PAGE_SIZE);
    assert_int_equal(fdatasync(t.file.fd), 0);
}

/* What the cache has of a place does not hold up a write past it. */
static void test_uring_forgets(void **state)
{
    struct err err = {0};

    if (!can_tell() || blk_io_create(&t.io, BLK_IO_URING, &t.file, &err) < 0)
        skip();
    fill_cache();
    assert_int_equal(posix_fadvise(t.file.fd, 0, LARGE, POSIX_FADV_DONTNEED), 0);
    if (pages_cached() == 0) { /* not so where files are memory */
        fill_cache();
        assert_int_equal(pages_cached(), LARGE / PAGE_SIZE);
        assert_int_equal(run(BLK_WRITE, 0, PAGE_SIZE + ALIGN, PAGE_SIZE, PAGE_SIZE), 0);
        assert_int_equal(pages_cached(), LARGE / PAGE_SIZE - 2);
    }
    blk_io_destroy(t.io);
}

static void check_reads(void)
{
    const uint64_t cold = 1u << 20, warm = 2u << 20;
    static uint8_t data[LARGE];

    assert_int_equal(pwrite(t.file.direct_fd, "D", 1, (off_t)cold), 1);
    assert_int_equal(found(cold, LARGE), 'D');
    assert_int_equal(found(cold, 4096), 0); /* small: by the cache */
    /* All of it is in memory now, where the host can tell that. */
    memset(data, 'C', sizeof(data));
    assert_int_equal(pwrite(t.file.fd, data, sizeof(data), (off_t)warm), sizeof(data));
    assert_int_equal(pwrite(t.file.direct_fd, "D", 1, (off_t)warm), 1);
    assert_int_equal(found(warm, LARGE), can_tell() ? 'C' : 'D');
    /* The page behind it is not. */
    assert_int_equal(pwrite(t.file.direct_fd, "E", 1, (off_t)warm + PAGE_SIZE), 1);
    assert_int_equal(found(warm + PAGE_SIZE, LARGE), 'E');
}

static void drive(enum blk_io_engine engine)
{
    struct err err = {0};

    if (blk_io_create(&t.io, engine, &t.file, &err) < 0) {
        assert_int_equal(engine, BLK_IO_URING);
        print_message("no io_uring here\n");
        return;
    }
    check_writes();
    check_reads();
    blk_io_destroy(t.io);
}

static void test_uring(void **state)
{
    drive(BLK_IO_URING);
}

/* Many are under way and one ends, or somebody wakes us: we do not wait for the others. */
static void test_uring_one_of_many(void **state)
{
    static struct iovec iov[MANY];
    static struct blk_op op[MANY];
    static const uint8_t data[PAGE_SIZE];
    struct blk_op *ended;
    struct err err = {0};
    int pipes[2];
    unsigned int left = MANY - 1;

    assert_int_equal(pipe(pipes), 0);
    if (blk_io_create(&t.io, BLK_IO_URING, &(struct blk_file){pipes[0], -1, 0}, &err) < 0)
        skip();
    for (unsigned int i = 0; i < MANY; i++) {
        iov[i] = (struct iovec){t.buffer, PAGE_SIZE};
        op[i] = (struct blk_op){.kind = BLK_READ, .iov = &iov[i], .nr_iov = 1, .length = PAGE_SIZE};
        blk_io_submit(t.io, &op[i]);
    }
    assert_null(blk_io_turn(t.io, false));
    assert_int_equal(write(pipes[1], data, PAGE_SIZE), PAGE_SIZE);
    ended = blk_io_turn(t.io, true);
    assert_non_null(ended);
    assert_null(ended->next);
    assert_int_equal(ended->result, 0);
    blk_io_wake(t.io);
    assert_null(blk_io_turn(t.io, true));
    close(pipes[1]);
    while (left)
        for (ended = blk_io_turn(t.io, true); ended; ended = ended->next, left--)
            assert_int_equal(ended->result, -EIO);
    blk_io_destroy(t.io);
    close(pipes[0]);
}

static void test_threads(void **state)
{
    drive(BLK_IO_THREADS);
}

/* Nothing goes to a descriptor that is not there. */
static void test_cache_only(void **state)
{
    const struct blk_file file = {t.file.fd, -1, 0};
    struct err err = {0};

    assert_int_equal(blk_io_create(&t.io, BLK_IO_BEST, &file, &err), 0);
    assert_false(wrote_direct(0, 8192, LARGE, LARGE));
    blk_io_destroy(t.io);
}

/* The image is opened past the cache exactly where its file system says that this can be. */
static void test_open(void **state)
{
    struct disk_config c = {.name = (char[]){"xvda"}, .path = t.path[0], .mode = DISK_WRITE};
    struct err err = {0};
    struct disk disk;
    struct statx st;
    int image;
    bool can;

    assert_int_equal(disk_open_image(&c, &image, &err), 0);
    assert_int_equal(disk_open(&disk, &c, image, &err), 0);
    assert_int_equal(statx(disk.fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st), 0);
    can = (st.stx_mask & STATX_DIOALIGN) && st.stx_dio_offset_align;
    assert_int_equal(disk.direct_fd >= 0, can);
    if (can) {
        assert_true(fcntl(disk.direct_fd, F_GETFL) & O_DIRECT);
        assert_true(disk.direct_align >= st.stx_dio_offset_align);
    }
    assert_false(fcntl(disk.fd, F_GETFL) & O_DIRECT);
    disk_close(&disk);
    assert_int_equal(disk.direct_fd, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_uring),   TEST(test_uring_one_of_many), TEST(test_uring_forgets),
        TEST(test_threads), TEST(test_cache_only),        TEST(test_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
