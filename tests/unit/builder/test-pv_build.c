/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-pv_build.c - the memory of a new PV domain obeys the guest ABI (domain builder): walks
 * what was built for every combination of notes, and checks each refusal's sentence.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <xen/xen.h>
#include <xen/elfnote.h>
#include <xen/grant_table.h>

#include "builder/ksyms.h"
#include "guest.h"

#define MIB_PAGES 256ull

static struct elf_writer writer;

struct built {
    struct ram ram;
    struct builder_result result;
    struct start_info *si;
};

static struct builder_config base_config(void)
{
    return (struct builder_config){
        .cmdline = "console=hvc0 quiet",
        .console_port = 2,
        .store_port = 1,
        .domid = 5,
        .nr_vcpus = 1,
        .wallclock_ns = 0x234567890ull * 1000000000ull + 42,
        .no_cache = true,
    };
}

static void build_ok(struct built *b, struct builder_config *config, uint64_t nr_pages)
{
    struct err err = {0};
    int rc;

    guest_ram_init(&b->ram, nr_pages);
    rc = builder_build_pv(&b->result, config, &b->ram, &err);
    if (rc)
        fail_msg("%d: %s", rc, err.msg);
    b->si = guest_pointer(&b->ram, b->result.cr3, b->result.rsi);
}

/* Building must fail with `code` and a sentence that has `part` in it. */
static void build_fails(struct builder_config *config, uint64_t nr_pages, int code,
                        const char *part)
{
    struct builder_result result;
    struct err err = {0};
    struct ram ram;
    int rc;

    guest_ram_init(&ram, nr_pages);
    rc = builder_build_pv(&result, config, &ram, &err);
    if (rc != -code || !strstr(err.msg, part))
        fail_msg("wanted %d \"%s\", got %d: \"%s\"", -code, part, rc, err.msg);
    guest_ram_done(&ram);
}

static void writer_fails(int code, const char *part)
{
    struct builder_config config = base_config();

    config.kernel_path = guest_file("kernel", writer.data, writer.size);
    build_fails(&config, 16 * MIB_PAGES, code, part);
}

/* Every page of the region is mapped to its own frame, tables read-only, all else writable. */
static void check_region(const struct built *b)
{
    pfn_t tables = b->result.cr3, end = tables + b->si->nr_pt_frames;
    gva_t stack_end = b->result.rsp,
          region_end = (stack_end + (512 << 10) + 0x3fffff) & ~0x3fffffull;
    pfn_t pfn;

    for (pfn = 0; SAMPLE_BASE + pfn * PAGE_SIZE < region_end; pfn++) {
        uint64_t pte = guest_walk(&b->ram, b->result.cr3, SAMPLE_BASE + pfn * PAGE_SIZE);
        uint64_t flags = pfn >= tables && pfn < end ? 0x21 : 0x23;

        assert_int_equal(pte, pfn << PAGE_SHIFT | flags);
    }
    assert_int_equal(guest_walk(&b->ram, b->result.cr3, region_end), 0);
    assert_int_equal(b->si->pt_base, SAMPLE_BASE + tables * PAGE_SIZE);
    assert_int_equal(stack_end, SAMPLE_BASE + (end + 1) * PAGE_SIZE);
}

static void check_p2m(const struct built *b, bool separate)
{
    pfn_t pfn;

    for (pfn = 0; pfn < b->ram.nr_pages; pfn++) {
        uint64_t *entry = guest_pointer(&b->ram, b->result.cr3, b->si->mfn_list + pfn * 8);

        assert_int_equal(*entry, pfn);
    }
    if (separate) {
        uint64_t list_pages = (b->ram.nr_pages * 8 + PAGE_SIZE - 1) / PAGE_SIZE;
        uint64_t first = guest_walk(&b->ram, b->result.cr3, SAMPLE_P2M);

        assert_int_equal(b->si->mfn_list, SAMPLE_P2M);
        assert_int_equal(first, b->si->first_p2m_pfn << PAGE_SHIFT | 0x23);
        assert_int_equal(b->si->nr_p2m_frames, list_pages + 3); /* one L3, L2, L1 */
        assert_int_equal(guest_walk(&b->ram, b->result.cr3, SAMPLE_P2M + list_pages * PAGE_SIZE),
                         0);
    } else {
        assert_int_equal(b->si->first_p2m_pfn, 0);
        assert_int_equal(b->si->nr_p2m_frames, 0);
    }
}

static void check_start_info(const struct built *b)
{
    assert_string_equal(b->si->magic, "xen-3.0-x86_64");
    assert_int_equal(b->si->nr_pages, b->ram.nr_pages);
    assert_int_equal(b->si->shared_info, b->ram.shared_info * PAGE_SIZE);
    assert_int_equal(b->si->store_evtchn, 1);
    assert_int_equal(b->si->console.domU.evtchn, 2);
    assert_string_equal((char *)b->si->cmd_line, "console=hvc0 quiet");
    assert_int_equal(b->si->store_mfn, ((b->result.rsi - SAMPLE_BASE) >> PAGE_SHIFT) + 1);
    assert_int_equal(b->si->console.domU.mfn, b->si->store_mfn + 1);
    assert_int_equal(b->result.cr3, b->si->store_mfn + 2);
}

static void check_special_frames(const struct built *b)
{
    const struct shared_info *s = (void *)(b->ram.base + b->ram.shared_info * PAGE_SIZE);
    const grant_entry_v1_t *g = (void *)(b->ram.base + b->ram.grant_first * PAGE_SIZE);
    int i;

    for (i = 0; i < 32; i++)
        assert_int_equal(s->vcpu_info[i].evtchn_upcall_mask, 1);
    assert_int_equal(s->evtchn_mask[0], 0);
    assert_int_equal(s->wc_version & 1, 0);
    assert_int_equal(s->wc_sec, 0x34567890);
    assert_int_equal(s->wc_sec_hi, 2);
    assert_int_equal(s->wc_nsec, 42);
    assert_int_equal(g[0].flags, GTF_permit_access);
    assert_int_equal(g[0].domid, 0);
    assert_int_equal(g[0].frame, b->si->console.domU.mfn);
    assert_int_equal(g[1].flags, GTF_permit_access);
    assert_int_equal(g[1].frame, b->si->store_mfn);
    assert_int_equal(g[2].flags, 0);
    assert_int_equal(b->ram.base[b->si->console.domU.mfn * PAGE_SIZE + 0xc10], 1);
}

static void check_kernel(const struct built *b, bool hypercalls)
{
    const uint8_t *k = b->ram.base + SAMPLE_START;
    static const uint8_t call9[] = {0x51, 0x41, 0x53, 0xb8, 9,    0,    0,
                                    0,    0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3};

    assert_int_equal(k[0], 0x11);
    assert_int_equal(k[0x27ff], 0x11);
    assert_int_equal(k[0x2800], 0);
    assert_int_equal(k[0x4000], 0x22);
    assert_int_equal(k[0x4122], 0x22);
    assert_int_equal(k[0x4123], 0);
    if (hypercalls) {
        assert_memory_equal(k + 0x1000 + 9 * 32, call9, sizeof(call9));
        assert_int_equal(k[0x1000 + 23 * 32 + 3], 0x50); /* iret pushes rax */
    } else {
        assert_int_equal(k[0x1000], 0x11);
    }
    assert_int_equal(b->result.rip, SAMPLE_BASE + SAMPLE_START + 0x10);
    assert_string_equal(b->result.kernel_name, "sample 7");
}

static void test_layouts(void **state)
{
    static const uint64_t sizes[] = {16 * MIB_PAGES, 32 * MIB_PAGES + 3, 600 * MIB_PAGES};
    unsigned int options, i;

    for (options = 0; options < 8; options++) {
        for (i = 0; i < ARRAY_SIZE(sizes); i++) {
            struct builder_config config = base_config();
            struct built b;

            sample_kernel(&writer, options);
            config.kernel_path = guest_file("kernel", writer.data, writer.size);
            build_ok(&b, &config, sizes[i]);
            check_region(&b);
            check_p2m(&b, options & SAMPLE_WITH_P2M);
            check_start_info(&b);
            check_special_frames(&b);
            check_kernel(&b, options & SAMPLE_WITH_PAGE);
            assert_int_equal(b.si->flags, 0x10);
            assert_int_equal(b.si->mod_len, 0);
            guest_ram_done(&b.ram);
        }
    }
}

static void test_initrd(void **state)
{
    static uint8_t initrd[10000];
    unsigned int options;
    char path[128];
    size_t i;

    for (i = 0; i < sizeof(initrd); i++)
        initrd[i] = (uint8_t)(i * 7 + 1);
    snprintf(path, sizeof(path), "%s", guest_file("initrd", initrd, sizeof(initrd)));
    for (options = 0; options < 4; options++) {
        struct builder_config config = base_config();
        struct built b;

        sample_kernel(&writer, options);
        config.kernel_path = guest_file("kernel", writer.data, writer.size);
        config.ramdisk_path = path;
        build_ok(&b, &config, 16 * MIB_PAGES);
        check_region(&b);
        check_p2m(&b, options & SAMPLE_WITH_P2M);
        assert_int_equal(b.si->mod_len, sizeof(initrd));
        if (options & SAMPLE_WITH_PFN) {
            assert_int_equal(b.si->flags, 0x18);
            assert_memory_equal(b.ram.base + b.si->mod_start * PAGE_SIZE, initrd, sizeof(initrd));
            assert_int_equal(
                guest_walk(&b.ram, b.result.cr3, SAMPLE_BASE + b.si->mod_start * PAGE_SIZE), 0);
        } else {
            assert_int_equal(b.si->flags, 0x10);
            for (i = 0; i < sizeof(initrd); i += 1000)
                assert_memory_equal(guest_pointer(&b.ram, b.result.cr3, b.si->mod_start + i),
                                    initrd + i, 1);
        }
        guest_ram_done(&b.ram);
    }
}

/* INIT_P2M in the same L4 slot as the kernel: the L3 is shared, not duplicated. */
static void test_near_p2m(void **state)
{
    struct builder_config config = base_config();
    struct built b;
    gva_t va = SAMPLE_BASE - (8ull << 30);
    pfn_t pfn;

    sample_kernel(&writer, 0);
    elf_writer_note_number(&writer, 2, XEN_ELFNOTE_INIT_P2M, va);
    config.kernel_path = guest_file("kernel", writer.data, writer.size);
    build_ok(&b, &config, 16 * MIB_PAGES);
    check_region(&b);
    assert_int_equal(b.si->mfn_list, va);
    assert_int_equal(b.si->nr_p2m_frames, 8 + 2); /* L2 and L1, the L3 is the kernel's */
    for (pfn = 0; pfn < b.ram.nr_pages; pfn += 511)
        assert_int_equal(*(uint64_t *)guest_pointer(&b.ram, b.result.cr3, va + pfn * 8), pfn);
    guest_ram_done(&b.ram);
}

static void test_bad_elf(void **state)
{
    sample_kernel(&writer, SAMPLE_LEAVE_NOTES);
    writer_fails(ENOEXEC, "not a Xen PV kernel");
    sample_kernel(&writer, 0);
    writer.data[EI_CLASS] = ELFCLASS32;
    writer_fails(ENOEXEC, "32-bit kernel");
    sample_kernel(&writer, 0);
    elf_writer_header(&writer)->e_machine = EM_AARCH64;
    writer_fails(ENOEXEC, "not for x86-64");
    sample_kernel(&writer, 0);
    writer.data[0] = 'x';
    writer_fails(ENOEXEC, "not a kernel");
    sample_kernel(&writer, 0);
    writer.size = 100;
    writer_fails(ENOEXEC, "truncated");
    sample_kernel(&writer, 0);
    writer.size = 40;
    writer_fails(ENOEXEC, "truncated");
    sample_kernel(&writer, 0);
    elf_writer_segment(&writer, 1)->p_filesz = 0x5000;
    writer_fails(ENOEXEC, "truncated");
    sample_kernel(&writer, 0);
    elf_writer_segment(&writer, 1)->p_filesz = 0x5001;
    writer_fails(ENOEXEC, "more bytes in the file");
    sample_kernel(&writer, 0);
    elf_writer_segment(&writer, 1)->p_paddr = SAMPLE_START + 0x27ff;
    writer_fails(ENOEXEC, "overlaps");
    sample_kernel(&writer, 0);
    elf_writer_segment(&writer, 1)->p_paddr = ~0xfffull;
    writer_fails(ENOEXEC, "outside of the domain's memory");
    sample_kernel(&writer, 0);
    elf_writer_segment(&writer, 1)->p_type = elf_writer_segment(&writer, 0)->p_type = PT_NULL;
    writer_fails(ENOEXEC, "no loadable segment");
}

static void test_bad_notes(void **state)
{
    static const struct {
        uint32_t note;
        const char *text;
        const char *message;
    } texts[] = {
        {XEN_ELFNOTE_FEATURES, "pae_pgdir_above_4gb|!levitation", "\"levitation\""},
        {XEN_ELFNOTE_FEATURES, "!dom0", "dom0 only"},
        {XEN_ELFNOTE_FEATURES, "!auto_translated_physmap", "\"auto_translated_physmap\""},
        {XEN_ELFNOTE_LOADER, "grub", "only the loader \"generic\""},
        {XEN_ELFNOTE_XEN_VERSION, "xen-2.0", "\"xen-2.0\""},
    };

    static const struct {
        uint32_t note;
        uint64_t value;
        const char *message;
    } numbers[] = {
        {XEN_ELFNOTE_ENTRY, SAMPLE_BASE, "entry point"},
        {XEN_ELFNOTE_ENTRY, 0, "entry point"},
        {XEN_ELFNOTE_PADDR_OFFSET, SAMPLE_START + 0x1000, "outside of the domain's memory"},
        {XEN_ELFNOTE_HYPERCALL_PAGE, SAMPLE_BASE + SAMPLE_START + 8, "hypercall page"},
        {XEN_ELFNOTE_HYPERCALL_PAGE, SAMPLE_BASE + (1ull << 30), "hypercall page"},
    };

    static const uint64_t bases[] = {0xffff800000000000ull, 0xfffffffffff00000ull,
                                     0x00007ffffff00000ull};
    size_t i;

    for (i = 0; i < ARRAY_SIZE(texts); i++) {
        sample_kernel(&writer, 0);
        elf_writer_note_text(&writer, 2, texts[i].note, texts[i].text);
        writer_fails(ENOEXEC, texts[i].message);
    }
    for (i = 0; i < ARRAY_SIZE(numbers); i++) {
        sample_kernel(&writer, 0);
        elf_writer_note_number(&writer, 2, numbers[i].note, numbers[i].value);
        writer_fails(ENOEXEC, numbers[i].message);
    }
    for (i = 0; i < ARRAY_SIZE(bases); i++) {
        sample_kernel(&writer, 0);
        elf_writer_note_number(&writer, 2, XEN_ELFNOTE_VIRT_BASE, bases[i]);
        elf_writer_note_number(&writer, 2, XEN_ELFNOTE_ENTRY, bases[i] + SAMPLE_START);
        writer_fails(ENOEXEC, "does not fit");
    }
    sample_kernel(&writer, SAMPLE_LEAVE_NOTES);
    elf_writer_note_number(&writer, 2, XEN_ELFNOTE_PHYS32_ENTRY, 0x100000);
    writer_fails(ENOEXEC, "PVH only");
}

/* The string form: PADDR_OFFSET defaults to VIRT_BASE, the hypercall page is a page number. */
static void test_string_form(void **state)
{
    static const char text[] = "GUEST_OS=linux,GUEST_VER=2.6,XEN_VER=xen-3.0,"
                               "VIRT_BASE=0xffffffff80000000,HYPERCALL_PAGE=0x101,"
                               "FEATURES=writable_page_tables,LOADER=generic";
    struct builder_config config = base_config();
    struct built b;

    elf_writer_start(&writer, SAMPLE_BASE + SAMPLE_START + 4, 1);
    elf_writer_load(&writer, 0, SAMPLE_BASE + SAMPLE_START, 0x2800, 0x2800, 0x11);
    elf_writer_section(&writer, "__xen_guest", SHT_PROGBITS, text, sizeof(text));
    config.kernel_path = guest_file("kernel", writer.data, writer.size);
    build_ok(&b, &config, 16 * MIB_PAGES);
    assert_int_equal(b.result.rip, SAMPLE_BASE + SAMPLE_START + 4);
    assert_string_equal(b.result.kernel_name, "linux 2.6");
    assert_int_equal(b.ram.base[SAMPLE_START], 0x11);
    assert_int_equal(b.ram.base[SAMPLE_HYPERCALLS], 0x51);
    check_region(&b);
    guest_ram_done(&b.ram);
}

/* Notes only in a section; a BSD kernel's end grows by the symbol table's size word. */
static void test_section_notes(void **state)
{
    struct builder_config config = base_config();
    static struct elf_writer notes;
    struct built b;
    const Elf64_Phdr *segment;

    sample_kernel(&notes, 0);
    elf_writer_note_text(&notes, 2, XEN_ELFNOTE_BSD_SYMTAB, "yes");
    segment = elf_writer_segment(&notes, 2);
    elf_writer_start(&writer, SAMPLE_BASE + SAMPLE_START, 1);
    elf_writer_load(&writer, 0, SAMPLE_START, 0x3000, 0x3000, 0x11);
    elf_writer_section(&writer, ".note.Xen", SHT_NOTE, notes.data + segment->p_offset,
                       segment->p_filesz);
    config.kernel_path = guest_file("kernel", writer.data, writer.size);
    build_ok(&b, &config, 16 * MIB_PAGES);
    assert_int_equal(b.result.rip, SAMPLE_BASE + SAMPLE_START + 0x10);
    /* page 0x103 holds the word, the p2m list (8 pages) follows it, then start_info */
    assert_int_equal(b.si->mfn_list, SAMPLE_BASE + SAMPLE_START + 0x4000);
    assert_int_equal(b.ram.base[SAMPLE_START + 0x3000], 0);
    check_region(&b);
    guest_ram_done(&b.ram);
}

static void test_known_requirement(void **state)
{
    struct builder_config config = base_config();
    struct built b;

    sample_kernel(&writer, 0);
    elf_writer_note_text(&writer, 2, XEN_ELFNOTE_FEATURES, "!writable_page_tables|unheard_of");
    config.kernel_path = guest_file("kernel", writer.data, writer.size);
    build_ok(&b, &config, 16 * MIB_PAGES);
    guest_ram_done(&b.ram);
}

static void test_bad_config(void **state)
{
    struct builder_config config = base_config();
    static char text[2000], initrd[3 << 20];
    char kernel[128];

    build_fails(&config, 16 * MIB_PAGES, EINVAL, "no kernel was given");
    config.kernel_path = "/nonexistent/vmlinuz";
    build_fails(&config, 16 * MIB_PAGES, ENOENT, "does not exist: /nonexistent/vmlinuz");
    config.kernel_path = "/";
    build_fails(&config, 16 * MIB_PAGES, EINVAL, "not a regular file");
    config.kernel_path = guest_file("empty", "", 0);
    build_fails(&config, 16 * MIB_PAGES, ENOEXEC, "is empty");
    sample_kernel(&writer, SAMPLE_WITH_PFN | SAMPLE_WITH_P2M);
    snprintf(kernel, sizeof(kernel), "%s", guest_file("kernel", writer.data, writer.size));
    config.kernel_path = kernel;
    build_fails(&config, MIB_PAGES, ENOMEM, "needs at least 5 MiB");
    config.ramdisk_path = "/nonexistent/initrd";
    build_fails(&config, 16 * MIB_PAGES, ENOENT, "ramdisk image does not exist");
    config.ramdisk_path = guest_file("initrd", initrd, sizeof(initrd));
    build_fails(&config, 6 * MIB_PAGES, ENOMEM, "(3 MiB) does not fit");
    config.ramdisk_path = NULL;
    memset(text, 'a', 1024);
    config.cmdline = text;
    build_fails(&config, 16 * MIB_PAGES, E2BIG, "command line has 1024 characters");
    config.cmdline = NULL;
    config.nr_vcpus = 33;
    build_fails(&config, 16 * MIB_PAGES, EINVAL, "33 vCPUs");
}

/* The stated need is exact: that many pages suffice, one MiB less does not. */
static void test_least_memory(void **state)
{
    struct builder_config config = base_config();
    struct built b;

    sample_kernel(&writer, 0);
    config.kernel_path = guest_file("kernel", writer.data, writer.size);
    build_ok(&b, &config, 4 * MIB_PAGES);
    check_region(&b);
    guest_ram_done(&b.ram);
    build_fails(&config, 4 * MIB_PAGES - 1, ENOMEM, "needs at least 4 MiB");
}

/* Whatever is done to a kernel file, the builder refuses or builds (true); under ASan and with a
 * guard page behind the memory this shows every stray access. */
static bool build_any(const uint8_t *data, size_t size)
{
    struct builder_config config = base_config();
    struct builder_result result;
    struct err err = {0};
    struct ram ram;
    int rc;

    config.kernel_path = guest_file("fuzz", data, size);
    guest_ram_init(&ram, 8 * MIB_PAGES);
    rc = builder_build_pv(&result, &config, &ram, &err);
    assert_true(rc <= 0);
    assert_true(rc == 0 || (err.msg[0] && !strchr(err.msg, '\n')));
    guest_ram_done(&ram);
    return rc == 0;
}

static void test_truncated(void **state)
{
    size_t size, full;

    sample_kernel(&writer, 7);
    full = writer.size;
    for (size = 0; size < full; size += 64)
        assert_false(build_any(writer.data, size));
}

static void test_flipped(void **state)
{
    unsigned int round, flips, built = 0;

    srand(20061);
    for (round = 0; round < 3000; round++) {
        sample_kernel(&writer, 7);
        for (flips = 1 + (unsigned int)rand() % 4; flips; flips--) {
            /* headers, or the notes at the end */
            size_t at = rand() % 2 ? (size_t)rand() % 232 : writer.size - 1 - (size_t)rand() % 300;

            writer.data[at] = (uint8_t)rand();
        }
        built += build_any(writer.data, writer.size);
    }
    assert_in_range(built, 1, round - 1); /* neither all harmless nor all refused */
}

static void test_real_kernel(void **state)
{
    const char *path = getenv("XENOLITH_TEST_KERNEL");
    struct builder_config config = base_config();
    struct built b;
    const char *name;
    uint64_t offset;

    config.kernel_path = path;
    config.want_symbols = true;
    build_ok(&b, &config, 256 * MIB_PAGES);
    check_region(&b);
    check_p2m(&b, true);
    check_start_info(&b);
    assert_memory_equal(b.result.kernel_name, "Linux ", 6);
    name = ksyms_lookup(b.result.symbols, b.result.rip, &offset);
    assert_non_null(name);
    assert_string_equal(name, "startup_xen");
    assert_int_equal(offset, 0);
    ksyms_free(b.result.symbols);
    guest_ram_done(&b.ram);
}

/* "real": only the test on the kernel that XENOLITH_TEST_KERNEL names. */
int main(int argc, char **argv)
{
    const struct CMUnitTest real[] = {cmocka_unit_test(test_real_kernel)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),       cmocka_unit_test(test_initrd),
        cmocka_unit_test(test_near_p2m),      cmocka_unit_test(test_bad_elf),
        cmocka_unit_test(test_bad_notes),     cmocka_unit_test(test_string_form),
        cmocka_unit_test(test_section_notes), cmocka_unit_test(test_known_requirement),
        cmocka_unit_test(test_bad_config),    cmocka_unit_test(test_least_memory),
        cmocka_unit_test(test_truncated),     cmocka_unit_test(test_flipped),
    };

    if (argc > 1 && strcmp(argv[1], "real") == 0) {
        if (!getenv("XENOLITH_TEST_KERNEL"))
            return 77; /* skipped */
        return cmocka_run_group_tests(real, guest_group_setup, guest_group_teardown);
    }
    return cmocka_run_group_tests(tests, guest_group_setup, guest_group_teardown);
}
