/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-undo.c - lists of what is to be undone: kept, held by one at a time, gone when empty.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hotplug/undo.h"

static char dir[] = "/tmp/xenolith-undo-XXXXXX";

static int set_up(void **state)
{
    return mkdtemp(dir) ? setenv("XENOLITH_RUN_DIR", dir, 1) : -1;
}

static int tear_down(void **state)
{
    char command[80];

    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static size_t nr_files(void)
{
    char command[80];
    FILE *f;
    size_t n = 0;

    snprintf(command, sizeof(command), "ls %s/hotplug | wc -l", dir);
    f = popen(command, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%zu", &n), 1);
    pclose(f);
    return n;
}

static void test_kept(void **state)
{
    struct undo_list u;
    struct err err = {0};
    domid_t *domains;
    size_t count;

    assert_int_equal(undo_open(&u, 7, true, &err), 0);
    assert_int_equal(json_array_size(undo_devices(&u)), 0);
    assert_string_equal(undo_domain_lock(&u), "");
    undo_set_domain_lock(&u, "/x/7.lock");
    json_array_append_new(undo_devices(&u), json_pack("{s:s}", "ifname", "vif7.0"));
    assert_int_equal(undo_save(&u, &err), 0);
    undo_close(&u);

    domains = undo_domains(&count);
    assert_int_equal(count, 1);
    assert_int_equal(domains[0], 7);
    free(domains);
    assert_int_equal(undo_owner("ifname", "vif7.0"), 7);
    assert_int_equal(undo_owner("ifname", "vif7.1"), 0);

    assert_int_equal(undo_open(&u, 7, true, &err), 0);
    assert_string_equal(undo_domain_lock(&u), "/x/7.lock");
    assert_int_equal(json_array_size(undo_devices(&u)), 1);
    json_array_clear(undo_devices(&u));
    assert_int_equal(undo_save(&u, &err), 0);
    undo_close(&u);
    assert_int_equal(nr_files(), 0);
}

/* Who waited finds the file of before gone and holds the new one. */
static void test_one_at_a_time(void **state)
{
    struct undo_list u, other;
    struct err err = {0};
    int status;
    pid_t child;

    assert_int_equal(undo_open(&u, 8, true, &err), 0);
    assert_int_equal(undo_open(&other, 8, false, &err), -EAGAIN);
    child = fork();
    if (child == 0) {
        close(u.lock_fd); /* the same open file: it would be held on */
        if (undo_open(&other, 8, true, &err) < 0)
            _exit(1);
        /* Somebody who comes now must not get it. */
        _exit(undo_open(&u, 8, false, &err) == -EAGAIN ? 0 : 2);
    }
    usleep(200000);
    undo_close(&u);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* While the claim of one is open, nobody else gets it. */
static void test_wait(void **state)
{
    struct undo_list u;
    struct err err = {0};
    char path[64];
    int fd;

    assert_int_equal(undo_open(&u, 10, true, &err), 0);
    fd = undo_claim_wait(&u, &err);
    assert_true(fd >= 0);
    assert_int_equal(undo_claim_wait(&u, &err), -EAGAIN);
    close(fd);
    fd = undo_claim_wait(&u, &err);
    assert_true(fd >= 0);
    undo_end_wait(&u);
    close(fd);
    undo_close(&u);
    snprintf(path, sizeof(path), "%s/hotplug/10.wait", dir);
    assert_int_equal(access(path, F_OK), -1);
}

/* A file that is no list is taken for none. */
static void test_damaged(void **state)
{
    static const char *const texts[] = {"", "{", "[]", "{\"devices\":3}"};
    char path[64];

    snprintf(path, sizeof(path), "%s/hotplug/9.json", dir);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        FILE *f = fopen(path, "w");
        struct undo_list u;
        struct err err = {0};

        assert_non_null(f);
        fputs(texts[i], f);
        fclose(f);
        assert_int_equal(undo_open(&u, 9, true, &err), 0);
        assert_int_equal(json_array_size(undo_devices(&u)), 0);
        assert_int_equal(undo_save(&u, &err), 0);
        undo_close(&u);
        assert_int_equal(access(path, F_OK), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_damaged),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
