/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-vercmp.c - the order of versions, both ways round.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/types.h"
#include "bootloader/vercmp.h"

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

static void test_order(void **state)
{
    static const struct {
        const char *a, *b;
        int order;
    } cases[] = {
        {"1.0", "1.0", 0},
        {"1.0", "2.0", -1},
        {"2.0", "10.0", -1},
        {"1.010", "1.10", 0},
        {"1.a", "1.0", -1}, /* digits come after letters */
        {"1.0", "1.0.1", -1},
        {"1.0~rc1", "1.0", -1},
        {"1.0~rc1", "1.0~rc2", -1},
        {"5.5p1", "5.5p10", -1},
        {"10xyz", "10.1xyz", -1},
        {"", "", 0},
        {"", "a", -1},
        {"4.18.0-80.el8.x86_64", "4.18.0-147.el8.x86_64", -1},
        {"abc-0-rescue-abc", "abc-4.18.0-80", -1},
        {"99999999999999999999998", "99999999999999999999999", -1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(sign(vercmp(cases[i].a, cases[i].b)), cases[i].order);
        assert_int_equal(sign(vercmp(cases[i].b, cases[i].a)), -cases[i].order);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
