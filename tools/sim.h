/* SPDX-License-Identifier: MIT */
/* What the files of `duet sim` share. */
#ifndef TOOLS_SIM_H
#define TOOLS_SIM_H

#include "duet/sim.h"

struct sim_campaign {
    const char *command;  /* for complaints */
    uint64_t first, last; /* seeds */
    bool swarm;
    uint8_t defect;
    unsigned jobs;
    double seconds; /* stop after so many of real time; 0: when the seeds are over */
    enum duet_sim_check check;
    bool json, hashes, shrinks, explains, progress;
    unsigned shrink_runs;
    const char *prefix; /* of files about failures, NULL: none */
};

/* What came of many worlds. */
struct sim_totals {
    uint64_t worlds, failed, died, events, packets, bytes, connections, hosts;
    uint64_t clean, reset, refused, timed_out, lost;
    double connection_hours, cpu_seconds;
    uint64_t faults[DUET_SIM_FAULTS];
};

/* ---- sim_campaign.c: worlds on several processors ---- */

/* Told of each world that failed, in no order. died: the signal that ended its process, 0: none. */
typedef void sim_failed(const struct sim_campaign *campaign, uint64_t seed,
                        const struct duet_sim_result *result, int died);
/* False after a complaint: processes could not be made. */
bool sim_run_campaign(const struct sim_campaign *campaign, sim_failed *failed,
                      struct sim_totals *totals);
/* One world in a process of its own, so that one that crashes can be told of. -1: no process. */
int sim_run_apart(const struct duet_sim_recipe *recipe, enum duet_sim_check check,
                  struct duet_sim_result *result);
double sim_now(void); /* seconds */

/* ---- sim_explain.c: failures ---- */

/* Shrinks the world if asked to, shows it and writes files. False: a file could not be written. */
bool sim_explain(const struct sim_campaign *campaign, const struct duet_sim_recipe *recipe);

/* ---- sim_timeline.c ---- */

/* PREFIX.pkt, if one end alone repeats what it did in the world. False: it could not be written. */
bool sim_write_timeline(const struct sim_campaign *campaign, const struct duet_sim_recipe *recipe);

/* ---- sim_report.c ---- */

void sim_report(const struct sim_campaign *campaign, const struct sim_totals *totals,
                double seconds);
void sim_report_failure(const struct sim_campaign *campaign, const struct duet_sim_recipe *recipe,
                        const struct duet_sim_result *result);
void sim_progress(const struct sim_totals *totals, double seconds, bool is_over);
void sim_json_text(const char *text); /* with its quotes */

#endif
