/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * install_tree.h - an installation tree on a web, FTP or NFS server or in a directory: where in
 * it the installer's kernel and ramdisk are, and how they get here.
 */
#pragma once

#include "base/err.h"
#include "base/types.h"

struct install_tree {
    char kernel[512], ramdisk[512]; /* files of ours, to be removed; "" = none */
    bool red_hat;                   /* its installer wants to be told where the tree is */
};

/* Find out what kind of tree it is and fetch both files into `dir`. 0 or -errno with a sentence
 * that says what was tried; then no file is left. */
int install_tree_fetch(struct install_tree *tree, const char *location, const char *dir,
                       struct err *err) MUST_CHECK;
void install_tree_remove(struct install_tree *tree);
