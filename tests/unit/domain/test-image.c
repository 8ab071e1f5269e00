/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-image.c - domain/image, domain/image_vcpu: records on their way into a file and out of it,
 * damage, and registers that cannot be.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <errno.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "domain/image.h"
#include "domain/image_vcpu.h"

static uint8_t noise[100000], zeros[IMAGE_RECORD_MAX];

static int new_file(void)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

/* A file of three records: one that cannot be packed, one that can, an empty one. */
static int write_some(void)
{
    static const bool go_on = false;
    int fd = new_file();
    struct image_writer *w = image_writer_new(fd, &go_on);
    uint32_t x = 1;

    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)((x = x * 1103515245 + 12345) >> 16);
    assert_non_null(w);
    assert_int_equal(image_put(w, IMAGE_PAGES, 7, noise, sizeof(noise)), 0);
    assert_int_equal(image_put(w, IMAGE_M2P, 1ull << 40, zeros, sizeof(zeros)), 0);
    assert_int_equal(image_put(w, IMAGE_END, 0, NULL, 0), 0);
    assert_int_equal(image_put(w, IMAGE_PAGES, 0, zeros, IMAGE_RECORD_MAX + 1), -E2BIG);
    image_writer_free(w);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void test_records(void **state)
{
    int fd = write_some();
    struct image_reader *r = image_reader_new(fd);
    struct image_record rec;
    struct err err = {0};

    assert_int_equal(image_next(r, &rec, &err), 0);
    assert_true(rec.type == IMAGE_PAGES && rec.first == 7 && rec.size == sizeof(noise));
    assert_memory_equal(rec.data, noise, sizeof(noise));
    assert_int_equal(image_next(r, &rec, &err), 0);
    assert_true(rec.type == IMAGE_M2P && rec.first == 1ull << 40 && rec.size == sizeof(zeros));
    assert_memory_equal(rec.data, zeros, sizeof(zeros));
    assert_true(lseek(fd, 0, SEEK_CUR) < (off_t)sizeof(noise) + 1000); /* zeros are packed */
    assert_int_equal(image_next(r, &rec, &err), 0);
    assert_true(rec.type == IMAGE_END && rec.size == 0);
    assert_int_equal(image_next(r, &rec, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "ends too soon"));
    image_reader_free(r);
    close(fd);
}

/* Whether all records of a file can be read. */
static bool is_whole(int fd)
{
    struct image_reader *r = image_reader_new(fd);
    struct image_record rec = {0};
    bool good = true;

    lseek(fd, 0, SEEK_SET);
    for (unsigned int i = 0; good && rec.type != IMAGE_END && i < 10; i++) {
        struct err err = {0};

        good = image_next(r, &rec, &err) == 0;
        assert_true(good || err.msg[0]);
    }
    image_reader_free(r);
    return good && rec.type == IMAGE_END;
}

static void test_damage(void **state)
{
    int fd = write_some();
    off_t size = lseek(fd, 0, SEEK_END);

    assert_true(is_whole(fd));
    for (off_t at = 0; at < size; at += at < 64 || at > size - 200 ? 1 : 997) {
        for (unsigned int bit = 0; bit < 8; bit += 3) {
            uint8_t byte, other;

            assert_int_equal(pread(fd, &byte, 1, at), 1);
            other = (uint8_t)(byte ^ 1u << bit);
            assert_int_equal(pwrite(fd, &other, 1, at), 1);
            assert_false(is_whole(fd));
            assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        }
    }
    assert_true(is_whole(fd));
    while (size > 0) {
        size -= size > 200 ? 991 < size ? 991 : 1 : 1;
        assert_int_equal(ftruncate(fd, size), 0);
        assert_false(is_whole(fd));
    }
    close(fd);
}

static void test_stop(void **state)
{
    bool stop = false;
    int fd = new_file();
    struct image_writer *w = image_writer_new(fd, &stop);

    assert_int_equal(image_put(w, IMAGE_PAGES, 0, noise, 4096), 0);
    stop = true;
    assert_int_equal(image_put(w, IMAGE_PAGES, 0, noise, 4096), -ECANCELED);
    image_writer_free(w);
    close(fd);
}

static void test_file_size(void **state)
{
    static const bool go_on = false;
    int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct image_writer *w = image_writer_new(fd, &go_on);

    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
    assert_int_equal(image_put(w, IMAGE_PAGES, 0, noise, 4096), -EPERM);
    image_writer_free(w);
    close(fd);
}

/* --- vCPUs -------------------------------------------------------------------------------- */

static struct run run, copy;
static struct image_vcpu image;

static void fill(void)
{
    struct vcpu *v = &run.state;

    memset(&run, 0, sizeof(run));
    for (unsigned int i = 0; i < 16; i++)
        v->gpr[i] = 0x1000 + i;
    v->rip = 0xffffffff81000000ull;
    v->rflags = EFLAGS_IF | EFLAGS_ZF | 2;
    v->gs_base = 0xffff888000000000ull;
    v->cs = 0xe033;
    v->ss = 0xe02b;
    v->cr3_kernel = FRAME_L4;
    v->cr3_user = INVALID_MFN;
    v->xcr0 = 7;
    v->dr[7] = 0x400;
    v->pv.traps[14] = (struct pv_trap){0xffffffff81001000ull, 0xe033, 4};
    v->pv.cb_event = (struct pv_callback){0xffffffff81002000ull, true};
    v->pv.cb_sysenter = (struct pv_callback){0xffffffff81003000ull, false};
    v->pv.kernel_sp = 0xffff888000003000ull;
    memset(v->pv.gdt_frames, 0xff, sizeof(v->pv.gdt_frames));
    v->pv.gdt_entries = 600;
    v->pv.gdt_frames[0] = FRAME_FREE;
    v->pv.gdt_frames[1] = FRAME_FREE + 1;
    v->pv.iopl = 1;
    v->pv.vm_assist = 1u << 31 | 2;
    v->pv.singleshot_ns = 5;
    v->pv.runstate_va = 0x1234;
    for (unsigned int i = 0; i < sizeof(run.fpu); i++)
        run.fpu[i] = (uint8_t)i;
    image_vcpu_take(&image, &run);
}

static void test_vcpu(void **state)
{
    fill();
    assert_int_equal(image_vcpu_give(&copy, &image, &fix->d.ram), 0);
    assert_true(copy.state.resumed);
    assert_memory_equal(copy.state.gpr, run.state.gpr, sizeof(copy.state.gpr));
    assert_true(copy.state.rip == run.state.rip && copy.state.rflags == run.state.rflags);
    assert_true(copy.state.cr3_kernel == FRAME_L4 && copy.state.cr3_user == INVALID_MFN);
    assert_memory_equal(&copy.state.pv.cb_sysenter, &run.state.pv.cb_sysenter,
                        sizeof(copy.state.pv.cb_sysenter));
    assert_int_equal(copy.state.pv.traps[14].flags, 4);
    assert_true(copy.state.pv.gdt_frames[1] == FRAME_FREE + 1 &&
                copy.state.pv.gdt_frames[2] == INVALID_MFN);
    assert_true(copy.state.pv.vm_assist == (1u << 31 | 2) && copy.state.pv.iopl == 1);
    /* Its timers and areas are not there any more. */
    assert_true(copy.state.pv.singleshot_ns == 0 && copy.state.pv.runstate_va == 0);
    assert_memory_equal(copy.fpu, run.fpu, sizeof(copy.fpu));
    /* It slept: it comes back from the call. */
    run.state.pv.waiting = true;
    image_vcpu_take(&image, &run);
    assert_int_equal(image_vcpu_give(&copy, &image, &fix->d.ram), 0);
    assert_true(copy.state.rip == run.state.rip + 2 && copy.state.gpr[RAX] == 0);
}

#define REFUSES(member, value)                                                                     \
    do {                                                                                           \
        fill();                                                                                    \
        image.member = (value);                                                                    \
        memset(&copy, 0x55, sizeof(copy));                                                         \
        assert_int_equal(image_vcpu_give(&copy, &image, &fix->d.ram), -EINVAL);                    \
        assert_int_equal(copy.state.gpr[0], 0x5555555555555555ull);                                \
    } while (0)

static void test_bad_vcpu(void **state)
{
    REFUSES(cr3_kernel, INVALID_MFN);
    REFUSES(cr3_kernel, PAGES); /* not allocated */
    REFUSES(cr3_kernel, fix->d.ram.shared_info);
    REFUSES(cr3_user, PAGES);
    REFUSES(cr3_user, fix->d.ram.patch_first);
    REFUSES(rip, 0x0000800000000000ull);
    REFUSES(fs_base, 1ull << 63);
    REFUSES(gs_base_other, 1ull << 63);
    REFUSES(traps[255].address, 1ull << 63);
    REFUSES(callbacks[4].address, 1ull << 63);
    REFUSES(gdt_entries, 14 * 512 + 1);
    REFUSES(gdt_entries, 1025); /* a frame that is INVALID_MFN */
    REFUSES(gdt_frames[1], PAGES);
    REFUSES(ldt_entries, 8193);
    REFUSES(ldt_base, 0x1001);
    REFUSES(iobitmap_ports, 65537);
}

static void test_masked(void **state)
{
    fill();
    image.rflags = ~0ull;
    image.user_mode = 77;
    image.iopl = 0xff;
    image.cs = 0;
    assert_int_equal(image_vcpu_give(&copy, &image, &fix->d.ram), 0);
    assert_int_equal(copy.state.rflags, EFLAGS_USER | EFLAGS_IF | 2);
    assert_true(copy.state.user_mode && copy.state.pv.iopl == 3 && copy.state.cs == 3);
}

static void test_cpu(void **state)
{
    uint32_t words[IMAGE_CPU_WORDS];

    image_cpu(words);
    assert_true(words[1] & 1); /* there is an FPU */
    assert_true(image_cpu_suffices(words));
    words[7] &= words[7] - 1;
    assert_true(image_cpu_suffices(words));
    words[1] |= 1u << 10; /* nothing has this one */
    assert_false(image_cpu_suffices(words));
}

static void test_take_frames(void **state)
{
    struct ram *ram = &fix->d.ram;
    uint64_t words[3] = {5, 0, 1ull << 31};

    assert_int_equal(ram_take_frames(ram, 0, words, 3), 0);
    assert_int_equal(ram->nr_allocated, 3);
    assert_true(ram_is_allocated(ram, 0) && ram_is_allocated(ram, 2) && ram_is_allocated(ram, 159));
    assert_false(ram_is_allocated(ram, 1));
    assert_int_equal(ram_alloc(ram), 1);
    words[2] = 1ull << 32; /* frame 160 */
    assert_int_equal(ram_take_frames(ram, 0, words, 3), -EINVAL);
    assert_int_equal(ram_take_frames(ram, 2, words, 2), -EINVAL);
    assert_int_equal(ram_take_frames(ram, 4, words, 0), -EINVAL);
    assert_int_equal(ram_take_frames(ram, ~0ull, words, 2), -EINVAL);
    assert_int_equal(ram->nr_allocated, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_file_size),
        cmocka_unit_test_setup_teardown(test_vcpu, setup_one_vcpu, teardown),
        cmocka_unit_test_setup_teardown(test_bad_vcpu, setup_one_vcpu, teardown),
        cmocka_unit_test_setup_teardown(test_masked, setup_one_vcpu, teardown),
        cmocka_unit_test(test_cpu),
        cmocka_unit_test_setup_teardown(test_take_frames, setup_one_vcpu, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
