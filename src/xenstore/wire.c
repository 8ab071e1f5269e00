/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire.c - see wire.h.
 */
#include "xenstore/wire.h"

#include <stdio.h>
#include <string.h>

#include "xenstore/client.h"

const char *xs_error_name(int code)
{
    for (size_t i = 0; i < ARRAY_SIZE(xsd_errors); i++) {
        if (xsd_errors[i].errnum == code)
            return xsd_errors[i].errstring;
    }
    return "EINVAL";
}

int xs_error_code(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(xsd_errors); i++) {
        const char *text = xsd_errors[i].errstring;

        if (strnlen(name, len) == strlen(text) && !memcmp(name, text, strlen(text)))
            return xsd_errors[i].errnum;
    }
    return EIO;
}

size_t xs_perm_format(char buf[static XS_PERM_TEXT], const struct xs_perm *perm)
{
    return (size_t)snprintf(buf, XS_PERM_TEXT, "%c%u", perm->mode, perm->id);
}

int xs_domid_parse(const char *text, domid_t *ret)
{
    unsigned int id = 0;

    if (!text[0] || strspn(text, "0123456789") != strlen(text) || strlen(text) > 5)
        return -EINVAL;
    for (; *text; text++)
        id = id * 10 + (unsigned int)(*text - '0');
    *ret = (domid_t)id;
    return id > UINT16_MAX ? -EINVAL : 0;
}

int xs_perm_parse(const char *text, struct xs_perm *ret)
{
    if (!text[0] || !strchr("nrwb", text[0]))
        return -EINVAL;
    ret->mode = text[0];
    return xs_domid_parse(text + 1, &ret->id);
}
