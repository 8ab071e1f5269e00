/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * guest.c - a guest for tests of the tools: it starts in no time and does what its command line
 * says: poweroff, reboot, crash; suspend: it lets itself be saved, and counts; anything else: it
 * waits.
 */
#include "guest.h"
#include "xenstore.h"

static bool starts_with(const char *text, const char *word)
{
    while (*word)
        if (*text++ != *word++)
            return false;
    return true;
}

/* As Linux does it, with less ado: nothing of it has to be set up anew. */
static void suspend_if_asked(unsigned long count)
{
    struct sched_shutdown how = {.reason = SHUTDOWN_suspend};
    const char *word = xs_read("control", "shutdown");
    long rc;

    if (!word || !starts_with(word, "suspend"))
        return;
    xs_write("control", "shutdown", "");
    console_drain();
    rc = hypercall3(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &how, va_to_mfn(start_info));
    print(rc ? "cancelled at %lu\n" : "resumed at %lu\n", count);
}

static _Noreturn void serve_and_count(void)
{
    static const uint64_t turn = SECOND / 100;

    for (unsigned long count = 1;; count++) {
        uint64_t next = now() + turn;
        struct sched_poll wait = {.timeout = next};

        if (count % 20 == 0)
            print("count %lu\n", count);
        suspend_if_asked(count);
        sched_op(SCHEDOP_poll, &wait);
    }
}

void test_main(void)
{
    static const char *const words[] = {
        [SHUTDOWN_poweroff] = "poweroff",
        [SHUTDOWN_reboot] = "reboot",
        [SHUTDOWN_crash] = "crash",
    };
    const char *line = (const char *)start_info->cmd_line;

    print("ready\n");
    console_drain();
    for (unsigned int i = 0; i < ARRAY_SIZE(words); i++)
        if (words[i] && starts_with(line, words[i]))
            shutdown(i);
    if (starts_with(line, "suspend"))
        serve_and_count();
    for (;;)
        block();
}
