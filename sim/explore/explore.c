/* explore.c -- the command: which scopes, how far, and what to say of them. */
#include "sim/explore/explore.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mutant.h"
#include "sim/explore/claim.h"
#include "sim/explore/scope.h"
#include "sim/explore/search.h"
#include "sim/explore/story.h"
#include "sim/repeat.h"

static const char HELP[] =
    "synod-sim explore: small clusters of the real core, in every order of events\n"
    "\n"
    "usage: synod-sim explore [options]\n"
    "\n"
    "  --depth D      the scopes of this depth: ci (the default) or release\n"
    "  --scope NAME   only this one\n"
    "  --list         say what the scopes are, and end\n"
    "  --claims       say what is looked at, by name, and end\n"
    "  --states N     stop each scope after N states, not where it says itself\n"
    "  --memory N     GiB at most (default: three quarters of the machine's)\n"
    "  --threads N    that many (default: the cores of the machine)\n"
    "  --mutant N     switch a seeded bug on (builds with MUTATIONS=1 only)\n"
    "  --replay WAY   draw what happens on a way, as a broken claim names it (with --scope), or "
    "in\n"
    "                 words: sa (member a stands; p proposes, f has a record on its disk, c "
    "crashes,\n"
    "                 t times out, r reads, n takes a snapshot), a>b:accept (that arrives)\n"
    "  --draw FILE    draw it as an SVG picture, too\n"
    "  --help         this\n"
    "\n"
    "Within a scope, everything that can happen does: messages arrive in every order, late, twice\n"
    "or never; members crash and lose what is not durable. After every step each core checks\n"
    "itself, each member is held to what it has said, and all of them to the claims of Paxos\n"
    "(sim/explore/claims.h). A claim that breaks is shown with the shortest way to it.\n"
    "\n"
    "Two states are taken for one if 64 bits of their hashes are the same: see visited.h.\n";

struct settings {
    const char *program;
    const char *depth;
    const char *scope;
    const char *way;
    const char *picture;
    uint64_t states;
    uint64_t memory_gib;
    uint64_t threads;
    int is_list;
};

/* -- What was typed ------------------------------------------------------------------------- */

static uint64_t number(const char *option, const char *text)
{
    char *end;
    const uint64_t value = strtoull(text, &end, 10);
    if (*text == 0 || *end != 0) {
        fprintf(stderr, "synod-sim explore: --%s wants a number, not '%s'\n", option, text);
        exit(2);
    }
    return value;
}

static void select_mutant(uint64_t row)
{
#ifdef SYNOD_MUTATIONS
    mutant_selected = (int)row;
#else
    fprintf(stderr,
            "synod-sim explore: mutant %" PRIu64 " is not in this build: make MUTATIONS=1\n", row);
    exit(2);
#endif
}

static void print_claims(void)
{
    for (enum claim claim = CLAIM_NONE + 1; claim < CLAIM_END; claim++) {
        printf("%-50s %s\n", claim_name(claim), claim_source(claim));
    }
}

static void parse(int argc, char **argv, struct settings *settings)
{
    /* clang-format off */
    static const struct option OPTIONS[] = {
        {"depth", required_argument, NULL, 'd'},
        {"scope", required_argument, NULL, 's'},
        {"list", no_argument, NULL, 'l'},
        {"claims", no_argument, NULL, 'c'},
        {"states", required_argument, NULL, 'n'},
        {"memory", required_argument, NULL, 'm'},
        {"threads", required_argument, NULL, 't'},
        {"mutant", required_argument, NULL, 'b'},
        {"replay", required_argument, NULL, 'r'},
        {"draw", required_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    /* clang-format on */
    int option;
    while ((option = getopt_long(argc, argv, "h", OPTIONS, NULL)) != -1) {
        switch (option) {
        case 'd':
            settings->depth = optarg;
            break;
        case 's':
            settings->scope = optarg;
            break;
        case 'l':
            settings->is_list = 1;
            break;
        case 'c':
            print_claims();
            exit(0);
        case 'n':
            settings->states = number("states", optarg);
            break;
        case 'm':
            settings->memory_gib = number("memory", optarg);
            break;
        case 't':
            settings->threads = number("threads", optarg);
            break;
        case 'b':
            select_mutant(number("mutant", optarg));
            break;
        case 'r':
            settings->way = optarg;
            break;
        case 'w':
            settings->picture = optarg;
            break;
        case 'h':
            fputs(HELP, stdout);
            exit(0);
        default:
            fputs("synod-sim explore --help tells what there is\n", stderr);
            exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "synod-sim explore: '%s' is more than was asked for\n", argv[optind]);
        exit(2);
    }
}

/* -- What is said --------------------------------------------------------------------------- */

static double rate(const struct search_result *result)
{
    return (double)result->states / (result->seconds + 1e-9) / 1e3;
}

static void show_progress(void *context, const struct search_result *result)
{
    const struct scope *scope = context;
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%-3s level %3" PRIu32 "  %12" PRIu64 " states  %8.0f thousand/s ",
                scope->name, result->depth, result->states, rate(result));
        fflush(stderr);
    }
}

static void print_head(void)
{
    puts("Levels: how many steps it takes to reach the last state; + where there are more.");
    puts("1000/s: thousand different states in a second, of all threads and of each.");
    printf("%-4s %-58s %13s %6s %9s %8s %8s\n", "", "", "states", "levels", "nodes", "1000/s",
           "a core");
}

static void print_row(const struct scope *scope, const struct search_result *result,
                      uint32_t threads)
{
    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
    printf("%-4s %-58s %13" PRIu64 " %5" PRIu32 "%c %9" PRIu64 " %8.0f %8.0f\n", scope->name,
           scope->title, result->states, result->depth, result->is_whole ? ' ' : '+', result->nodes,
           rate(result), rate(result) / threads);
    fflush(stdout);
}

/* Draw it on standard output and, if one was asked for, as a picture. */
static int show_story(const struct scope *scope, const char *way, const struct settings *settings)
{
    FILE *picture = NULL;
    if (settings->picture != NULL) {
        picture = fopen(settings->picture, "w");
        if (picture == NULL) {
            fprintf(stderr, "synod-sim explore: %s: %s\n", settings->picture, strerror(errno));
            return 2;
        }
    }
    const int code = story_tell(scope, way, stdout, picture);
    if (picture != NULL) {
        fclose(picture);
        printf("  drawn in %s\n", settings->picture);
    }
    return code;
}

static void show_violation(const struct search_options *options, const struct search_result *result,
                           const struct settings *settings)
{
    struct violation violation;
    char *way = search_way(options, result, &violation);
    if (way == NULL) {
        puts("  (the way to it was not found again within the memory allowed)");
        return;
    }
    (void)show_story(options->scope, way, settings);
    printf("  to see it again: %s%s explore --depth %s --scope %s", repeat_environment(),
           settings->program, settings->depth, options->scope->name);
    if (repeat_mutant() != 0) {
        printf(" --mutant %" PRIu32, repeat_mutant());
    }
    printf(" --replay '%s'\n", way);
    free(way);
}

/* Three quarters of the machine's memory, unless it was said. */
static uint64_t memory_for(const struct settings *settings)
{
    if (settings->memory_gib != 0) {
        return settings->memory_gib << 30;
    }
    return (uint64_t)sysconf(_SC_PHYS_PAGES) / 4 * 3 * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* -- The command ---------------------------------------------------------------------------- */

static void explore(const struct scope *scope, const struct settings *settings,
                    struct search_result *result)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const struct search_options options = {
        .scope = scope,
        .states_max = settings->states != 0 ? settings->states : scope->states_max,
        .bytes_max = memory_for(settings),
        .threads = settings->threads != 0 ? (uint32_t)settings->threads
                                          : (uint32_t)(cores > 0 ? cores : 1),
        .on_progress = show_progress,
        .context = (void *)(uintptr_t)scope,
    };
    search_run(&options, result);
    print_row(scope, result, options.threads);
    if (result->violation.claim != NULL) {
        printf("  broken: %s: %s\n", result->violation.claim, result->violation.detail);
        show_violation(&options, result, settings);
    }
}

static int explore_all(const struct scope *scopes, uint32_t count, const struct settings *settings)
{
    uint64_t states = 0;
    uint64_t violations = 0;
    double seconds = 0;
    int has_ended_early = 0;
    print_head();
    for (uint32_t i = 0; i < count; i++) {
        struct search_result result;
        if (settings->scope != NULL && strcmp(settings->scope, scopes[i].name) != 0) {
            continue;
        }
        explore(&scopes[i], settings, &result);
        states += result.states;
        seconds += result.seconds;
        violations += result.violation.claim != NULL;
        if (result.is_full) {
            printf("  scope %s did not fit into memory: nothing is known of the rest\n",
                   scopes[i].name);
            has_ended_early = 1;
        }
    }
    printf("explore: %" PRIu64 " states, %" PRIu64 " violations, %.0f s\n", states, violations,
           seconds);
    return violations == 0 && !has_ended_early ? 0 : 1;
}

static const struct scope *find_scope(const struct scope *scopes, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(scopes[i].name, name) == 0) {
            return &scopes[i];
        }
    }
    return NULL;
}

int explore_main(int argc, char **argv, const char *program)
{
    struct settings settings = {.program = program, .depth = "ci"};
    uint32_t count = 0;
    parse(argc, argv, &settings);
    const struct scope *scopes = scope_list(settings.depth, &count);
    if (scopes == NULL) {
        fprintf(stderr, "synod-sim explore: there is no depth '%s': ci or release\n",
                settings.depth);
        return 2;
    }
    const struct scope *scope =
        settings.scope == NULL ? &scopes[0] : find_scope(scopes, count, settings.scope);
    if (scope == NULL) {
        fprintf(stderr, "synod-sim explore: there is no scope '%s'; --list names them\n",
                settings.scope);
        return 2;
    }
    if (settings.is_list) {
        for (uint32_t i = 0; i < count; i++) {
            printf("%-4s %s\n", scopes[i].name, scopes[i].title);
        }
        return 0;
    }
    if (settings.way != NULL) {
        return show_story(scope, settings.way, &settings);
    }
    return explore_all(scopes, count, &settings);
}
