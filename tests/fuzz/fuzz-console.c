/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz-console.c - what a guest can do to the console by its ring's page, and clients by what they
 * type. Records:
 *
 *   u8 0, u16, u8 n, n bytes   into the page at u16
 *   u8 1, u8, u32              index (u8 % 4: in_cons in_prod out_cons out_prod) := this
 *   u8 2, u8 n, n bytes        the guest prints properly; the text is whatever fits
 *   u8 3                       the guest signals its port
 *   u8 4, u8 n, n bytes        a client types
 *   u8 5                       a new life: detach, attach
 *   u8 6, u8 n, n bytes        the console_io hypercall
 *
 * After each signal the client must have got what was in the ring, if the indices made sense, and
 * the ring must be empty. What is typed must be in the ring, or wait.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/console.h"
#include "backend/console_ring.h"
#include "fuzz_domain.h"
#include "fuzz_input.h"

#include <xen/io/console.h>

#define PAGES 16u
#define CONSOLE_FRAME 6u
#define TYPED_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct domain dom;
static struct loop *loop;
static int client; /* our end */
static struct xencons_interface *ring;

static void set_up_once(void)
{
    struct err err = {0};

    if (dom.ram.base)
        return;
    fuzz_domain_init(&dom, PAGES, CONSOLE_FRAME, 7);
    dom.wake_fd = eventfd(0, EFD_NONBLOCK);
    must(loop_create(&loop, &err) == 0, "a loop");
    ring = ram_frame(&dom.ram, CONSOLE_FRAME);
}

static void connect_all(void)
{
    struct console_config config = {
        .loop = loop, .lock = &dom.lock, .wake_fd = dom.wake_fd, .log_path = "", .socket_path = ""};
    struct err err = {0};
    int pair[2];

    memset(ring, 0, PAGE_SIZE);
    must(console_create(&dom.console, &config, &err) == 0, "a console");
    must(console_attach(dom.console, &dom, &err) == 0, "its life");
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "a socket");
    must(console_add_client(dom.console, pair[0]) == 0, "a client");
    client = pair[1];
}

/* What is in the ring for us; -1 if the indices are impossible. */
static int expected(char *to)
{
    uint32_t n = ring->out_prod - ring->out_cons;

    if (n > CONSOLE_RING_OUT)
        return -1;
    for (uint32_t i = 0; i < n; i++)
        to[i] = ring->out[(ring->out_cons + i) & (CONSOLE_RING_OUT - 1)];
    return (int)n;
}

/* All that the client has been sent. */
static size_t client_read(char *buf, size_t size)
{
    ssize_t n = recv(client, buf, size, MSG_DONTWAIT);

    return n > 0 ? (size_t)n : 0;
}

static void signal_port(void)
{
    char want[CONSOLE_RING_OUT], got[CONSOLE_RING_OUT + 1];
    int n = expected(want);

    console_guest_notify(&dom);
    must(ring->out_cons == ring->out_prod, "the ring is empty");
    must(client_read(got, sizeof(got)) == (n > 0 ? (size_t)n : 0), "the client has all of it");
    must(n <= 0 || memcmp(got, want, (size_t)n) == 0, "and nothing else");
}

static void print(struct input *in)
{
    uint8_t n = (uint8_t)take_number(in, 1);

    while (n-- > 0 && ring->out_prod - ring->out_cons < CONSOLE_RING_OUT)
        take(in, &ring->out[ring->out_prod++ & (CONSOLE_RING_OUT - 1)], 1);
}

static void type(struct input *in)
{
    uint32_t before = ring->in_prod, room = CONSOLE_RING_IN - (before - ring->in_cons);
    uint8_t n = (uint8_t)take_number(in, 1) % TYPED_MAX;
    char text[TYPED_MAX];

    take(in, text, n);
    if (n > 0)
        must(send(client, text, n, MSG_DONTWAIT) == n, "the socket takes it");
    loop_run_once(loop, 0);
    if (room > CONSOLE_RING_IN)
        must(ring->in_prod == before, "nothing is put into a ring that is broken");
    else
        must(ring->in_prod - before <= room, "no more than there is room for");
}

static void write_page(struct input *in)
{
    size_t at = take_number(in, 2) % PAGE_SIZE;
    size_t n = take_number(in, 1);

    take(in, (uint8_t *)ring + at, n < PAGE_SIZE - at ? n : PAGE_SIZE - at);
}

static void print_by_hypercall(struct input *in)
{
    uint8_t n = (uint8_t)take_number(in, 1);
    char text[256], got[1024];

    take(in, text, n);
    console_io_write(&dom, text, n);
    (void)client_read(got, sizeof(got));
}

static void do_record(struct input *in)
{
    XENCONS_RING_IDX *const index[] = {&ring->in_cons, &ring->in_prod, &ring->out_cons,
                                       &ring->out_prod};
    char got[CONSOLE_RING_OUT];
    uint8_t which;

    switch (take_number(in, 1) % 7) {
    case 0:
        write_page(in);
        break;
    case 1:
        which = (uint8_t)take_number(in, 1);
        *index[which % 4] = take_number(in, 4);
        break;
    case 2:
        print(in);
        break;
    case 3:
        signal_port();
        break;
    case 4:
        type(in);
        break;
    case 5:
        console_detach(dom.console);
        must(console_attach(dom.console, &dom, NULL) == 0, "the next life");
        (void)client_read(got, sizeof(got));
        break;
    default:
        print_by_hypercall(in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    set_up_once();
    connect_all();
    while (in.left)
        do_record(&in);
    must(console_tick(dom.console) == -1, "nobody waits");
    console_detach(dom.console);
    console_destroy(dom.console);
    loop_run_once(loop, 0);
    close(client);
    return 0;
}
