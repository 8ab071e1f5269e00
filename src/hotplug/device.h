/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * device.h - what the devices of all classes have in common here: keys in xenstore as scripts
 * expect them, the script, its answer. While a domain process runs, the keys are its own
 * (backend/xenbus.h); here they are made for the time before and after.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "base/types.h"
#include "xenstore/client.h"

#define DEVICE_VALUE_MAX 4096

struct device {
    const char *class; /* "vif", "vbd" */
    domid_t domid;
    unsigned int devid;
    char path[64]; /* XENBUS_PATH, relative as Xen has it */
    char full[96];
};

/* From an object with a devid. */
void device_init(struct device *d, const char *class, domid_t domid, const json_t *object);

/* Make its directory ours alone until device_end(), and empty: the domain's process, which
 * has its devices' nodes else, may have been taken over, and scripts believe what is there. */
void device_begin(struct xs_client *store, const struct device *d);
void device_end(struct xs_client *store);
/* What the answers of stores below are: 0 or -errno. */
int device_put(struct xs_client *store, const struct device *d, const char *key, const char *fmt,
               ...) PRINTF_FMT(4, 5);
/* The keys that every device has, and of `keys` (ends with NULL) the texts that the object has. */
int device_put_keys(struct xs_client *store, const struct device *d, const json_t *object,
                    const char *const *keys);
/* A new text, NULL if there is none. */
char *device_read(struct xs_client *store, const struct device *d, const char *key);
/* Remove the directory, and that of the domain when it is empty. */
void device_remove_keys(struct xs_client *store, const struct device *d);

/* Run the script of the object with `command` and `more` variables (ends with NULL, at most
 * 4); the option says how many seconds it has. 0 or -errno. */
int device_run(const struct device *d, const json_t *object, const char *command,
               const char *const *more, const char *timeout_option, struct err *err) MUST_CHECK;
/* After device_run() returned rc: the script may also have failed by what it wrote. 0, or
 * -errno with the sentence for "xm create". */
int device_answer(struct xs_client *store, const struct device *d, int rc,
                  struct err *err) MUST_CHECK;
/* Make that sentence of what err says. */
int device_refuse(const struct device *d, struct err *err);
