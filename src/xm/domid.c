/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * domid.c - xm domid and xm domname: from a domain's name to its id and back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "toolstack/domains.h"
#include "xm/verbs.h"

/* The one domain that is named. Less than 0: found; else the verb's exit status. */
static int find_one(const struct verb *self, int argc, char **argv, struct registry_entry *entry)
{
    struct err err = {0};
    int rc = verb_check_arguments(self, argc, argv, 1, 1);

    if (rc < 0 && !domains_is_host(argv[1]) && domains_find(argv[1], entry, &err) < 0)
        return verb_error(&err);
    return rc;
}

static int run_domid(const struct verb *self, int argc, char **argv)
{
    struct registry_entry entry = {0};
    int rc = find_one(self, argc, argv, &entry);

    if (rc >= 0)
        return rc;
    printf("%u\n", entry.domid);
    return XM_OK;
}

static int run_domname(const struct verb *self, int argc, char **argv)
{
    struct registry_entry entry = {.name = "Domain-0"};
    int rc = find_one(self, argc, argv, &entry);

    if (rc >= 0)
        return rc;
    printf("%s\n", entry.name);
    return XM_OK;
}

const struct verb verb_domid = {
    .name = "domid",
    .arguments = "<DomainName>",
    .summary = "Print a domain's id.",
    .details = "",
    .run = run_domid,
};

const struct verb verb_domname = {
    .name = "domname",
    .arguments = "<DomId>",
    .summary = "Print a domain's name.",
    .details = "",
    .run = run_domname,
};
