/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-ksyms.c - symbols from System.map files; images without, and with a damaged, kallsyms
 * table. (test-pv_build.c looks symbols up in a real kernel.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builder/kallsyms.h"
#include "builder/ksyms.h"
#include "guest.h"

static const char map_text[] = "ffffffff81000000 T _text\n"
                               "garbage\n"
                               "ffffffff81000040 t second\n"
                               "ffffffff81000020 t first\n"
                               "0000000000001000 D per_cpu\n";
static const char stub_text[] = "ffffffffffffffff B The real System.map is in a -dbg package\n";

static void check_map(const struct ksyms *k)
{
    uint64_t offset = 99;

    assert_int_equal(ksyms_count(k), 4);
    assert_string_equal(ksyms_lookup(k, 0xffffffff81000000, &offset), "_text");
    assert_int_equal(offset, 0);
    assert_string_equal(ksyms_lookup(k, 0xffffffff8100003f, &offset), "first");
    assert_int_equal(offset, 0x1f);
    assert_string_equal(ksyms_lookup(k, 0xffffffff81000041, &offset), "second");
    assert_null(ksyms_lookup(k, 0xfff, &offset));
    assert_null(ksyms_lookup(k, 0xffffffff00000000, &offset));
}

static void test_map(void **state)
{
    struct ksyms *k = ksyms_from_map(guest_file("map", map_text, sizeof(map_text) - 1));

    check_map(k);
    ksyms_free(k);
    assert_null(ksyms_from_map(guest_file("map", stub_text, sizeof(stub_text) - 1)));
    assert_null(ksyms_from_map("/nonexistent"));
    assert_null(ksyms_lookup(NULL, 0, NULL));
}

static void test_find(void **state)
{
    static const uint8_t nothing[64];
    struct elf_image elf = {.data = nothing, .size = sizeof(nothing)};
    struct ksyms *k;
    char path[128];

    guest_file("System.map-6.1.0-x", map_text, sizeof(map_text) - 1);
    snprintf(path, sizeof(path), "%s", guest_file("vmlinuz", "", 0));
    k = ksyms_find(path, "6.1.0-x (someone)", &elf);
    check_map(k);
    ksyms_free(k);
    assert_null(ksyms_find(path, "6.1.0-y", &elf));
    assert_null(ksyms_find("vmlinuz", "", &elf));
}

/* A small table of the form that Linux 6.4 and later have: N symbols "sym0", "sym1", ... */
#define NR 300u

static size_t put(uint8_t *image, size_t at, const void *data, size_t size)
{
    memcpy(image + at, data, size);
    return at + size;
}

static size_t pad(size_t at)
{
    return (at + 7) & ~(size_t)7;
}

static size_t make_table(uint8_t *image)
{
    uint32_t nr = NR, markers[2] = {0};
    uint64_t base = 0xffffffff81000000ull;
    uint16_t index[256];
    size_t at = 64, names, table, i;
    char text[16];

    at = pad(put(image, at, &nr, sizeof(nr)));
    names = at;
    for (i = 0; i < NR; i++) {
        int len = snprintf(text, sizeof(text), "Tsym%zu", i);

        if (i == 256)
            markers[1] = (uint32_t)(at - names);
        image[at++] = (uint8_t)len;
        at = put(image, at, text, (size_t)len);
    }
    at = pad(at);
    at = pad(put(image, at, markers, sizeof(markers)));
    table = at;
    for (i = 0; i < 256; i++) {
        index[i] = (uint16_t)(at - table);
        image[at] = i ? (uint8_t)i : 'z'; /* every byte its own token */
        at += 2;
    }
    at = pad(at);
    at = pad(put(image, at, index, sizeof(index)));
    for (i = 0; i < NR; i++) {
        int32_t offset = i == 0 ? 0x42 : -1 - (int32_t)(i * 16);

        at = put(image, at, &offset, sizeof(offset));
    }
    at = pad(at);
    return put(image, at, &base, sizeof(base)) + 64;
}

static void test_image(void **state)
{
    static uint8_t image[16384];
    struct elf_image elf = {.data = image, .size = make_table(image)};
    struct ksyms *k = ksyms_from_image(&elf);
    uint64_t offset;

    assert_int_equal(ksyms_count(k), NR);
    assert_string_equal(ksyms_lookup(k, 0x42, &offset), "sym0");
    assert_string_equal(ksyms_lookup(k, 0xffffffff81000013, &offset), "sym1");
    assert_int_equal(offset, 3);
    assert_string_equal(ksyms_lookup(k, 0xffffffff81000000 + 299 * 16, &offset), "sym299");
    ksyms_free(k);
}

static void test_damaged_image(void **state)
{
    static uint8_t image[16384];
    size_t size = make_table(image), at, cut;
    struct elf_image elf = {.data = image, .size = size};
    unsigned int found = 0;

    for (cut = 0; cut < size; cut += 8) {
        uint8_t *copy = malloc(cut + 1); /* exact size, for ASan */
        struct ksyms *k;

        memcpy(copy, image, cut);
        elf = (struct elf_image){.data = copy, .size = cut};
        k = ksyms_from_image(&elf);
        ksyms_free(k);
        free(copy);
    }
    elf = (struct elf_image){.data = image, .size = size};
    srand(3);
    for (cut = 0; cut < 2000; cut++) {
        uint8_t old;
        struct ksyms *k;

        at = (size_t)rand() % size;
        old = image[at];
        image[at] = (uint8_t)rand();
        k = ksyms_from_image(&elf);
        found += k != NULL;
        ksyms_free(k);
        image[at] = old;
    }
    assert_in_range(found, 1, 1999); /* some flips matter and some do not */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_image),
        cmocka_unit_test(test_damaged_image),
    };

    return cmocka_run_group_tests(tests, guest_group_setup, guest_group_teardown);
}
