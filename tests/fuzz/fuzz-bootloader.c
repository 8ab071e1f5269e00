/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * fuzz-bootloader.c - whatever a guest's boot loader config holds. The first byte of an input
 * chooses the language: 'g' grub.cfg, 'x' extlinux.conf, else menu.lst. Other files that it asks
 * for are the input itself again.
 *
 * Whatever it is: memory is bounded, and every entry that is left boots a kernel.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bootloader/search.h"
#include "fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_file(void *arg, const char *path, size_t max, char **ret, size_t *ret_len)
{
    *ret_len = strlen(arg);
    *ret = *ret_len <= max ? strdup(arg) : NULL;
    return *ret ? 0 : -EFBIG;
}

static int list_dir(void *arg, const char *path, char **ret)
{
    *ret = strdup("a.conf b.conf other");
    return *ret ? 0 : -ENOMEM;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text =
        size > 0 && size <= BOOT_CONFIG_MAX ? strndup((const char *)data + 1, size - 1) : NULL;
    struct boot_reader reader = {text, read_file, list_dir, "/boot/grub"};
    const char *path = "/boot/grub/menu.lst";
    struct boot_menu menu;

    if (!text)
        return 0;
    if (data[0] == 'g')
        path = "/boot/grub/grub.cfg";
    else if (data[0] == 'x')
        path = "/boot/grub/extlinux.conf";
    boot_menu_init(&menu);
    search_parse(&menu, path, text, &reader);
    must(arena_used(&menu.arena) < 3 * BOOT_ARENA_MAX, "memory is bounded");
    must(menu.count == 0 || boot_menu_default(&menu) < menu.count, "the default is an entry");
    for (unsigned int i = 0; i < menu.count; i++) {
        struct boot_target t;

        must(boot_entry_resolve(&menu, menu.entries[i], &t), "each entry boots a kernel");
        must(t.kernel[0] == '/', "paths are absolute");
        must(boot_entry_title(menu.entries[i]) != NULL, "each entry has a title");
    }
    boot_menu_done(&menu);
    free(text);
    return 0;
}
