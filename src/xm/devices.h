/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * devices.h - a domain's devices as their nodes in xenstore tell, which is what xm lists (or, where
 * there are none, as the domain process tells); and requests about them to the domain process.
 */
#pragma once

#include "base/json.h"
#include "xm/store.h"
#include "xm/verbs.h"

struct device_row {
    const char *path;    /* of the frontend; "" where a guest has none, only drives and cards */
    const char *backend; /* path of the backend, "??"; or what the device stands for */
    const char *mac;     /* of an interface, "??" */
    long long id, backend_id, handle, state, evtchn;
};

typedef void device_print(struct xs_client *xs, const struct device_row *row);

/* `xm CLASS-list [-l] Domain`: `heading` (when there is a device at all) and a row each; with
 * -l all nodes of the frontends as S-expressions. The verb's exit status. */
int devices_run_list(const struct verb *self, int argc, char **argv, const char *class,
                     const char *heading, device_print *print);

/* Send a request to a domain's process and wait for its answer. `request` is taken. The verb's
 * exit status. */
int devices_request(const char *domain, json_t *request);
/* The same with a descriptor (borrowed) that goes with it; -1 = none. */
int devices_request_with_fd(const char *domain, json_t *request, int fd);

/* A device that a domain's process has, by number, name or MAC address: a new object; NULL if
 * there is none. `class`: "vif", "vbd". */
json_t *devices_find(domid_t domid, const char *class, const char *name);
/* A device that the guest has been asked to let go: wait for that, then run its script. If it
 * takes long the script runs at the domain's end. The verb's exit status. */
int devices_finish_detach(domid_t domid, const char *class, unsigned int devid);
