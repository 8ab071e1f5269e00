/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * hostfile.h - the few files of the host that a process in a jail needs again and again: it says
 * before its launcher is made (base/launcher.h) which they are, and the launcher opens, replaces
 * and removes these and no others. Who has no launcher (tools, tests) may name any file.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

enum hostfile_right { HOSTFILE_READ = 1, HOSTFILE_REMOVE = 2, HOSTFILE_REPLACE = 4 };

/* May a file that nobody was told of before be used? The path comes from who may be taken over:
 * called in the launcher. */
typedef bool hostfile_rule(const char *path, enum hostfile_right right);

/* Before the launcher is made: this file, with these rights. An empty path is none. */
int hostfile_allow(const char *path, unsigned int rights, struct err *err) MUST_CHECK;
/* The same: and what this rule says. */
void hostfile_allow_rule(hostfile_rule *rule);

/* Open a file to read it. The descriptor or -errno; -EISDIR: it is no regular file. */
int hostfile_open(const char *path);
/* 0 or -errno. */
int hostfile_remove(const char *path);
/* Replace its content, of at most HOSTFILE_TEXT_MAX bytes, in one step. 0 or -errno. */
int hostfile_replace(const char *path, const char *text);

#define HOSTFILE_TEXT_MAX 4000

/* launcher_service: does these three things. */
struct launcher_request;
struct launcher_reply;
int hostfile_service(const struct launcher_request *request, struct launcher_reply *reply);
