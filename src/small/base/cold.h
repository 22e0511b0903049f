/* SPDX-License-Identifier: MIT */
/* The small build's stand-in for src/base/cold.h: a function that is called once costs least in its caller. */
#ifndef BASE_COLD_H
#define BASE_COLD_H

#define COLD

#endif
