/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * scope.h - out of the login session, where systemd runs. What root has started in a session would
 * be ended with all of the session's processes at a shutdown of the host, before or while
 * xendomains asks the guests to go down. In a scope of its own it is ended after that.
 */
#pragma once

/* If this process is root's and in a session, move it into a scope that goes before
 * xendomains.service, and with it all that it starts from now on: the domain `name`. That it does
 * not succeed is no more than a line in the log. */
void scope_leave_session(const char *name);
