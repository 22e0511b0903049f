/* SPDX-License-Identifier: MIT */
/* duet attack: the attack table against this build. Each row runs in a process of its own, so that
 * one that crashes or does not come back is a row that failed. */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attack_tun.h"
#include "command.h"
#include "duet/attack.h"

enum { ROWS_MOST = 256, JOBS_MOST = 64, SECONDS_MOST = 3600 };
enum { CAMPAIGN_DEFAULT = 100000000, TUN_DEFAULT = 10 };

struct attacks {
    const char *command;
    bool all, list, json, tsv, quick;
    uint64_t seed, seconds, jobs, campaign, tun;
    bool wanted[ROWS_MOST];
    struct duet_attack_result *results; /* shared with the processes that run rows */
    double spent[ROWS_MOST];
    unsigned passed, failed, absent;
};

enum {
    KEY_ALL = 256,
    KEY_LIST,
    KEY_JSON,
    KEY_TSV,
    KEY_QUICK,
    KEY_SEED,
    KEY_LIMIT,
    KEY_JOBS,
    KEY_CAMPAIGN,
    KEY_TUN
};

static const struct argp_option argp_options[] = {
    {"all", KEY_ALL, 0, 0, "every row", 0},
    {"list", KEY_LIST, 0, 0, "say what there is, and run nothing", 0},
    {"json", KEY_JSON, 0, 0, "one JSON object a line", 0},
    {"tsv", KEY_TSV, 0, 0, "one line a row with tabs: id, verdict, what was sent, what duet did",
     0},
    {"quick", KEY_QUICK, 0, 0,
     "a part of the packets, in rows that send tens of millions; for builds that check or count",
     0},
    {"seed", KEY_SEED, "N", 0, "other random packets (default: 1)", 0},
    {"limit", KEY_LIMIT, "SECONDS", 0, "a row that runs longer has failed (default: 120)", 0},
    {"campaign", KEY_CAMPAIGN, "N", OPTION_ARG_OPTIONAL,
     "instead of rows: N blind injections at live connections (default: 100,000,000)", 0},
    {"tun", KEY_TUN, "SECONDS", OPTION_ARG_OPTIONAL,
     "instead of rows: a flood of SYNs in real time over a TUN device, in a namespace of its own, "
     "with clients of the operating system (default: 10)",
     0},
    {"jobs", KEY_JOBS, "N", 0, "rows at a time (default: one for each processor)", 0},
    {0, 0, 0, 0, 0, 0},
};

static void want(struct attacks *attacks, const char *id)
{
    for (unsigned i = 0; i < duet_attack_count(); i++) {
        if (strcasecmp(duet_attack_at(i)->id, id) != 0)
            continue;
        attacks->wanted[i] = true;
        return;
    }
    command_complain(attacks->command, "there is no row '%s'; --list names them", id);
    exit(COMMAND_USAGE);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct attacks *a = state->input;
    const struct command_option options[] = {
        {KEY_ALL, &a->all, 0, 0, 0, 0},
        {KEY_LIST, &a->list, 0, 0, 0, 0},
        {KEY_JSON, &a->json, 0, 0, 0, 0},
        {KEY_TSV, &a->tsv, 0, 0, 0, 0},
        {KEY_QUICK, &a->quick, 0, 0, 0, 0},
        {KEY_SEED, NULL, &a->seed, "seed", 0, UINT32_MAX},
        {KEY_LIMIT, NULL, &a->seconds, "number of seconds", 0, SECONDS_MOST},
        {KEY_CAMPAIGN, NULL, &a->campaign, "number of injections", 0, UINT32_MAX},
        {KEY_TUN, NULL, &a->tun, "number of seconds", 0, SECONDS_MOST},
        {KEY_JOBS, NULL, &a->jobs, "number of rows", 0, JOBS_MOST},
        {0, 0, 0, 0, 0, 0},
    };

    if (key == KEY_CAMPAIGN)
        a->campaign = CAMPAIGN_DEFAULT;
    if (key == KEY_TUN)
        a->tun = TUN_DEFAULT;
    if (command_take(a->command, options, key, argument))
        return 0;
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    want(a, argument);
    return 0;
}

static const struct argp argp = {
    .options = argp_options,
    .parser = parse_option,
    .args_doc = "[ID...]",
    .doc = "Plays the attack table (docs/ATTACKS.md) against this build of duet, in process and in "
           "virtual time.\v"
           "Exit status: 0 if every row that was run passed, 1 if one failed, 2 for a wrong "
           "command line.",
};

/* ---- rows in processes ---- */

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static pid_t start(const struct attacks *attacks, unsigned row)
{
    pid_t process;

    fflush(NULL);
    process = fork();
    if (process != 0)
        return process;
    alarm((unsigned)attacks->seconds);
    duet_attack_run(row, attacks->seed, attacks->quick, &attacks->results[row]);
    exit(EXIT_SUCCESS);
}

static void fail(struct duet_attack_result *result, const char *how, const char *detail)
{
    result->verdict = DUET_ATTACK_FAILED;
    snprintf(result->did, sizeof result->did, "%s%s", how, detail);
}

static void judge(struct attacks *attacks, unsigned row, int status)
{
    struct duet_attack_result *result = &attacks->results[row];

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        fail(result, "did not come back within the time limit", "");
    else if (WIFSIGNALED(status))
        fail(result, "crashed: ", strsignal(WTERMSIG(status)));
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS)
        fail(result, "crashed: the process ended with an error", "");
    else if (result->steps > DUET_ATTACK_STEPS_MOST)
        fail(result, "one packet took too many steps", "");
    attacks->passed += result->verdict == DUET_ATTACK_PASSED;
    attacks->failed += result->verdict == DUET_ATTACK_FAILED;
    attacks->absent += result->verdict == DUET_ATTACK_NOT_APPLICABLE;
}

/* Runs the wanted rows, so many at a time, and tells of each in the order of the table. */
static int run_rows(struct attacks *attacks, void (*tell)(const struct attacks *, unsigned))
{
    pid_t processes[ROWS_MOST] = {0};
    bool done[ROWS_MOST] = {false};
    unsigned next = 0, told = 0, running = 0, rows = duet_attack_count();

    while (told < rows) {
        int status;
        pid_t ended;

        while (next < rows && running < attacks->jobs) {
            if (!attacks->wanted[next]) {
                done[next++] = true;
                continue;
            }
            attacks->spent[next] = seconds_now();
            processes[next] = start(attacks, next);
            if (processes[next] < 0)
                return -1;
            running++;
            next++;
        }
        for (; told < next && done[told]; told++)
            if (attacks->wanted[told])
                tell(attacks, told);
        if (running == 0)
            continue;
        ended = waitpid(-1, &status, 0);
        if (ended < 0)
            return -1;
        for (unsigned i = 0; i < next; i++) {
            if (done[i] || processes[i] != ended)
                continue;
            attacks->spent[i] = seconds_now() - attacks->spent[i];
            judge(attacks, i, status);
            done[i] = true;
            running--;
        }
    }
    return 0;
}

/* ---- what is told ---- */

static const char *const verdicts[] = {"pass", "FAIL", "not applicable yet"};
static const char *const json_verdicts[] = {"passed", "failed", "not applicable"};

static void tell_text(const struct attacks *attacks, unsigned row)
{
    const struct duet_attack *attack = duet_attack_at(row);
    const struct duet_attack_result *result = &attacks->results[row];

    printf("%-4s %s: %s\n", attack->id, attack->title, verdicts[result->verdict]);
    if (result->verdict == DUET_ATTACK_NOT_APPLICABLE) {
        printf("     why   %s\n", attack->absent);
        return;
    }
    printf("     sent  %s\n", result->sent);
    printf("           %" PRIu64 " packets, %" PRIu64 " bytes in %.1f s; %" PRIu64 " came back\n",
           result->packets, result->bytes, attacks->spent[row], result->answers);
    if (result->steps > 0)
        printf("           %" PRIu64 " steps at most for one packet\n", result->steps);
    printf("     safe  %s\n     duet  %s\n", attack->safe, result->did);
    fflush(stdout);
}

static void print_json_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++)
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else
            putchar(*text);
    putchar('"');
}

static void tell_json(const struct attacks *attacks, unsigned row)
{
    const struct duet_attack *attack = duet_attack_at(row);
    const struct duet_attack_result *result = &attacks->results[row];

    printf("{\"id\":\"%s\",\"verdict\":\"%s\",\"title\":", attack->id,
           json_verdicts[result->verdict]);
    print_json_text(attack->title);
    fputs(",\"safe\":", stdout);
    print_json_text(attack->safe);
    fputs(",\"sent\":", stdout);
    print_json_text(result->sent);
    fputs(",\"did\":", stdout);
    print_json_text(result->did);
    printf(",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"answers\":%" PRIu64
           ",\"steps\":%" PRIu64 ",\"seconds\":%.3f}\n",
           result->packets, result->bytes, result->answers, result->steps, attacks->spent[row]);
    fflush(stdout);
}

static void tell_tsv(const struct attacks *attacks, unsigned row)
{
    const struct duet_attack *attack = duet_attack_at(row);
    const struct duet_attack_result *result = &attacks->results[row];

    printf("%s\t%s\t%s\t%s\t%s\t%s\n", attack->id, json_verdicts[result->verdict], attack->title,
           attack->safe, result->sent, result->did);
    fflush(stdout);
}

static void list(void)
{
    for (unsigned i = 0; i < duet_attack_count(); i++) {
        const struct duet_attack *attack = duet_attack_at(i);

        printf("%-4s %s%s%s\n", attack->id, attack->title,
               attack->absent == NULL ? "" : " (not applicable yet: ",
               attack->absent == NULL ? "" : attack->absent);
    }
}

static int run(struct attacks *attacks)
{
    size_t size = ROWS_MOST * sizeof *attacks->results;

    attacks->results = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (attacks->results == MAP_FAILED || run_rows(attacks, attacks->json  ? tell_json
                                                            : attacks->tsv ? tell_tsv
                                                                           : tell_text) != 0) {
        command_complain(attacks->command, "rows cannot be run: %s", strerror(errno));
        return COMMAND_FAILED;
    }
    if (!attacks->json && !attacks->tsv)
        printf("%u rows: %u passed, %u failed, %u not applicable yet\n",
               attacks->passed + attacks->failed + attacks->absent, attacks->passed,
               attacks->failed, attacks->absent);
    munmap(attacks->results, size);
    return attacks->failed == 0 ? COMMAND_OK : COMMAND_FAILED;
}

static int run_campaign(const struct attacks *attacks)
{
    struct duet_attack_campaign campaign;
    bool good;

    if (duet_attack_campaign(attacks->campaign, attacks->seed, &campaign) != 0) {
        command_complain(attacks->command, "the campaign cannot be run");
        return COMMAND_FAILED;
    }
    good = campaign.wrong_effects == 0 && (double)campaign.effects >= campaign.expected_at_least &&
           (double)campaign.effects <= campaign.expected_at_most;
    printf("%" PRIu64 " blind RSTs, SYNs, text, FINs and ICMP errors: %" PRIu64 " had an effect\n",
           campaign.injections, campaign.effects);
    printf("chance allows %.2f (%.2f to %.2f); of the %" PRIu64
           " that were wrong by construction %" PRIu64 " had one: %s\n",
           campaign.expected, campaign.expected_at_least, campaign.expected_at_most, campaign.wrong,
           campaign.wrong_effects, good ? "pass" : "FAIL");
    return good ? COMMAND_OK : COMMAND_FAILED;
}

int command_attack(int argc, char **argv)
{
    struct attacks attacks = {.command = argv[0], .seed = 1, .seconds = 120};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    bool any = false;

    attacks.jobs = processors < 1 ? 1 : (uint64_t)processors;
    argp_err_exit_status = COMMAND_USAGE;
    argp_parse(&argp, argc, argv, 0, NULL, &attacks);
    if (attacks.list) {
        list();
        return COMMAND_OK;
    }
    if (attacks.campaign > 0)
        return run_campaign(&attacks);
    if (attacks.tun > 0)
        return attack_tun(attacks.command, (unsigned)attacks.tun);
    for (unsigned i = 0; i < duet_attack_count(); i++) {
        attacks.wanted[i] = attacks.wanted[i] || attacks.all;
        any = any || attacks.wanted[i];
    }
    if (attacks.jobs == 0)
        attacks.jobs = 1;
    if (!any) {
        command_complain(attacks.command, "name rows, or --all; --list says what there is");
        return COMMAND_USAGE;
    }
    return run(&attacks);
}
