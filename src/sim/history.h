/* SPDX-License-Identifier: MIT */
/* One number for all that stacks did: the same history has the same number on every machine, and any
 * other has another one, but for once in 2^64. What is added is what can be seen through the public
 * interface, by its meaning and not by its place in memory: rules count by their names, so that a new
 * rule changes no history in which it does not apply. */
#ifndef DUET_SIM_HISTORY_H
#define DUET_SIM_HISTORY_H

#include "duet/trace.h"

static inline uint64_t history_add(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

uint64_t history_add_bytes(uint64_t hash, const uint8_t *bytes, size_t length);
uint64_t history_add_event(uint64_t hash, const struct duet_trace_event *event);
/* The counters of a stack, how often each rule and edge was met, and the status of all that it knows. */
uint64_t history_add_stack(uint64_t hash, const struct duet_stack *stack);

#endif
