/* SPDX-License-Identifier: MIT */
/* duet bench: a table of benchmarks and the way into each. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

#include "command.h"

struct benchmark {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
};

static const struct benchmark benchmarks[] = {
    {"hold", "bytes for each connection held, up to millions in this process", bench_hold},
    {"segments", "arrival and sending of one segment, by its kind", bench_segments},
    {"tun", "over a TUN device, beside its limit and passt", bench_tun},
    {"cores", "a stack in each of several threads beside one, in process and over TUN",
     bench_cores},
    {"paths", "goodput and completion times over bad paths, in virtual time", bench_paths},
    {"tail", "what the loss of the last segment of a flow costs, in virtual time", bench_tail},
};
enum { BENCHMARKS = sizeof benchmarks / sizeof benchmarks[0] };

static void print_help(FILE *to)
{
    fputs("Usage: duet bench [NAME...] [OPTION...]\n"
          "Measures; without a name, duet's speed in process, beside lwIP's, in all cases.\n"
          "\nCases of speed, of which several may be named, or all by what is before the dash:\n",
          to);
    bench_speed_list(to);
    fputs("\nBenchmarks of their own:\n", to);
    for (unsigned i = 0; i < BENCHMARKS; i++)
        fprintf(to, "  %-16s %s\n", benchmarks[i].name, benchmarks[i].summary);
    fputs("\n`duet bench NAME --help` says more.\n", to);
}

int command_bench(int argc, char **argv)
{
    static char called[64];

    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)) {
        print_help(stdout);
        return COMMAND_OK;
    }
    for (unsigned i = 0; i < BENCHMARKS && argc > 1; i++) {
        if (strcmp(benchmarks[i].name, argv[1]) == 0) {
            snprintf(called, sizeof called, "%s %s", argv[0], argv[1]);
            argv[1] = called;
            return benchmarks[i].run(argc - 1, argv + 1);
        }
    }
    return bench_speed(argc, argv);
}
