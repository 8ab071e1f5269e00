/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vercmp.h - the order of versions.
 */
#pragma once

/* As rpm compares: runs of digits by value, runs of letters by alphabet, digits after letters;
 * '~' before everything, also before the end. Returns < 0, 0, > 0. */
int vercmp(const char *a, const char *b);
