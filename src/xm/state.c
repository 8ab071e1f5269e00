/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * state.c - xm domstate: one word about a domain; xl vm-list: names and uuids.
 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "toolstack/domains.h"
#include "xm/verbs.h"

static const char *word_of(const char *state)
{
    if (!state[0])
        return "shutoff";
    if (strchr(state, 'c'))
        return "crashed";
    if (strchr(state, 's') || strchr(state, 'd'))
        return "shutdown";
    if (strchr(state, 'p'))
        return "paused";
    return strchr(state, 'r') ? "running" : "idle";
}

static int run_domstate(const struct verb *self, int argc, char **argv)
{
    struct err err = {0};
    json_t *list = NULL;
    int rc = verb_check_arguments(self, argc, argv, 1, 1);

    if (rc >= 0)
        return rc;
    if (domains_collect_all(argv + 1, 1, &list, &err) < 0)
        return verb_error(&err);
    printf("%s\n", word_of(json_get_string(json_array_get(list, 0), "state", "")));
    json_decref(list);
    return XM_OK;
}

static int run_vm_list(const struct verb *self, int argc, char **argv)
{
    struct err err = {0};
    json_t *list = NULL, *info;
    size_t i;
    int rc = verb_check_arguments(self, argc, argv, 0, 0);

    if (rc >= 0)
        return rc;
    if (domains_collect(NULL, 0, &list, &err) < 0)
        return verb_error(&err);
    printf("UUID                                  ID    name\n");
    json_array_foreach(list, i, info)
    {
        printf("%s  %lld    %-30s\n", json_get_string(info, "uuid", "??"),
               (long long)json_get_int(info, "domid", -1), json_get_string(info, "name", "??"));
    }
    json_decref(list);
    return XM_OK;
}

const struct verb verb_domstate = {
    .name = "domstate",
    .arguments = "<Domain>",
    .summary = "Print what a domain is doing, in a word.",
    .details = "Words: shutoff, idle, shutdown, running, crashed, paused.\n",
    .run = run_domstate,
};

const struct verb verb_vm_list = {
    .name = "vm-list",
    .arguments = "",
    .summary = "List uuids, ids and names of running domains.",
    .details = "",
    .run = run_vm_list,
};
