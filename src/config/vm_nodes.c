/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vm_nodes.c - see vm_nodes.h. Passwords are not among it. Sizes and names, which change while the
 * domain runs, are the domain process's to write.
 */
#include "config/vm_nodes.h"

#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "config/domain_config.h"

/* Options under their own names, with xend's defaults. */
static const struct {
    const char *node, *option, *otherwise;
} nodes[] = {
    {"on_xend_start", "on_xend_start", "ignore"},
    {"on_xend_stop", "on_xend_stop", "ignore"},
    {"bootloader", "bootloader", ""},
    {"bootloader_args", "bootargs", ""},
    {"pool_name", "pool", "Pool-0"},
    {"description", "description", ""},
    {"image/kernel", "kernel", ""},
    {"image/ramdisk", "ramdisk", ""},
};

static void put(json_t *vm, const char *node, const char *text)
{
    if (text[0])
        json_object_set_new(vm, node, json_string(text));
}

int vm_nodes_add(const struct config *c, json_t *doc, struct err *err)
{
    static const char *const actions[] = {"on_poweroff", "on_reboot", "on_crash"};
    json_t *vm = json_object();
    char number[24];

    for (size_t i = 0; vm && i < ARRAY_SIZE(nodes); i++)
        put(vm, nodes[i].node, config_string(c, nodes[i].option, nodes[i].otherwise));
    for (size_t i = 0; vm && i < ARRAY_SIZE(actions); i++)
        put(vm, actions[i], json_get_string(doc, actions[i], ""));
    if (vm) {
        snprintf(number, sizeof(number), "%lld", (long long)config_int(c, "shadow_memory", 0));
        put(vm, "shadow_memory", number);
        put(vm, "image/ostype", domain_config_is_hvm(c) ? "hvm" : "linux");
        put(vm, "image/cmdline", json_get_string(doc, "cmdline", ""));
    }
    return vm && json_object_set_new(doc, "vm", vm) == 0 ? 0
                                                         : err_set(err, ENOMEM, "out of memory");
}
