/* SPDX-License-Identifier: MIT */
/* What the benchmarks of `duet bench` share. */
#ifndef TOOLS_BENCH_H
#define TOOLS_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The benchmarks; bench.c holds the table. argv[0] is "duet bench NAME". Exit codes as for commands.
 */
int bench_paths(int argc, char **argv);
int bench_tail(int argc, char **argv);
int bench_tun(int argc, char **argv);      /* bench/tun.c */
int bench_hold(int argc, char **argv);     /* bench/hold.c */
int bench_cores(int argc, char **argv);    /* bench/cores.c */
int bench_segments(int argc, char **argv); /* bench/segments.c */

/* Cases of speed by their names, all without any (bench/speed.c). argv[0] is "duet bench". */
int bench_speed(int argc, char **argv);
void bench_speed_list(FILE *to); /* one line each */

/* ---- work on several processors (bench_jobs.c) ---- */

/* One piece of work: fills result, of the size given to bench_jobs. Runs in a process of its own, so
 * nothing else that it changes is seen. */
typedef void bench_job(void *context, size_t number, void *result);

struct bench_jobs {
    const char *command; /* for complaints */
    size_t count;
    size_t result_size;
    unsigned jobs; /* processes at a time, >= 1 */
    bool progress; /* count on standard error, which is a terminal */
    bench_job *run;
    /* In the order of their numbers, each as soon as all before it are done. */
    void (*done)(void *context, size_t number, const void *result);
    void *context;
};

/* False after a complaint: processes could not be made, or one of them ended before its time. */
bool bench_run_jobs(const struct bench_jobs *jobs);

/* Processors of this machine, >= 1. */
unsigned bench_processors(void);
/* The calling thread, and what it starts, stay on that one from now on, if they may. */
void bench_pin(unsigned processor);

#endif
