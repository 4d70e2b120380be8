/* settings.c -- the command line of synod-sim. */
#include "sim/settings.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mutant.h"

static const char HELP[] =
    "synod-sim: simulate whole clusters, with faults, in virtual time\n"
    "\n"
    "usage: synod-sim [options]\n"
    "       synod-sim explore [options]    small clusters, in every order of events\n"
    "       synod-sim check FILE ...       judge histories of what clients saw\n"
    "\n"
    "Which:\n"
    "  --seeds N         run N seeds (default 100), beginning with --from\n"
    "  --from N          the first seed (default 1)\n"
    "  --seconds S       begin new seeds for S seconds, from --from or from where nobody was yet\n"
    "  --seed N          run this one seed, and print what it was like\n"
    "  --scenario NAME   a permanent partition of that shape, in which somebody must go on; or "
    "all\n"
    "  --list            the names of the scenarios\n"
    "\n"
    "Less than the seed says:\n"
    "  --nodes N         so many members\n"
    "  --clients N       so many clients\n"
    "  --operations N    so many client operations in all\n"
    "  --misfortunes N   no more than so many; 0: none\n"
    "  --without LIST    no faults of these kinds, with commas: loss,cut,rot\n"
    "  --variation N     another run of the same kind\n"
    "\n"
    "To look at one (with --seed):\n"
    "  --shrink          if it fails, make it smaller until nothing can be taken away\n"
    "  --trace           print everything that happens\n"
    "  --log             print what the replicas log, with the time of their world\n"
    "  --goto N          stop after N events\n"
    "  --dump            print where every node stands at the end\n"
    "  --draw FILE       draw what happened last as a space-time diagram: .svg, or text\n"
    "\n"
    "  --history FILE    write what clients did and saw (with --seed): synod-sim check FILE\n"
    "  --no-shrink       (without --seed) leave the first seed that fails as it is\n"
    "  --marks           list how often each rare branch of src/ was taken\n"
    "  --jobs N          that many at a time (default: the cores of the machine)\n"
    "  --mutant N        switch a seeded bug on (builds with MUTATIONS=1 only)\n"
    "  --help            this\n"
    "\n"
    "A seed is everything: the same seed gives the same run, and the same trace hash, on every\n"
    "machine. A seed that fails prints one line that repeats it:\n"
    "\n"
    "  make sim SEED=1234\n"
    "\n"
    "Of many seeds, the first that fails is made smaller for up to a minute, and drawn: the end "
    "of\n"
    "it as text, and more of it in the --draw FILE.\n"
    "\n"
    "Checked are agreement (all replicas apply the same in every slot), recovery (what a node\n"
    "acknowledged is there after a crash), linearizability of all that clients saw, equal\n"
    "states at the end, and progress: once when just a quorum is healed and all else is wrong\n"
    "for good, and once when all is healed. Each step of each core is held against a third\n"
    "statement of the protocol (model/reference.h), and a storm of messages is a failure.\n";

enum {
    LIMIT_MAX = 1000000000
};

_Noreturn static void refuse(const char *what, const char *text)
{
    fprintf(stderr, "synod-sim: %s '%s'; try --help\n", what, text);
    exit(2);
}

static uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    const uint64_t value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != 0 || errno != 0) {
        refuse("not a number:", text);
    }
    return value;
}

static uint32_t limit(const char *text)
{
    const uint64_t value = number(text);
    if (value > LIMIT_MAX) {
        refuse("too much:", text);
    }
    return (uint32_t)value;
}

static uint64_t kinds_of_fault(const char *text)
{
    uint64_t kinds = 0;
    while (*text != 0) {
        const size_t length = strcspn(text, ",");
        const enum fault fault = fault_find(text, length);
        if (fault == FAULT_NONE) {
            refuse("no kind of fault:", text);
        }
        kinds |= fault_bit(fault);
        text += length + (text[length] == ',');
    }
    return kinds;
}

static void select_scenario(struct settings *settings, const char *name)
{
    settings->has_scenarios = strcmp(name, "all") == 0;
    settings->run.scenario = partition_find(name);
    if (!settings->has_scenarios && settings->run.scenario == PARTITION_NONE) {
        refuse("no such scenario:", name);
    }
}

static void select_mutant(uint64_t row)
{
#ifdef SYNOD_MUTATIONS
    mutant_selected = (int)row;
#else
    (void)row;
    fprintf(stderr, "synod-sim: this build has no mutants: make MUTATIONS=1\n");
    exit(2);
#endif
}

enum option_name {
    OPTION_SEEDS = 1,
    OPTION_FROM,
    OPTION_SECONDS,
    OPTION_SEED,
    OPTION_SCENARIO,
    OPTION_LIST,
    OPTION_NODES,
    OPTION_CLIENTS,
    OPTION_OPERATIONS,
    OPTION_MISFORTUNES,
    OPTION_WITHOUT,
    OPTION_VARIATION,
    OPTION_SHRINK,
    OPTION_NO_SHRINK,
    OPTION_TRACE,
    OPTION_LOG,
    OPTION_GOTO,
    OPTION_DUMP,
    OPTION_HISTORY,
    OPTION_DRAW,
    OPTION_MARKS,
    OPTION_JOBS,
    OPTION_MUTANT,
    OPTION_HELP
};

static const struct option OPTIONS[] = {
    {"seeds", required_argument, NULL, OPTION_SEEDS},
    {"from", required_argument, NULL, OPTION_FROM},
    {"seconds", required_argument, NULL, OPTION_SECONDS},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"scenario", required_argument, NULL, OPTION_SCENARIO},
    {"list", no_argument, NULL, OPTION_LIST},
    {"nodes", required_argument, NULL, OPTION_NODES},
    {"clients", required_argument, NULL, OPTION_CLIENTS},
    {"operations", required_argument, NULL, OPTION_OPERATIONS},
    {"misfortunes", required_argument, NULL, OPTION_MISFORTUNES},
    {"without", required_argument, NULL, OPTION_WITHOUT},
    {"variation", required_argument, NULL, OPTION_VARIATION},
    {"shrink", no_argument, NULL, OPTION_SHRINK},
    {"no-shrink", no_argument, NULL, OPTION_NO_SHRINK},
    {"trace", no_argument, NULL, OPTION_TRACE},
    {"log", no_argument, NULL, OPTION_LOG},
    {"goto", required_argument, NULL, OPTION_GOTO},
    {"dump", no_argument, NULL, OPTION_DUMP},
    {"history", required_argument, NULL, OPTION_HISTORY},
    {"draw", required_argument, NULL, OPTION_DRAW},
    {"marks", no_argument, NULL, OPTION_MARKS},
    {"jobs", required_argument, NULL, OPTION_JOBS},
    {"mutant", required_argument, NULL, OPTION_MUTANT},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* What takes something away from the seed. Returns 0 if `option` does not. */
static int parse_limit(struct swarm_limits *limits, int option, const char *text)
{
    switch (option) {
    case OPTION_NODES:
        limits->nodes = limit(text);
        if (limits->nodes > NET_NODES_MAX) {
            refuse("too many:", text);
        }
        return 1;
    case OPTION_CLIENTS:
        limits->clients = limit(text);
        return 1;
    case OPTION_OPERATIONS:
        limits->operations = limit(text);
        return 1;
    case OPTION_MISFORTUNES:
        limits->misfortunes = limit(text);
        limits->is_spared = limits->misfortunes == 0;
        return 1;
    case OPTION_WITHOUT:
        limits->without = kinds_of_fault(text);
        return 1;
    case OPTION_VARIATION:
        limits->variation = limit(text);
        return 1;
    default:
        return 0;
    }
}

/* How closely one seed is looked at. Returns 0 if `option` does not say. */
static int parse_look(struct settings *settings, int option, const char *text)
{
    switch (option) {
    case OPTION_SHRINK:
        settings->has_shrink = 1;
        return 1;
    case OPTION_NO_SHRINK:
        settings->has_no_shrink = 1;
        return 1;
    case OPTION_TRACE:
        settings->run.is_verbose = 1;
        return 1;
    case OPTION_LOG:
        settings->has_log = 1;
        return 1;
    case OPTION_GOTO:
        settings->run.event_limit = number(text);
        return 1;
    case OPTION_DUMP:
        settings->has_dump = 1;
        return 1;
    case OPTION_DRAW:
        settings->picture = text;
        return 1;
    default:
        return 0;
    }
}

static void parse_one(struct settings *settings, int option, const char *text)
{
    if (parse_limit(&settings->run.limits, option, text) || parse_look(settings, option, text)) {
        return;
    }
    switch (option) {
    case OPTION_SEEDS:
        settings->seeds = number(text);
        break;
    case OPTION_FROM:
        settings->run.seed = number(text);
        break;
    case OPTION_SECONDS:
        settings->seconds = number(text);
        break;
    case OPTION_SEED:
        settings->run.seed = number(text);
        settings->is_single = 1;
        break;
    case OPTION_SCENARIO:
        select_scenario(settings, text);
        break;
    case OPTION_LIST:
        settings->has_list = 1;
        break;
    case OPTION_HISTORY:
        settings->run.history = text;
        break;
    case OPTION_MARKS:
        settings->has_marks = 1;
        break;
    case OPTION_JOBS:
        settings->jobs = number(text);
        break;
    case OPTION_MUTANT:
        select_mutant(number(text));
        break;
    case OPTION_HELP:
        fputs(HELP, stdout);
        exit(0);
    default:
        exit(2); /* getopt has said why. */
    }
}

void settings_parse(int argc, char **argv, struct settings *settings)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int option;
    *settings = (struct settings){.seeds = UINT64_MAX};
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        parse_one(settings, option, optarg);
    }
    if (optind < argc) {
        refuse("unexpected", argv[optind]);
    }
    if (settings->has_shrink &&
        (!settings->is_single || settings->run.scenario != PARTITION_NONE)) {
        refuse("one seed, and no scenario, can be made smaller:", "--shrink");
    }
    if (settings->is_single) {
        settings->seeds = 1;
    } else if (settings->seconds == 0 && settings->seeds == UINT64_MAX) {
        settings->seeds = 100;
    } else if (settings->seconds != 0 && settings->run.seed == 0) {
        settings->run.seed = (uint64_t)time(NULL) * 1000; /* Where no run has been. */
    }
    if (settings->run.seed == 0) {
        settings->run.seed = 1;
    }
    if (settings->jobs == 0) {
        settings->jobs = cores > 0 ? (uint64_t)cores : 1;
    }
}
