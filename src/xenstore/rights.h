/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * rights.h - who may do what to a node.
 */
#pragma once

#include "xenstore/conn.h"

/* May the connection's domain (or its target) read n, or write it? */
bool rights_allow(const struct conn *c, const struct node *n, bool write);
