/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * domain_sxp_places.h - which option is which element of a domain's S-expression; for its
 * writer (domain_sxp.c) and its reader (domain_sxp_read.c). Options that are not here have no
 * place in it, or one of their own in that code.
 */
#pragma once

#include "base/types.h"

struct sxp_place {
    const char *option;
    const char *element; /* its name in the S-expression */
    bool always;         /* written with its default, too */
};

/* Ends with an entry without option. */
extern const struct sxp_place sxp_places_domain[]; /* of (vm ...) */
extern const struct sxp_place sxp_places_linux[];  /* of (image (linux ...)) */
extern const struct sxp_place sxp_places_hvm[];    /* of (image (hvm ...)) */

/* Options whose strings are KEY=VALUE,... and become (device (ELEMENT (KEY VALUE) ...)). */
extern const struct sxp_place sxp_places_devices[];
