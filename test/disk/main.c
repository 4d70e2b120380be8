/* main.c -- disk: every state that a crash or damage can leave a data directory in, or as many as
 * there is time for, and the verdict of the real log and the real snapshots on each. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/mutant.h"
#include "test/disk/board.h"
#include "test/disk/crash.h"
#include "test/disk/damage.h"
#include "test/disk/guard.h"

enum {
    EXIT_WELL = 0,
    EXIT_WRONG = 1,
    EXIT_USAGE = 2,
    BAR_WIDTH = 40
};

static const char HELP[] =
    "Usage: disk [options]\n"
    "\n"
    "Goes through the states that a data directory can be left in, and lets the real log and the\n"
    "real snapshots recover from each:\n"
    "\n"
    "  crash    the power is lost at any operation: every subset of what was not synced\n"
    "  again    and is lost again while recovering from that\n"
    "  kill     the process is killed at any operation, and then the power is lost\n"
    "  fail     any operation is refused by the disk\n"
    "  bits     any bit of a small directory is flipped\n"
    "  sectors  any 512 bytes of a larger one are something else: zeroes, noise, what they were\n"
    "           before, their neighbour, or a write that was meant for another file\n"
    "  blocks   the same with any 4096 bytes\n"
    "  cuts     any file is cut off, anywhere\n"
    "\n"
    "After a crash recovery must be exact. After damage it must be exact too, or refuse, naming\n"
    "file and offset. Anything else is a wrong verdict.\n"
    "\n"
    "  --depth DEPTH   ci (default) or release: more mixtures, more subsets\n"
    "  --part PART     only this part\n"
    "  --state NAME    only this state, PART/UNIT/NUMBER, and say what it is like; or PART/UNIT,\n"
    "                  all states of a unit\n"
    "  --jobs N        so many processes (default: the cores of the machine)\n"
    "  --mutant N      switch a seeded bug on (builds with MUTATIONS=1 only), and stop at the "
    "first\n"
    "                  wrong verdict\n"
    "  --help          this text\n";

struct settings {
    int is_release;
    enum board_part only; /* 0: all. */
    struct board_place state;
    uint64_t jobs;
    uint64_t mutant;
    struct timespec began;
};

/* Of a bug that is known to be there, one is enough. */
static uint64_t wrong_max(const struct settings *settings)
{
    return settings->mutant != 0 ? 1 : BOARD_WRONG_MAX;
}

static double seconds(const struct timespec *time)
{
    return (double)time->tv_sec + (double)time->tv_nsec / 1e9;
}

/* -- The command line --------------------------------------------------------------------- */

__attribute__((noreturn)) static void refuse(const char *option, const char *text)
{
    fprintf(stderr, "disk: --%s '%s' is not understood; try --help\n", option, text);
    exit(EXIT_USAGE);
}

static uint64_t number(const char *option, const char *text)
{
    char *end;
    const uint64_t value = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        refuse(option, text);
    }
    return value;
}

static struct board_place parse_state(const char *text)
{
    char part[16] = "";
    int length = 0;
    struct board_place place = {0};
    sscanf(text, "%15[a-z]/%" SCNu64 "%n/%" SCNu64 "%n", part, &place.unit, &length, &place.number,
           &length);
    if (length == 0 || text[length] != '\0' || board_part_of(part) == 0) {
        refuse("state", text);
    }
    place.part = board_part_of(part);
    return place;
}

static void select_mutant(uint64_t row)
{
#ifdef SYNOD_MUTATIONS
    mutant_selected = (int)row;
#else
    (void)row;
    fprintf(stderr, "disk: this build has no mutants: make MUTATIONS=1\n");
    exit(EXIT_USAGE);
#endif
}

static void set_option(struct settings *settings, int option, const char *text)
{
    switch (option) {
    case 'd':
        if (strcmp(text, "ci") != 0 && strcmp(text, "release") != 0) {
            refuse("depth", text);
        }
        settings->is_release = strcmp(text, "release") == 0;
        return;
    case 'p':
        settings->only = board_part_of(text);
        if (settings->only == 0) {
            refuse("part", text);
        }
        return;
    case 's':
        settings->state = parse_state(text);
        return;
    case 'j':
        settings->jobs = number("jobs", text);
        return;
    case 'm':
        settings->mutant = number("mutant", text);
        select_mutant(settings->mutant);
        return;
    case 'h':
        fputs(HELP, stdout);
        exit(EXIT_WELL);
    default:
        fprintf(stderr, "disk: try --help\n");
        exit(EXIT_USAGE);
    }
}

static struct settings parse(int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        {"depth", required_argument, NULL, 'd'},
        {"part", required_argument, NULL, 'p'},
        {"state", required_argument, NULL, 's'},
        {"jobs", required_argument, NULL, 'j'},
        {"mutant", required_argument, NULL, 'm'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct settings settings = {.jobs = cores > 0 ? (uint64_t)cores : 1};
    clock_gettime(CLOCK_MONOTONIC, &settings.began);
    int option;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        set_option(&settings, option, optarg);
    }
    if (optind < argc) {
        fprintf(stderr, "disk: unexpected '%s'; try --help\n", argv[optind]);
        exit(EXIT_USAGE);
    }
    if (settings.jobs == 0) {
        settings.jobs = 1;
    }
    return settings;
}

/* -- Telling ------------------------------------------------------------------------------ */

static void show_progress(uint64_t done, uint64_t total)
{
    if (isatty(STDERR_FILENO) && total > 0) {
        const int filled = (int)((uint64_t)BAR_WIDTH * done / total);
        fprintf(stderr, "\r[%.*s%*s] %" PRIu64 " of %" PRIu64 " units, %" PRIu64 " wrong ", filled,
                "########################################", BAR_WIDTH - filled, "", done, total,
                board_wrong_count());
        if (done == total) {
            fputc('\n', stderr);
        }
    }
}

/* The command that tries the state again. */
static void show_wrong(const struct settings *settings, uint64_t index)
{
    struct board_place place;
    const char *text = board_wrong(index, &place);
    printf("%s/%" PRIu64 "/%" PRIu64 ": %s\n    make disk", board_part_name(place.part), place.unit,
           place.number, text);
    if (settings->is_release) {
        printf(" DEPTH=release");
    }
    if (settings->mutant != 0) {
        printf(" MUTATIONS=1 MUTANT=%" PRIu64, settings->mutant);
    }
    printf(" STATE=%s/%" PRIu64 "/%" PRIu64 "\n", board_part_name(place.part), place.unit,
           place.number);
}

static void show_row(const char *name, const struct board_counts *counts)
{
    printf("%-8s %8" PRIu64 " %11" PRIu64 " %11" PRIu64 " %11" PRIu64 " %10" PRIu64 " %10" PRIu64
           " %10" PRIu64 " %6" PRIu64 " %8.1f\n",
           name, counts->units, counts->states, counts->distinct, counts->verdicts[BOARD_EXACT],
           counts->verdicts[BOARD_MADE_GOOD], counts->verdicts[BOARD_REFUSED],
           counts->verdicts[BOARD_TORN], counts->verdicts[BOARD_WRONG],
           (double)counts->time_us / 1e6);
}

static void show_table(const struct board_work *work, struct board_counts *sum)
{
    printf("%-8s %8s %11s %11s %11s %10s %10s %10s %6s %8s\n", "part", "units", "states",
           "distinct", "exact", "made good", "refused", "looks torn", "wrong", "seconds");
    for (int part = 1; part < BOARD_PARTS; part++) {
        struct board_counts counts;
        board_counts((enum board_part)part, &counts);
        sum->states += counts.states;
        sum->distinct += counts.distinct;
        sum->units += counts.units;
        sum->time_us += counts.time_us;
        for (int i = 0; i < BOARD_VERDICTS; i++) {
            sum->verdicts[i] += counts.verdicts[i];
        }
        if (work->units[part] > 0) {
            show_row(board_part_name((enum board_part)part), &counts);
        }
    }
    show_row("all", sum);
}

static void show_time(const struct timespec *began)
{
    struct timespec now;
    struct rusage usage;
    clock_gettime(CLOCK_MONOTONIC, &now);
    getrusage(RUSAGE_CHILDREN, &usage);
    fprintf(stderr, "%.1f s, %.1f s of processor time\n", seconds(&now) - seconds(began),
            (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

/* -- Running ------------------------------------------------------------------------------ */

static void run_unit(enum board_part part, uint64_t unit)
{
    if (part <= BOARD_FAIL) {
        crash_run(part, unit);
    } else {
        damage_run(part, unit);
    }
}

struct preparing {
    const struct settings *settings;
    struct board_work *work;
};

static void prepare(void *context)
{
    const struct settings *settings = ((struct preparing *)context)->settings;
    struct board_work *work = ((struct preparing *)context)->work;
    const uint64_t more = settings->is_release ? 16 : 1;
    const struct crash_depth depth = {
        .seeds = {[BOARD_CRASH] = 60 * more, [BOARD_AGAIN] = 16 * more, [BOARD_KILL] = 8 * more},
        .is_release = settings->is_release};
    const enum board_part only = settings->state.part != 0 ? settings->state.part : settings->only;
    if (only <= BOARD_FAIL) {
        crash_prepare(&depth, work->units);
    }
    if (only == 0 || only > BOARD_FAIL) {
        damage_prepare(work->units);
    }
    for (int part = 1; part < BOARD_PARTS; part++) {
        work->units[part] = only == 0 || (int)only == part ? work->units[part] : 0;
    }
}

static int run_one(const struct settings *settings, const struct board_work *work)
{
    struct board_counts counts;
    if (!board_run_one(work, settings->state)) {
        fprintf(stderr, "disk: there is no such state at this depth\n");
        return EXIT_USAGE;
    }
    if (board_wrong_count() > 0) {
        show_wrong(settings, 0);
    }
    board_counts(settings->state.part, &counts);
    printf("disk: 1 state, %s\n", counts.verdicts[BOARD_EXACT] > 0       ? "exact"
                                  : counts.verdicts[BOARD_MADE_GOOD] > 0 ? "made good"
                                  : counts.verdicts[BOARD_REFUSED] > 0   ? "refused"
                                  : counts.verdicts[BOARD_TORN] > 0      ? "looks torn"
                                                                         : "WRONG");
    return board_wrong_count() == 0 ? EXIT_WELL : EXIT_WRONG;
}

/* The last line says how many states were tried, and how many verdicts on them were wrong. */
static int tell(const struct settings *settings, const struct board_work *work)
{
    struct board_counts sum = {0};
    const uint64_t wrong = board_wrong_count();
    show_table(work, &sum);
    for (uint64_t i = 0; i < wrong && i < BOARD_WRONG_SHOWN; i++) {
        show_wrong(settings, i);
    }
    if (wrong >= wrong_max(settings)) {
        printf("that is enough: not all states were tried\n");
    }
    fflush(stdout);
    show_time(&settings->began);
    printf("disk: %" PRIu64 " states, %" PRIu64 " wrong verdicts\n", sum.states, wrong);
    return wrong == 0 && sum.states > 0 ? EXIT_WELL : EXIT_WRONG;
}

int main(int argc, char **argv)
{
    const struct settings settings = parse(argc, argv);
    struct board_work work = {.run = run_unit, .progress = show_progress, .jobs = settings.jobs};
    struct preparing preparing = {&settings, &work};
    board_init(wrong_max(&settings));
    const char *assertion = guard_run(prepare, &preparing);
    if (assertion != NULL) {
        printf("where nothing goes wrong: %s\ndisk: 0 states, 1 wrong verdicts\n", assertion);
        return EXIT_WRONG;
    }
    if (settings.state.number != 0) {
        return run_one(&settings, &work);
    }
    fflush(stdout); /* Or the children print it again. */
    if (settings.state.part != 0) {
        board_run_unit(&work, settings.state);
    } else {
        board_run(&work);
    }
    return tell(&settings, &work);
}
