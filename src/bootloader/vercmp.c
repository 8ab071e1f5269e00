/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vercmp.c - see vercmp.h.
 */
#include "bootloader/vercmp.h"

#include <ctype.h>
#include <string.h>

#include "base/types.h"

static bool is_part(char c)
{
    return isalnum((unsigned char)c) || c == '~';
}

static size_t run_of(const char *s, bool digits)
{
    size_t n = 0;

    while (digits ? isdigit((unsigned char)s[n]) : isalpha((unsigned char)s[n]))
        n++;
    return n;
}

/* Two runs of the same kind. */
static int compare_runs(const char *a, size_t na, const char *b, size_t nb, bool digits)
{
    int r;

    while (digits && na > 1 && *a == '0') {
        a++;
        na--;
    }
    while (digits && nb > 1 && *b == '0') {
        b++;
        nb--;
    }
    if (digits && na != nb)
        return na < nb ? -1 : 1;
    r = strncmp(a, b, na < nb ? na : nb);
    return r ? r : (na > nb) - (na < nb);
}

int vercmp(const char *a, const char *b)
{
    for (;;) {
        size_t na, nb;
        bool digits;
        int r;

        while (*a && !is_part(*a))
            a++;
        while (*b && !is_part(*b))
            b++;
        if (*a == '~' || *b == '~') {
            if (*a != *b)
                return *a == '~' ? -1 : 1;
            a++;
            b++;
            continue;
        }
        if (!*a || !*b)
            return (*a != 0) - (*b != 0);
        digits = isdigit((unsigned char)*a) != 0;
        if (digits != (isdigit((unsigned char)*b) != 0))
            return digits ? 1 : -1;
        na = run_of(a, digits);
        nb = run_of(b, digits);
        r = compare_runs(a, na, b, nb, digits);
        if (r)
            return r;
        a += na;
        b += nb;
    }
}
