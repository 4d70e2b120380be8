/* repeat_test.c -- what is printed of a run, the command line reads as that run. */
#include "sim/repeat.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "sim/settings.h"
#include "test.h"

enum {
    WORDS_MAX = 40
};

struct words {
    char *argv[WORDS_MAX + 1];
    int count;
};

static void add_word(struct words *words, const char *word)
{
    assert_true(words->count < WORDS_MAX);
    words->argv[words->count++] = strdup(word);
}

/* As `make sim` hands them on. */
static void add_variable(struct words *words, const char *word)
{
    if (strncmp(word, "SEED=", 5) == 0) {
        add_word(words, "--seed");
        add_word(words, word + 5);
    } else if (strncmp(word, "SCENARIO=", 9) == 0) {
        add_word(words, "--scenario");
        add_word(words, word + 9);
    }
}

static struct words split(char *line)
{
    struct words words = {0};
    char *rest = NULL;
    char *arguments = strstr(line, " ARGS='");
    add_word(&words, "synod-sim");
    if (arguments != NULL) {
        *arguments = 0;
    }
    for (char *word = strtok_r(line, " \n", &rest); word != NULL;
         word = strtok_r(NULL, " \n", &rest)) {
        add_variable(&words, word);
    }
    for (char *word = arguments == NULL ? NULL : strtok_r(arguments + 7, " '\n", &rest);
         word != NULL; word = strtok_r(NULL, " '\n", &rest)) {
        add_word(&words, word);
    }
    return words;
}

static struct settings read_back(const struct run_options *run, const char *look)
{
    char line[1000] = {0};
    struct settings settings;
    FILE *file = fmemopen(line, sizeof line - 1, "w");
    assert_non_null(file);
    repeat_write(file, run, look);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(line[strlen(line) - 1], '\n');
    struct words words = split(line);
    optind = 0; /* As if nothing had been read before. */
    settings_parse(words.count, words.argv, &settings);
    for (int i = 0; i < words.count; i++) {
        free(words.argv[i]);
    }
    return settings;
}

static void assert_repeated(const struct run_options *run)
{
    const struct settings settings = read_back(run, "");
    assert_true(settings.is_single && !settings.has_dump);
    assert_int_equal(settings.run.seed, run->seed);
    assert_int_equal(settings.run.scenario, run->scenario);
    assert_int_equal(settings.run.event_limit, run->event_limit);
    assert_memory_equal(&settings.run.limits, &run->limits, sizeof run->limits);
}

TEST(repeat, says_all_that_makes_a_run_what_it_is)
{
    const struct run_options runs[] = {
        {.seed = 7},
        {.seed = UINT64_MAX},
        {.seed = 7, .scenario = PARTITION_QUORUM_LOSS},
        {.seed = 7, .limits = {.nodes = 3}},
        {.seed = 7, .limits = {.clients = 2}},
        {.seed = 7, .limits = {.operations = 171}},
        {.seed = 7, .limits = {.misfortunes = 13}},
        {.seed = 7, .limits = {.is_spared = 1}},
        {.seed = 7, .limits = {.variation = 4}},
        {.seed = 7, .limits = {.without = fault_bit(FAULT_LOSS) | fault_bit(FAULT_WIPE)}},
        {.seed = 7, .event_limit = 1234},
        {.seed = 7,
         .limits = {.nodes = 9,
                    .clients = 1,
                    .operations = 2999,
                    .misfortunes = 300,
                    .variation = 7,
                    .without = (fault_bit(FAULT_END) - 1) & ~fault_bit(FAULT_NONE)},
         .event_limit = 99},
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        assert_repeated(&runs[i]);
    }
}

TEST(repeat, asks_for_a_look_besides)
{
    const struct run_options run = {.seed = 7, .event_limit = 20};
    const struct settings settings = read_back(&run, "--dump");
    assert_true(settings.has_dump);
    assert_int_equal(settings.run.event_limit, 20);
}
