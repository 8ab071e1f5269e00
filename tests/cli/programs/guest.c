/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * guest.c - a guest for tests of the tools: it starts in no time and does what its command line
 * says: poweroff, reboot, crash; anything else: it waits.
 */
#include "guest.h"

static bool starts_with(const char *text, const char *word)
{
    while (*word)
        if (*text++ != *word++)
            return false;
    return true;
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
    for (;;)
        block();
}
