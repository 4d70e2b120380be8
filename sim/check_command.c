/* check_command.c -- `synod-sim check`: judge a history from a file, or one made up. */
#include "sim/check_command.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "check/checker.h"
#include "sim/generate.h"

static const char HELP[] =
    "synod-sim check: judge histories\n"
    "\n"
    "usage: synod-sim check FILE ...\n"
    "       synod-sim check --generate N [--seed S] [--write FILE]\n"
    "\n"
    "  --generate N     make up a correct history of N operations, and measure the judges on it\n"
    "  --seed S         of what is made up (default 1)\n"
    "  --clients N      that work at the same time (default 16)\n"
    "  --keys N         that they work on (default 1000)\n"
    "  --write FILE     write what was made up into a file\n"
    "\n"
    "A file has an operation in every line; check/chronicle_text.c says how. The replay follows\n"
    "the revisions of the answers; the search looks for an order by itself, key by key; the third\n"
    "compares what replicas said of their states. A history that is rejected is rejected by\n"
    "naming what cannot be, and the two operations that say so.\n"
    "\n"
    "The status is 0 if every judge accepts every history, 1 if one does not, 2 if a file cannot\n"
    "be read.\n";

struct settings {
    struct generate_options generate;
    const char *write_to;
};

struct tally {
    unsigned passed;
    unsigned failed;
    unsigned unread; /* Files. */
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The verdict, and how long it took. */
static void judge(const char *name, const struct chronicle *history, struct tally *tally)
{
    struct checker_verdict verdict;
    struct checker_hint *hints = checker_allocate(history->operation_count, sizeof *hints);
    for (size_t i = 0; i < CHECKER_COUNT; i++) {
        const double began = seconds();
        CHECKERS[i].judge(history, hints, &verdict);
        printf("%s: the %s %s, %.2f s%s%s\n", name, CHECKERS[i].name,
               checker_opinion_name(verdict.opinion), seconds() - began,
               verdict.text[0] == '\0' ? "" : ": ", verdict.text);
        tally->passed += verdict.opinion == CHECKER_ACCEPTS;
        tally->failed += verdict.opinion != CHECKER_ACCEPTS;
    }
    free(hints);
}

static void judge_file(const char *path, struct tally *tally)
{
    struct chronicle history;
    char text[200] = "";
    FILE *from = fopen(path, "r");
    chronicle_init(&history);
    if (from == NULL || chronicle_read(&history, from, text, sizeof text) != 0) {
        fprintf(stderr, "synod-sim: %s: %s\n", path, text[0] == '\0' ? strerror(errno) : text);
        tally->unread++;
    } else {
        judge(path, &history, tally);
    }
    if (from != NULL) {
        (void)fclose(from);
    }
    chronicle_deinit(&history);
}

static void judge_generated(const struct settings *settings, struct tally *tally)
{
    struct chronicle history;
    struct rusage usage;
    chronicle_init(&history);
    const double began = seconds();
    generate_history(&settings->generate, &history);
    printf("%zu operations, %zu steps, %zu items, made up in %.2f s\n", history.operation_count,
           history.step_count, history.item_count, seconds() - began);
    if (settings->write_to != NULL) {
        FILE *to = fopen(settings->write_to, "w");
        if (to == NULL || chronicle_write(&history, to) != 0 || fclose(to) != 0) {
            fprintf(stderr, "synod-sim: %s: %s\n", settings->write_to, strerror(errno));
            tally->unread++;
        }
    }
    judge("made up", &history, tally);
    (void)getrusage(RUSAGE_SELF, &usage);
    printf("at most %ld MB of memory\n", usage.ru_maxrss / 1000);
    chronicle_deinit(&history);
}

static uint32_t number(const char *option, const char *text, uint32_t max)
{
    char *end;
    const unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > max) {
        fprintf(stderr, "synod-sim: --%s wants a number from 1 to %" PRIu32 ", not '%s'\n", option,
                max, text);
        exit(2);
    }
    return (uint32_t)value;
}

static void parse(int argc, char **argv, struct settings *settings)
{
    static const struct option OPTIONS[] = {
        {"generate", required_argument, NULL, 'g'},
        {"seed", required_argument, NULL, 's'},
        {"clients", required_argument, NULL, 'c'},
        {"keys", required_argument, NULL, 'k'},
        {"write", required_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        switch (option) {
        case 'g':
            settings->generate.operations = number("generate", optarg, 100000000);
            break;
        case 's':
            settings->generate.seed = number("seed", optarg, UINT32_MAX);
            break;
        case 'c':
            settings->generate.clients = number("clients", optarg, GENERATE_CLIENTS_MAX);
            break;
        case 'k':
            settings->generate.requests.keys = number("keys", optarg, CHRONICLE_KEYS_MAX / 2);
            break;
        case 'w':
            settings->write_to = optarg;
            break;
        case 'h':
            fputs(HELP, stdout);
            exit(0);
        default:
            fputs(HELP, stderr);
            exit(2);
        }
    }
    if ((settings->generate.operations == 0) == (optind == argc)) {
        fputs(HELP, stderr);
        exit(2);
    }
}

int check_command(int argc, char **argv)
{
    struct settings settings = {.generate = {.seed = 1,
                                             .clients = 16,
                                             .members = 3,
                                             .requests.keys = 1000,
                                             .requests.compact_permille = 5,
                                             .requests.width = 10,
                                             .latency_us_max = 3000,
                                             .unknown_ppm = 1000,
                                             .restart_ppm = 100,
                                             .requests.txn_percent = 15,
                                             .requests.delete_percent = 8,
                                             .requests.get_percent = 40}};
    struct tally tally = {0};
    parse(argc, argv, &settings);
    if (settings.generate.operations != 0) {
        judge_generated(&settings, &tally);
    }
    for (int i = optind; i < argc; i++) {
        judge_file(argv[i], &tally);
    }
    printf("%u passed, %u failed\n", tally.passed, tally.failed + tally.unread);
    return tally.unread != 0 ? 2 : tally.failed != 0 ? 1 : 0;
}
