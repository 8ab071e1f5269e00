/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * scope.c - see scope.h. systemd is asked over the socket that root has to it, which needs no bus
 * daemon.
 */
#define _GNU_SOURCE
#include "toolstack/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-login.h>
#include <time.h>
#include <unistd.h>

#include "toolstack/xend_log.h"

#define ADDRESS "unix:path=/run/systemd/private"
#define LOOK_MS 10
#define MOST_LOOKS 300

static bool in_session(void)
{
    char *session = NULL;
    bool found = sd_pid_get_session(0, &session) >= 0;

    free(session);
    return found;
}

static int open_manager(sd_bus **ret)
{
    int r = sd_bus_new(ret);

    if (r >= 0)
        r = sd_bus_set_address(*ret, ADDRESS);
    return r < 0 ? r : sd_bus_start(*ret);
}

/* One call: the name, what if there is one, its properties, no other units. */
static int start_scope(sd_bus *bus, const char *domain)
{
    char unit[64], description[128];
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r;

    snprintf(unit, sizeof(unit), "xenolith-%d.scope", (int)getpid());
    snprintf(description, sizeof(description), "Xen guest %.64s", domain);
    r = sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                           "org.freedesktop.systemd1.Manager", "StartTransientUnit", &error, NULL,
                           "ssa(sv)a(sa(sv))", unit, "fail", 5, "Description", "s", description,
                           "Slice", "s", "machine.slice", "PIDs", "au", 1, (uint32_t)getpid(),
                           "Before", "as", 1, "xendomains.service", "CollectMode", "s",
                           "inactive-or-failed", 0);
    if (r < 0)
        xend_log(XEND_WARNING, "domain '%s' stays in the login session: %s", domain,
                 error.message ? error.message : strerror(-r));
    sd_bus_error_free(&error);
    return r;
}

void scope_leave_session(const char *name)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000l};
    sd_bus *bus = NULL;
    int r;

    if (geteuid() != 0 || sd_booted() <= 0 || !in_session())
        return;
    r = open_manager(&bus);
    if (r < 0)
        xend_log(XEND_WARNING, "domain '%s' stays in the login session: no answer from systemd: %s",
                 name, strerror(-r));
    else
        r = start_scope(bus, name);
    sd_bus_flush_close_unref(bus);
    /* The answer comes before the deed. */
    for (int i = 0; r >= 0 && in_session() && i < MOST_LOOKS; i++)
        nanosleep(&pause, NULL);
}
