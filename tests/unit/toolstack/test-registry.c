/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-registry.c - the run directory: ids, names in use, dead domains' files.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "toolstack/admission.h"
#include "toolstack/registry.h"

/* Long enough that a socket path would not fit into sockaddr_un. */
#define LONG_NAME "a-directory-with-a-name-that-is-longer-than-most-people-would-like-to-type-it-in"

static char base[32], run[PATHS_MAX];

static int setup(void **state)
{
    strcpy(base, "/tmp/xl-registry.XXXXXX");
    assert_non_null(mkdtemp(base));
    snprintf(run, sizeof(run), "%s/%s", base, LONG_NAME);
    setenv("XENOLITH_RUN_DIR", run, 1);
    return 0;
}

static int teardown(void **state)
{
    char path[PATHS_MAX + 16];

    snprintf(path, sizeof(path), "%s/lock", run);
    unlink(path);
    assert_int_equal(rmdir(run), 0); /* nothing was left behind */
    rmdir(base);
    return 0;
}

/* A claim of a small domain with a uuid of its own. */
static int claim(struct registry_claim *ret, const char *name, struct err *err)
{
    json_t *record = json_pack("{s:s, s:s, s:i}", "name", name, "uuid", name, "memory", 1);
    int rc = registry_claim(ret, record, 0, err);

    json_decref(record);
    return rc;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void test_claim_and_find(void **state)
{
    struct registry_claim a, b;
    struct registry_entry entry, *list = NULL;
    struct err err = {0};
    size_t count = 0;

    assert_int_equal(claim(&a, "alpha", NULL), 0);
    assert_int_equal(claim(&b, "2", NULL), 0);
    assert_int_equal(a.domid, 1);
    assert_int_equal(b.domid, 2);
    assert_int_equal(claim(&(struct registry_claim){0}, "alpha", &err), -EEXIST);
    assert_string_equal(err.msg, "VM name 'alpha' already exists as domain 1");
    assert_int_equal(registry_list(&list, &count, NULL), 0);
    assert_int_equal(count, 2);
    assert_string_equal(list[0].name, "alpha");
    free(list);
    assert_int_equal(registry_find("alpha", &entry, NULL), 0);
    assert_int_equal(entry.domid, 1);
    assert_int_equal(registry_find("1", &entry, NULL), 0);
    assert_string_equal(entry.name, "alpha");
    assert_int_equal(registry_find("3", &entry, &err), -ESRCH);
    assert_string_equal(err.msg, "Domain '3' does not exist.");
    registry_claim_done(&a, true);
    registry_claim_done(&b, true);
}

/* Who takes another's name does not get what is meant for that one. */
static void test_stolen_name(void **state)
{
    struct registry_claim a, b;
    struct registry_entry entry;
    struct err err = {0};

    assert_int_equal(claim(&a, "thief", NULL), 0);
    assert_int_equal(claim(&b, "other", NULL), 0);
    assert_int_equal(pwrite(a.lock_fd, "other", 5, 0), 5);
    assert_int_equal(registry_find("other", &entry, &err), -ENOTUNIQ);
    assert_string_equal(err.msg, "Domains 1 and 2 are both called 'other'.");
    assert_int_equal(registry_find("2", &entry, NULL), 0);
    assert_int_equal(entry.domid, 2);
    registry_claim_done(&a, true);
    registry_claim_done(&b, true);
}

/* A name goes before an id. */
static void test_name_before_id(void **state)
{
    struct registry_claim a, b;
    struct registry_entry entry;

    assert_int_equal(claim(&a, "x", NULL), 0);
    assert_int_equal(claim(&b, "1", NULL), 0);
    assert_int_equal(registry_find("1", &entry, NULL), 0);
    assert_int_equal(entry.domid, 2);
    registry_claim_done(&a, true);
    registry_claim_done(&b, true);
}

static void test_connect(void **state)
{
    struct registry_claim a;
    int fd;

    assert_int_equal(claim(&a, "alpha", NULL), 0);
    fd = registry_connect(a.domid, NULL);
    assert_true(fd >= 0);
    close(fd);
    assert_true(registry_connect(99, NULL) < 0);
    registry_claim_done(&a, true);
}

/* The owner is gone (its descriptors are closed) but its files are there. */
static void test_dead_domain(void **state)
{
    struct registry_claim a, b;
    struct registry_entry *list = NULL;
    size_t count = 5;

    assert_int_equal(claim(&a, "alpha", NULL), 0);
    registry_claim_done(&a, false);
    assert_true(exists(a.lock_path) && exists(a.socket_path));
    assert_int_equal(registry_list(&list, &count, NULL), 0);
    assert_int_equal(count, 0);
    free(list);
    assert_int_equal(claim(&b, "alpha", NULL), 0);
    assert_int_equal(b.domid, 2); /* ids are not used again at once */
    assert_false(exists(a.lock_path) || exists(a.socket_path));
    registry_claim_done(&b, true);
}

static void test_ids_wrap(void **state)
{
    struct registry_claim a, b, c;
    char path[PATHS_MAX + 16];
    FILE *f;

    assert_int_equal(claim(&a, "a", NULL), 0);
    snprintf(path, sizeof(path), "%s/lock", run);
    f = fopen(path, "w");
    fprintf(f, "%d\n", 0x7fee);
    fclose(f);
    assert_int_equal(claim(&b, "b", NULL), 0);
    assert_int_equal(b.domid, 0x7fef);
    assert_int_equal(claim(&c, "c", NULL), 0);
    assert_int_equal(c.domid, 2); /* 1 is in use */
    registry_claim_done(&a, true);
    registry_claim_done(&b, true);
    registry_claim_done(&c, true);
}

static void test_modes(void **state)
{
    struct registry_claim a;
    struct stat st;

    assert_int_equal(claim(&a, "a", NULL), 0);
    assert_int_equal(stat(run, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(a.lock_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    registry_claim_done(&a, true);
}

/* What a domain was started from goes with it, also when it ended by itself. */
static void test_record(void **state)
{
    struct registry_claim a, b;
    char path[PATHS_MAX + 16];
    json_t *record;

    assert_int_equal(claim(&a, "alpha", NULL), 0);
    record = registry_record(a.domid);
    assert_string_equal(json_get_string(record, "uuid", ""), "alpha");
    json_object_set_new(record, "uuid", json_string("other"));
    assert_int_equal(registry_set_record(a.domid, record, NULL), 0);
    json_decref(record);
    record = registry_record(a.domid);
    assert_string_equal(json_get_string(record, "uuid", ""), "other");
    json_decref(record);
    assert_null(registry_record(7));
    snprintf(path, sizeof(path), "%s/%u.config", run, a.domid);
    unlink(a.lock_path);
    unlink(a.socket_path);
    assert_true(exists(path));
    assert_int_equal(claim(&b, "beta", NULL), 0);
    assert_false(exists(path));
    registry_claim_done(&a, false);
    registry_claim_done(&b, true);
}

/* A full run directory: the error says which file, not by which descriptor; nothing stays. */
static void test_full(void **state)
{
    struct rlimit none = {0}, before;
    struct registry_claim a;
    struct err err = {0};
    int rc;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    rc = claim(&a, "alpha", &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, -EFBIG);
    assert_string_equal(err.msg, "cannot write 1.config in the run directory: File too large");
}

/* One mebibyte more than the host has is too much, and so is another one's uuid. */
static void test_admission(void **state)
{
    uint64_t host = admission_host_kib();
    struct registry_claim a, b;
    struct err err = {0};
    json_t *record = json_pack("{s:s, s:s, s:I}", "name", "big", "uuid", "big", "memory",
                               (json_int_t)(host / 1024));

    assert_int_equal(registry_claim(&a, record, 0, &err), 0);
    assert_int_equal(claim(&b, "small", &err), -ENOMEM);
    assert_non_null(strstr(err.msg, "I need 1024 KiB, but dom0_min_mem is 0 and shrinking to 0 "
                                    "KiB would leave only "));
    registry_claim_done(&a, true);
    assert_int_equal(registry_claim(&a, record, 1024, &err), -ENOMEM);
    json_object_set_new(record, "memory", json_integer(1));
    assert_int_equal(registry_claim(&a, record, 1024, &err), 0);
    json_object_set_new(record, "name", json_string("another"));
    assert_int_equal(registry_claim(&b, record, 0, &err), -EEXIST);
    assert_non_null(strstr(err.msg, "has the uuid of domain 2, 'big'"));
    registry_claim_done(&a, true);
    json_decref(record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_claim_and_find, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stolen_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_name_before_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dead_domain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids_wrap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_record, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_admission, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
