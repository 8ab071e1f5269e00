/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * toolstack-words - claim: what an administrator asks of a guest reaches it as the nodes that the
 * ABI names: sysrq as one character, memory/target in KiB, a vCPU's availability, a new device
 * with both its directories, the unplugging of one (online 0, state 5, gone after our 6), and
 * shutdown as a word that the guest clears in a transaction.
 *
 * test_guests.py is the administrator: it gives the next order when data/stage has gone on.
 * Blind spots: guests that do not answer (tests/cli).
 */
#include "device.h"

static void stage(unsigned long number)
{
    xs_write_number("data", "stage", number);
}

/* Until the node reads as that text. */
static bool wait_text(const char *dir, const char *key, const char *text)
{
    uint64_t limit = now() + 20 * SECOND;
    const char *value;

    do {
        value = xs_read(dir, key);
        if (value && xs_reply_size == strlen(text) && !memcmp(value, text, xs_reply_size))
            return true;
        sched_op(SCHEDOP_yield, NULL);
    } while (now() < limit);
    print("%s/%s reads %s\n", dir, key, value ? value : "(nothing)");
    return false;
}

static bool wait_gone(const char *dir)
{
    uint64_t limit = now() + 20 * SECOND;

    while (xs_read(dir, "state")) {
        if (now() > limit)
            return false;
        sched_op(SCHEDOP_yield, NULL);
    }
    return true;
}

static void check_words(void)
{
    CHECK_EQ(XS_ASK(XS_WATCH, "control/sysrq\0t"), XS_WATCH, "watch");
    CHECK(xs_wait_event("control/sysrq", "t"), "its first event");
    xs_nr_events = 0;
    stage(1);
    CHECK(wait_text("control", "sysrq", "h"), "sysrq");
    CHECK(xs_wait_event("control/sysrq", "t"), "its event");
    CHECK(xs_write("control", "sysrq", ""), "clearing it");
    stage(2);
    CHECK(wait_text("memory", "target", "24576"), "memory/target");
    CHECK_EQ(xs_read_number("memory", "static-max"), start_info->nr_pages * 4, "static-max");
    stage(3);
    CHECK(wait_text("cpu/1", "availability", "offline"), "vCPU 1's availability");
    CHECK(wait_text("cpu/0", "availability", "online"), "vCPU 0's availability");
}

static void check_devices(void)
{
    struct device disk;

    CHECK(!device_find(&disk, "vbd", 0), "a disk before there is one");
    CHECK_EQ(XS_ASK(XS_WATCH, "device\0d"), XS_WATCH, "watch");
    CHECK(xs_wait_event("device", "d"), "its first event");
    xs_nr_events = 0;
    stage(4);
    CHECK(xs_wait_event("device/vbd/51712/state", "d"), "no event for a new device");
    CHECK(device_find(&disk, "vbd", 0), "the new disk");
    CHECK(xs_wait_number(disk.back, "state", 2), "its backend has %s", xs_read(disk.back, "state"));
    CHECK_EQ(xs_read_number(disk.back, "online"), 1, "online");
    CHECK(xs_write_number(disk.front, "state", 1), "our state cannot be written");
    CHECK(!xs_write_number(disk.back, "state", 6), "its state can be written");
    /* A frontend that has looked at it and does not use it yet. */
    xs_write_number(disk.front, "state", 2);
    stage(5);
    CHECK(xs_wait_number(disk.back, "state", 5), "unplugging: the backend has %s",
          xs_read(disk.back, "state"));
    CHECK_EQ(xs_read_number(disk.back, "online"), 0, "online");
    CHECK(xs_read(disk.front, "state"), "our directory is gone before our state 6");
    xs_write_number(disk.front, "state", 6);
    CHECK(wait_gone(disk.front), "our directory stays");
    CHECK(wait_gone(disk.back), "the backend's directory stays");
}

/* As Linux does it: read and clear in one transaction, again if it was overtaken. */
static void check_shutdown(void)
{
    bool done = false;

    stage(6);
    CHECK(wait_text("control", "shutdown", "poweroff"), "shutdown");
    for (unsigned int i = 0; i < 10 && !done; i++) {
        uint32_t tx = xs_start();

        CHECK_EQ(xs_request(XS_READ, tx, "control/shutdown", 17), XS_READ, "reading it");
        CHECK_EQ(xs_request(XS_WRITE, tx, "control/shutdown", 17), XS_WRITE, "clearing it");
        done = xs_end(tx, true);
    }
    CHECK(done, "the transaction");
}

void test_main(void)
{
    check_words();
    check_devices();
    check_shutdown();
}
