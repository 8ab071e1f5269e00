/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * start.c - see start.h.
 */
#include "toolstack/start.h"

#include <errno.h>
#include <string.h>

#include "toolstack/launch.h"
#include "toolstack/record.h"
#include "toolstack/registry.h"
#include "toolstack/scope.h"
#include "toolstack/xend_config.h"
#include "toolstack/xend_log.h"
#include "xenstore/start.h"

#define DOMAIN_PROGRAM "xenolith-domain"

/* What a domain process needs besides the config. */
static int add_paths(json_t *doc, const struct registry_claim *claim, struct err *err)
{
    const char *name = json_get_string(doc, "name", "");
    char dir[PATHS_MAX];
    int rc = paths_log_dir(dir, err);

    if (rc)
        return rc;
    json_object_set_new(doc, "log", json_sprintf("%s/%s.log", dir, name));
    json_object_set_new(doc, "console_log", json_sprintf("%s/console-%s.log", dir, name));
    json_object_set_new(doc, "status", json_sprintf("%s/%s.status", dir, name));
    rc = paths_dump_dir(dir, err);
    if (rc < 0)
        return rc;
    json_object_set_new(doc, "dump_dir", json_string(dir));
    json_object_set_new(doc, "domid", json_integer(claim->domid));
    json_object_set_new(doc, "socket", json_string(claim->socket_path));
    json_object_set_new(doc, "lock", json_string(claim->lock_path));
    return 0;
}

static int launch(const struct start_request *r, const char *program, struct registry_claim *claim,
                  struct err *err)
{
    long keep_mib = xend_config_int(xend_config_own(), "dom0-min-mem");
    struct xs_client *store = NULL;
    json_t *record;
    int rc = xs_connect_or_start(&store, err);

    if (rc < 0)
        return rc;
    record = record_make(r->doc, r->sxp, r->managed);
    rc = registry_claim(claim, record, keep_mib > 0 ? (uint64_t)keep_mib * 1024 : 0, err);
    json_decref(record);
    if (rc == 0) {
        rc = add_paths(r->doc, claim, err);
        if (rc == 0)
            rc = launch_domain(program, r->doc, claim,
                               &(struct launch_fds){r->clients, r->nr_clients, r->image}, err);
        registry_claim_done(claim, rc < 0);
    }
    xs_close(store); /* the domain keeps xenstored from now on */
    return rc;
}

int domain_start(const struct start_request *r, domid_t *ret_domid, struct err *err)
{
    const char *name = json_get_string(r->doc, "name", "");
    struct registry_claim claim = {0};
    char program[PATHS_MAX];
    int rc = paths_helper(program, DOMAIN_PROGRAM, err);

    if (rc == 0) {
        scope_leave_session(name);
        rc = launch(r, program, &claim, err);
    }
    if (rc < 0) {
        xend_log(XEND_ERROR, "domain '%s' does not start: %s", name, err->msg);
        return rc;
    }
    *ret_domid = claim.domid;
    xend_log(XEND_INFO, "domain '%s' started as %u, uuid %s", name, claim.domid,
             json_get_string(r->doc, "uuid", ""));
    return 0;
}
