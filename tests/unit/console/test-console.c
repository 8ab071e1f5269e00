/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * test-console.c - the console between a guest's ring, a log file and clients: nothing is
 * lost, a client that does not read does not stop the guest, typed text waits for room. Clients
 * by socket and by pseudo terminal come and go.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "backend/console.h"
#include "backend/console_log.h"
#include "backend/console_out.h"
#include "backend/console_ring.h"
#include "base/io.h"
#include "cpu/pv/abi.h"
#include "domain/domain.h"
#include "domain/evtchn.h"

#include <xen/io/console.h>

/* What the console calls in the rest of the domain. */
static uint8_t page[PAGE_SIZE];
static unsigned int notified;
static evtchn_handler *port_handler;

void *ram_frame(const struct ram *ram, mfn_t mfn)
{
    return mfn == 5 ? page : NULL;
}

void evtchn_notify(struct domain *d, port_t port)
{
    assert_int_equal(port, 2);
    notified++;
}

int evtchn_set_handler(struct domain *d, port_t port, evtchn_handler *fn, void *arg)
{
    port_handler = fn;
    return 0;
}

struct fixture {
    struct domain d;
    struct loop *loop;
    char dir[32], log[64], socket[64];
    struct xencons_interface *ring;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct console_config config;

    memset(page, 0, sizeof(page));
    notified = 0;
    strcpy(f->dir, "/tmp/xl-console.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->log, sizeof(f->log), "%s/log", f->dir);
    f->ring = (struct xencons_interface *)page;
    pthread_mutex_init(&f->d.lock, NULL);
    f->d.domid = 7;
    f->d.console_mfn = 5;
    f->d.console_port = 2;
    f->d.wake_fd = eventfd(0, EFD_NONBLOCK);
    assert_int_equal(loop_create(&f->loop, NULL), 0);
    snprintf(f->socket, sizeof(f->socket), "%s/socket", f->dir);
    config = (struct console_config){.loop = f->loop,
                                     .lock = &f->d.lock,
                                     .wake_fd = f->d.wake_fd,
                                     .log_path = f->log,
                                     .socket_path = f->socket,
                                     .pty = true};
    assert_int_equal(console_create(&f->d.console, &config, NULL), 0);
    assert_int_equal(console_attach(f->d.console, &f->d, NULL), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    console_destroy(f->d.console);
    loop_destroy(f->loop);
    close(f->d.wake_fd);
    unlink(f->log);
    assert_int_equal(rmdir(f->dir), 0); /* the socket's file is gone with the console */
    free(f);
    return 0;
}

static size_t guest_print(struct fixture *f, const char *text, size_t n)
{
    size_t i;

    for (i = 0; i < n && f->ring->out_prod - f->ring->out_cons < CONSOLE_RING_OUT; i++)
        f->ring->out[f->ring->out_prod++ & (CONSOLE_RING_OUT - 1)] = text[i];
    port_handler(&f->d, NULL);
    return i;
}

static int add_client(struct fixture *f)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(console_add_client(f->d.console, pair[0]), 0);
    return pair[1];
}

static void expect_text(int fd, const char *text)
{
    char buf[512] = "";
    ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

    assert_int_equal(n, strlen(text));
    assert_string_equal(buf, text);
}

static void expect_log(struct fixture *f, const char *text)
{
    char *log = NULL;
    size_t n;

    assert_int_equal(io_read_file(f->log, 1 << 20, &log, &n, NULL), 0);
    assert_string_equal(log, text);
    free(log);
}

static void test_output_everywhere(void **state)
{
    struct fixture *f = *state;
    int early = add_client(f), late;

    assert_int_equal(guest_print(f, "one\r\n", 5), 5);
    expect_text(early, "one\r\n");
    late = add_client(f);
    expect_text(late, "one\r\n"); /* the backlog */
    guest_print(f, "two\r\n", 5);
    expect_text(early, "two\r\n");
    expect_text(late, "two\r\n");
    expect_log(f, "one\r\ntwo\r\n");
    close(early);
    close(late);
}

/* The hypercall's text appears until the guest uses its ring, with carriage returns. */
static void test_console_io(void **state)
{
    struct fixture *f = *state;
    int client = add_client(f);
    char *dmesg;

    console_io_write(&f->d, "early\nx\r\n", 9);
    expect_text(client, "early\r\nx\r\n");
    guest_print(f, "ring\r\n", 6);
    expect_text(client, "ring\r\n");
    console_io_write(&f->d, "again\n", 6);
    assert_int_equal(recv(client, &(char){0}, 1, MSG_DONTWAIT), -1);
    dmesg = console_dmesg_text(f->d.console, true);
    assert_string_equal(dmesg, "(d7) early\n(d7) x\n(d7) again\n");
    free(dmesg);
    close(client);
}

static void test_dmesg(void **state)
{
    struct fixture *f = *state;
    char *dmesg;

    console_io_write(&f->d, "half", 4);
    console_dmesg_printf(f->d.console, "number %d", 5);
    console_io_write(&f->d, "\x1b[2J\xff\n", 6);
    dmesg = console_dmesg_text(f->d.console, true);
    assert_string_equal(dmesg, "(d7) half\n(XEN) number 5\n(d7) ?[2J?\n");
    free(dmesg);
    for (int i = 0; i < 5000; i++)
        console_dmesg_printf(f->d.console, "line %d", i);
    dmesg = console_dmesg_text(f->d.console, false);
    assert_true(strlen(dmesg) <= 32 * 1024 && strlen(dmesg) > 30 * 1024);
    assert_int_equal(strncmp(dmesg, "(XEN) line ", 11), 0);
    assert_non_null(strstr(dmesg, "(XEN) line 4999\n"));
    free(dmesg);
}

static void test_last_words(void **state)
{
    struct fixture *f = *state;

    /* Written, but the guest died before it could signal. */
    memcpy(f->ring->out, "last", 4);
    f->ring->out_prod = 4;
    console_detach(f->d.console);
    expect_log(f, "last");
    assert_int_equal(console_attach(f->d.console, &f->d, NULL), 0);
}

static void test_hostile_indices(void **state)
{
    struct fixture *f = *state;

    f->ring->out_prod = 0x12345678;
    port_handler(&f->d, NULL);
    assert_int_equal(f->ring->out_cons, f->ring->out_prod);
    guest_print(f, "fine", 4);
    expect_log(f, "fine");
}

static void test_no_such_frame(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};

    console_detach(f->d.console);
    f->d.console_mfn = 6;
    assert_int_equal(console_attach(f->d.console, &f->d, &err), -EINVAL);
    f->d.console_mfn = 5;
    assert_int_equal(console_attach(f->d.console, &f->d, NULL), 0);
}

/* Room in the ring is signalled: some guests wait for it, or for the last of it to go. */
static void test_notify(void **state)
{
    struct fixture *f = *state;
    char text[CONSOLE_RING_OUT];

    memset(text, 'a', sizeof(text));
    guest_print(f, "x", 1);
    assert_int_equal(notified, 1);
    assert_int_equal(guest_print(f, text, sizeof(text)), sizeof(text));
    assert_int_equal(notified, 2);
    assert_int_equal(f->ring->out_cons, f->ring->out_prod);
}

static void test_input(void **state)
{
    struct fixture *f = *state;
    int client = add_client(f);

    assert_int_equal(write(client, "abc", 3), 3);
    loop_run_once(f->loop, 0);
    assert_int_equal(f->ring->in_prod, 3);
    assert_memory_equal(f->ring->in, "abc", 3);
    assert_int_equal(notified, 1);
    close(client);
}

/* More than the ring holds: the rest waits until the guest has read. */
static void test_input_waits(void **state)
{
    struct fixture *f = *state;
    int client = add_client(f);
    char text[5000];
    uint32_t got = 0;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    assert_int_equal(write(client, text, sizeof(text)), sizeof(text));
    for (int i = 0; i < 100 && got < sizeof(text); i++) {
        loop_run_once(f->loop, 0);
        assert_true(f->ring->in_prod - f->ring->in_cons <= CONSOLE_RING_IN);
        for (; f->ring->in_cons != f->ring->in_prod; f->ring->in_cons++, got++)
            assert_int_equal(f->ring->in[f->ring->in_cons & (CONSOLE_RING_IN - 1)], text[got]);
        port_handler(&f->d, NULL);
    }
    assert_int_equal(got, sizeof(text));
    close(client);
}

static void test_end_of_input_is_no_end(void **state)
{
    struct fixture *f = *state;
    int client = add_client(f);

    shutdown(client, SHUT_WR);
    for (int i = 0; i < 3; i++)
        loop_run_once(f->loop, 0);
    guest_print(f, "still here", 10);
    expect_text(client, "still here");
    close(client);
}

static void test_client_goes(void **state)
{
    struct fixture *f = *state;
    int client = add_client(f);

    close(client);
    guest_print(f, "anybody?", 8);
    for (int i = 0; i < 3; i++)
        loop_run_once(f->loop, 0);
    guest_print(f, "no", 2);
    assert_true(console_is_flushed(f->d.console));
    expect_log(f, "anybody?no");
}

/* A client that never reads: the guest waits a bounded time, then goes on; the client sees
 * how much it missed. */
static void test_slow_client(void **state)
{
    struct fixture *f = *state;
    int client = add_client(f);
    char text[1000], buf[4096];
    size_t printed = 0, lost = 0, got = 0;
    bool waited = false;
    const char *note;
    ssize_t n;

    memset(text, 'z', sizeof(text));
    for (int i = 0; i < 3000 && printed < 2000000; i++) {
        size_t put = guest_print(f, text, sizeof(text));

        printed += put;
        if (put < sizeof(text)) {
            waited = true;
            usleep(CONSOLE_STALL_MS * 1000 / 20);
            console_tick(f->d.console);
        }
    }
    assert_true(waited);
    assert_true(printed >= 2000000);
    assert_false(console_is_flushed(f->d.console));
    for (int i = 0; i < 2000; i++) {
        n = recv(client, buf, sizeof(buf) - 1, MSG_DONTWAIT);
        if (n > 0) {
            buf[n] = '\0';
            note = strchr(buf, '[');
            if (note)
                assert_int_equal(sscanf(note, "[console: %zu bytes lost here]", &lost), 1);
            got += (size_t)n;
        }
        loop_run_once(f->loop, 0);
    }
    assert_true(lost > 0);
    assert_true(got > 256 * 1024);
    assert_true(console_is_flushed(f->d.console));
    guest_print(f, "again", 5);
    expect_text(client, "again");
    close(client);
}

static void test_too_many_clients(void **state)
{
    struct fixture *f = *state;
    int clients[CONSOLE_MAX_CLIENTS], pair[2];

    for (int i = 0; i < CONSOLE_MAX_CLIENTS; i++)
        clients[i] = add_client(f);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_true(console_is_full(f->d.console));
    assert_int_equal(console_add_client(f->d.console, pair[0]), -EBUSY);
    close(pair[0]);
    close(pair[1]);
    for (int i = 0; i < CONSOLE_MAX_CLIENTS; i++)
        close(clients[i]);
}

static void test_log_rotation(void **state)
{
    struct fixture *f = *state;
    struct console_log *log = NULL;
    char path[80], old[100];
    struct stat st;

    snprintf(path, sizeof(path), "%s/small", f->dir);
    assert_int_equal(console_log_open(&log, path, 10, 2, NULL), 0);
    for (int i = 0; i < 5; i++)
        console_log_write(log, "12345678", 8);
    console_log_close(log);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 8);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(path);
    for (int i = 1; i <= 2; i++) {
        snprintf(old, sizeof(old), "%s.%d", path, i);
        assert_int_equal(unlink(old), 0);
    }
    snprintf(old, sizeof(old), "%s.3", path);
    assert_int_equal(unlink(old), -1);
}

/* No old file is kept: what was written makes room. No limit: nothing goes. */
static void test_log_limits(void **state)
{
    struct fixture *f = *state;
    struct console_log *log = NULL;
    char path[80], old[100];
    struct stat st;

    snprintf(path, sizeof(path), "%s/small", f->dir);
    snprintf(old, sizeof(old), "%s.1", path);
    for (unsigned int limit = 0; limit <= 10; limit += 10) {
        assert_int_equal(console_log_open(&log, path, limit, 0, NULL), 0);
        for (int i = 0; i < 5; i++)
            console_log_write(log, "12345678", 8);
        console_log_close(log);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, limit ? 8 : 40);
        assert_int_equal(stat(old, &st), -1);
    }
    unlink(path);
}

static void run_loop(struct fixture *f)
{
    for (int i = 0; i < 5; i++)
        loop_run_once(f->loop, 5);
}

static void test_socket(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd[2];

    strcpy(address.sun_path, f->socket);
    guest_print(f, "before ", 7);
    for (int i = 0; i < 2; i++) {
        fd[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(fd[i], (struct sockaddr *)&address, sizeof(address)), 0);
    }
    run_loop(f);
    guest_print(f, "after", 5);
    for (int i = 0; i < 2; i++) {
        expect_text(fd[i], "before after");
        assert_int_equal(write(fd[i], "typed", 5), 5);
    }
    run_loop(f);
    assert_memory_equal(f->ring->in, "typedtyped", 10);
    close(fd[0]);
    close(fd[1]);
}

/* Text that is in a terminal for its reader. */
static void expect_in_terminal(int fd, const char *text)
{
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    char buf[512] = "";
    size_t n = 0;

    while (n < strlen(text) && poll(&pfd, 1, 2000) == 1) {
        ssize_t r = read(fd, buf + n, sizeof(buf) - 1 - n);

        assert_true(r > 0);
        n += (size_t)r;
    }
    assert_string_equal(buf, text);
    assert_int_equal(poll(&pfd, 1, 0), 0);
}

static void test_terminal(void **state)
{
    struct fixture *f = *state;
    const char *tty = console_tty(f->d.console);
    struct stat st;
    int fd;

    assert_int_equal(stat(tty, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    guest_print(f, "before\r\n", 8);
    run_loop(f);
    for (int i = 0; i < 3; i++) { /* each reader gets all of it, and nothing twice */
        fd = open(tty, O_RDWR | O_NOCTTY | O_NONBLOCK);
        assert_true(fd >= 0);
        run_loop(f);
        guest_print(f, "\tx\n", 3);
        if (i == 0) {
            expect_in_terminal(fd, "before\r\n\tx\n");
            assert_int_equal(write(fd, "ls\r\003", 4), 4);
            run_loop(f);
            assert_int_equal(f->ring->in_prod, 4);
            assert_memory_equal(f->ring->in, "ls\r\003", 4); /* no echo, no signals */
            run_loop(f);
        } else if (i == 2) {
            expect_in_terminal(fd, "before\r\n\tx\n\tx\n\tx\n");
        }
        close(fd); /* the second has read nothing */
        run_loop(f);
        assert_true(console_is_flushed(f->d.console));
    }
}

/* Nobody has it open: that costs nothing, and the guest never waits. */
static void test_terminal_unused(void **state)
{
    struct fixture *f = *state;
    char text[2000];

    memset(text, 'x', sizeof(text));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(guest_print(f, text, sizeof(text)), sizeof(text));
    assert_true(console_is_flushed(f->d.console));
    assert_int_equal(console_tick(f->d.console), -1);
}

/* A log on a full disk ends; the console goes on. */
static void test_log_fails(void **state)
{
    struct fixture *f = *state;
    struct console_log *log = NULL;
    struct err err = {0};

    assert_int_equal(console_log_open(&log, "/dev/full", 100, 1, NULL), 0);
    console_log_write(log, "x", 1);
    console_log_write(log, "x", 1);
    console_log_close(log);
    assert_int_equal(console_log_open(&log, "/nowhere/log", 100, 1, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "/nowhere/log"));
    (void)f;
}

/* --- a serial port in place of the ring ------------------------------------------------- */

static char typed_text[64];
static size_t typed_used, typed_room;

static size_t take_typed(void *arg, const void *buf, size_t n)
{
    if (n > typed_room)
        n = typed_room;
    memcpy(typed_text + typed_used, buf, n);
    typed_used += n;
    typed_room -= n;
    return n;
}

static void test_port(void **state)
{
    struct fixture *f = *state;
    char text[16] = "";
    int fd;

    console_detach(f->d.console);
    typed_used = 0;
    typed_room = 2;
    console_set_port(f->d.console, take_typed, NULL);
    fd = add_client(f);
    console_print(f->d.console, "login:", 6);
    assert_true(console_is_ready(f->d.console));
    assert_int_equal(recv(fd, text, sizeof(text), 0), 6);
    assert_memory_equal(text, "login:", 6);
    assert_int_equal(send(fd, "root\n", 5, 0), 5);
    assert_int_equal(loop_run_once(f->loop, 1000), 0);
    assert_int_equal(typed_used, 2);
    typed_room = sizeof(typed_text) - typed_used;
    console_resume_input(f->d.console);
    assert_int_equal(typed_used, 5);
    assert_memory_equal(typed_text, "root\n", 5);
    console_set_port(f->d.console, NULL, NULL);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_output_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_console_io, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dmesg, setup, teardown),
        cmocka_unit_test_setup_teardown(test_last_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_indices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_such_frame, setup, teardown),
        cmocka_unit_test_setup_teardown(test_notify, setup, teardown),
        cmocka_unit_test_setup_teardown(test_input, setup, teardown),
        cmocka_unit_test_setup_teardown(test_input_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_of_input_is_no_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_client, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_clients, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_terminal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_terminal_unused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_port, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
