/* repeat.c -- the line that repeats a run. */
#include "sim/repeat.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mutant.h"

/* How to build the same again, in the Makefile's own words: what the address sanitizer alone sees
 * no other build repeats. */
#ifndef SYNOD_BUILD_WORDS
#define SYNOD_BUILD_WORDS ""
#endif

static const char BUILD_WORDS[] = SYNOD_BUILD_WORDS;

const char *repeat_environment(void)
{
#ifdef SYNOD_MUTATIONS
    return getenv("SYNOD_MUTE") != NULL ? "SYNOD_MUTE=1 " : "";
#else
    return "";
#endif
}

uint32_t repeat_mutant(void)
{
#ifdef SYNOD_MUTATIONS
    return (uint32_t)mutant_selected;
#else
    return 0;
#endif
}

/* The options begin with a quote, and have spaces between them. */
struct options {
    FILE *to;
    uint32_t count;
};

static void begin_option(struct options *options)
{
    fputs(options->count++ == 0 ? " ARGS='" : " ", options->to);
}

static void write_number(struct options *options, const char *name, uint64_t value)
{
    begin_option(options);
    fprintf(options->to, "%s %" PRIu64, name, value);
}

static void write_words(struct options *options, const char *name, const char *words)
{
    if (words[0] != 0) {
        begin_option(options);
        fprintf(options->to, "%s%s", name, words);
    }
}

static void write_limits(struct options *options, const struct swarm_limits *limits)
{
    const uint64_t all = (fault_bit(FAULT_END) - 1) & ~fault_bit(FAULT_NONE);
    char kinds[400];
    if (limits->nodes != 0) {
        write_number(options, "--nodes", limits->nodes);
    }
    if (limits->clients != 0) {
        write_number(options, "--clients", limits->clients);
    }
    if (limits->operations != 0) {
        write_number(options, "--operations", limits->operations);
    }
    if (limits->misfortunes != 0 || limits->is_spared) {
        write_number(options, "--misfortunes", limits->misfortunes);
    }
    if (limits->variation != 0) {
        write_number(options, "--variation", limits->variation);
    }
    swarm_describe(limits->without & all, kinds, sizeof kinds);
    write_words(options, "--without ", kinds);
}

void repeat_write(FILE *to, const struct run_options *run, const char *look)
{
    struct options options = {.to = to};
    fprintf(to, "    %smake sim%s%s", repeat_environment(), BUILD_WORDS[0] == 0 ? "" : " ",
            BUILD_WORDS);
    if (repeat_mutant() != 0) {
        fprintf(to, " MUTANT=%" PRIu32, repeat_mutant());
    }
    if (run->scenario != PARTITION_NONE) {
        fprintf(to, " SCENARIO=%s", partition_name(run->scenario));
    }
    fprintf(to, " SEED=%" PRIu64, run->seed);
    write_limits(&options, &run->limits);
    if (run->event_limit != 0) {
        write_number(&options, "--goto", run->event_limit);
    }
    write_words(&options, "", look);
    fputs(options.count == 0 ? "\n" : "'\n", to);
}
