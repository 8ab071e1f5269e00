/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * sanitizer.h - is this a build with a sanitizer? Their libraries make system calls that a jail
 * has no reason to allow, so such builds have none.
 */
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER true
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER false
#endif
