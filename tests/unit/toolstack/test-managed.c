/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-managed.c - the managed domains: kept, found, renamed, forgotten; files that are none.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "toolstack/managed.h"
#include "toolstack/registry.h"

#define UUID_A "00000000-0000-4000-8000-00000000000a"
#define UUID_B "00000000-0000-4000-8000-00000000000b"

static char base[32];

static int setup(void **state)
{
    strcpy(base, "/tmp/xl-managed.XXXXXX");
    assert_non_null(mkdtemp(base));
    setenv("XENOLITH_RUN_DIR", base, 1);
    setenv("XEND_CONFIG", "/nonexistent", 1);
    return 0;
}

static int teardown(void **state)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", base);
    return system(command);
}

static const char *config(const char *name, const char *uuid)
{
    static char text[256];

    snprintf(text, sizeof(text), "(vm\n (name %s)\n (memory 64)\n (vcpus 2)\n (uuid %s))\n", name,
             uuid);
    return text;
}

static size_t count(void)
{
    json_t *list = NULL;
    size_t n;

    assert_int_equal(managed_list(&list, NULL), 0);
    n = json_array_size(list);
    json_decref(list);
    return n;
}

static void test_keep_and_forget(void **state)
{
    struct err err = {0};
    json_t *list = NULL, *found;

    assert_int_equal(count(), 0);
    assert_int_equal(managed_put("zebra", UUID_A, config("zebra", UUID_A), &err), 0);
    assert_int_equal(managed_put("ant", UUID_B, config("ant", UUID_B), &err), 0);
    assert_int_equal(managed_list(&list, NULL), 0);
    assert_string_equal(json_get_string(json_array_get(list, 0), "name", ""), "ant");
    assert_string_equal(json_get_string(json_array_get(list, 1), "name", ""), "zebra");
    assert_int_equal(json_get_int(json_array_get(list, 1), "vcpus", 0), 2);
    assert_int_equal(json_get_int(json_array_get(list, 1), "maxmem", 0), 64);
    json_decref(list);
    found = managed_find(UUID_A);
    assert_string_equal(json_get_string(found, "name", ""), "zebra");
    json_decref(found);
    assert_null(managed_find("camel"));
    assert_int_equal(managed_remove(UUID_A, &err), 0);
    assert_null(managed_find("zebra"));
    assert_int_equal(managed_remove(UUID_A, &err), -ENOENT);
    assert_int_equal(count(), 1);
}

static void test_names(void **state)
{
    struct registry_claim claim;
    struct err err = {0};
    json_t *record = json_pack("{s:s, s:s, s:i}", "name", "runs", "uuid", UUID_B, "memory", 1);

    assert_int_equal(managed_put("a", UUID_A, config("a", UUID_A), &err), 0);
    assert_int_equal(managed_put("a", UUID_B, config("a", UUID_B), &err), -EEXIST);
    assert_string_equal(err.msg, "VM name 'a' already exists as a managed domain");
    /* The same one again, also under another name. */
    assert_int_equal(managed_put("b", UUID_A, config("b", UUID_A), &err), 0);
    assert_int_equal(count(), 1);
    assert_int_equal(registry_claim(&claim, record, 0, &err), 0);
    assert_int_equal(managed_put("runs", UUID_A, config("runs", UUID_A), &err), -EEXIST);
    assert_string_equal(err.msg, "VM name 'runs' already exists as domain 1");
    assert_int_equal(managed_put("runs", UUID_B, config("runs", UUID_B), &err), 0);
    registry_claim_done(&claim, true);
    json_decref(record);
}

static void put_file(const char *uuid, const char *file, const char *text)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/state/domains/%s", base, uuid);
    mkdir(path, 0700);
    strcat(strcat(path, "/"), file);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* A half-written file of a writer that was killed, a foreign uuid, no S-expression. */
static void test_what_is_none(void **state)
{
    struct err err = {0};

    assert_int_equal(managed_put("a", UUID_A, config("a", UUID_A), &err), 0);
    put_file(UUID_A, "config.sxp.new", "(vm (name hal");
    put_file(UUID_B, "config.sxp", config("b", UUID_A));
    put_file("no-uuid", "config.sxp", config("b", UUID_A));
    assert_int_equal(count(), 1);
    put_file(UUID_B, "config.sxp", "(vm (name b");
    assert_int_equal(count(), 1);
    put_file(UUID_B, "config.sxp", "");
    assert_int_equal(count(), 1);
    put_file(UUID_B, "config.sxp", config("b", UUID_B));
    assert_int_equal(count(), 2);
    assert_int_equal(managed_put("a", UUID_A, config("a", UUID_B), &err), -EINVAL);
}

/* No room: an error, the older config as it was, nothing of one that is new. */
static void test_full(void **state)
{
    struct rlimit none = {0}, before;
    struct err err = {0};
    char path[128];
    json_t *found;
    int again, fresh;

    assert_int_equal(managed_put("a", UUID_A, config("a", UUID_A), &err), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    again = managed_put("b", UUID_A, config("b", UUID_A), &err);
    fresh = managed_put("c", UUID_B, config("c", UUID_B), &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(again, -EFBIG);
    assert_int_equal(fresh, -EFBIG);
    assert_int_equal(count(), 1);
    found = managed_find("a");
    assert_non_null(found);
    json_decref(found);
    snprintf(path, sizeof(path), "%s/state/domains/" UUID_A "/config.sxp.new", base);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof(path), "%s/state/domains/" UUID_B, base);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_rename(void **state)
{
    char *text = managed_rename_text(config("a", UUID_A), "new.name");

    assert_non_null(strstr(text, "    (name new.name)\n"));
    assert_non_null(strstr(text, "    (memory 64)\n"));
    free(text);
    assert_null(managed_rename_text("(vm (memory 1))", "b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keep_and_forget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
        cmocka_unit_test(test_rename),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
