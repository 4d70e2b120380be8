/* main.c -- kill real servers under load, and judge everything that their clients saw.
 *
 *   1. the members are started on loopback, each with a directory of its own
 *   2. clients do whatever the store offers, through all of them, and keep a history
 *   3. meanwhile members are killed with SIGKILL, one, two, all at once, or stopped for a while,
 *      and started again; every recovery must succeed
 *   4. what each says of its state, at every moment, must be what the others say at the same
 *      revision; when all are up and quiet they must hold the same
 *   5. every key is read through every member; then the history is judged
 *
 * The last line says what came of it; the exit code is 0 only if all was well. Otherwise the
 * directory with the logs, the data and the history is kept, and said. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cli/local_cluster.h"
#include "grpc/client.h"
#include "os/os_uv.h"
#include "test/chaos/clients.h"
#include "test/chaos/members.h"
#include "test/chaos/strikes.h"
#include "test/chaos/verdict.h"

enum {
    EXIT_WELL = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    TICK_US = 10000,
    DRAW_TICKS = 10,
    READY_SECONDS = 30,  /* For the first leader. */
    EQUAL_SECONDS = 60,  /* For all to be up and equal, when the strikes are over. */
    READ_SECONDS = 30,   /* For the reads at the end. */
    SILENT_SECONDS = 45, /* Without any acknowledgement the cluster is stuck. */
    BAR_WIDTH = 32,
};

static const char HELP[] =
    "Usage: chaos --binary FILE [options]\n"
    "\n"
    "Starts real servers on loopback, kills them with SIGKILL again and again while clients write\n"
    "and read, and judges whether what the clients saw can be explained by one order of events\n"
    "in which nothing that was acknowledged is lost.\n"
    "\n"
    "  --binary FILE   the server: build/synod\n"
    "  --kills N       so many (200), about two a second\n"
    "  --nodes N       members, 1 to 9 (3)\n"
    "  --clients N     clients, each one operation at a time (8)\n"
    "  --keys N        keys that they share (10)\n"
    "  --seed N        of all chance here; what the machine makes of it differs each time\n"
    "  --keep          keep the directory even if all is well\n"
    "  --help          this text\n";

struct settings {
    const char *binary;
    uint64_t kills;
    uint64_t nodes;
    uint64_t clients;
    uint64_t keys;
    uint64_t seed;
    int keeps;
};

struct chaos {
    struct settings settings;
    struct local_cluster cluster;
    struct os *os;
    struct grpc_client *grpc;
    struct os_timer *timer;
    struct members *members;
    struct clients *clients;
    struct strikes *strikes;
    int (*is_done)(const struct chaos *chaos); /* What the loop runs for, ... */
    uint64_t due_us;                           /* ... how long at most, 0: as long as it takes, */
    const char *complaint;                     /* ... and what is wrong if it is not reached. */
    uint64_t began_us;
    uint64_t ticks;
    struct verdict verdict;
    int is_terminal;
    int is_interrupted;
    int has_failed;
    char failure[400];
};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

__attribute__((format(printf, 2, 3))) static int fail(struct chaos *chaos, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (!chaos->has_failed) {
        vsnprintf(chaos->failure, sizeof chaos->failure, format, arguments);
    }
    va_end(arguments);
    chaos->has_failed = 1;
    return -1;
}

/* -- Progress ------------------------------------------------------------------------------- */

static void clear_line(const struct chaos *chaos)
{
    if (chaos->is_terminal) {
        printf("\r\033[K");
    }
}

static void draw_progress(struct chaos *chaos)
{
    struct clients_counts counts;
    struct strikes_counts strikes;
    char bar[BAR_WIDTH + 1];
    const int leader = members_leader(chaos->members);
    clients_counts(chaos->clients, &counts);
    strikes_counts(chaos->strikes, &strikes);
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '#', (size_t)(strikes.kills * BAR_WIDTH / chaos->settings.kills));
    bar[BAR_WIDTH] = '\0';
    printf("\r\033[K  [%s] %" PRIu64 " of %" PRIu64 " kills, %" PRIu64 " acknowledged ", bar,
           strikes.kills, chaos->settings.kills, counts.written);
    for (unsigned i = 0; i < chaos->cluster.options.count; i++) {
        const struct local_member *member = &chaos->cluster.members[i];
        printf(" %s%s", member->name,
               member->pid == 0   ? ":dead"
               : (int)i == leader ? ":leads"
                                  : "");
    }
    fflush(stdout);
}

/* -- The loop, for one thing after the other ------------------------------------------------ */

/* What may go wrong at any time. */
static void look_for_trouble(struct chaos *chaos)
{
    struct clients_counts counts;
    unsigned index;
    const int dead = local_cluster_find_dead(&chaos->cluster);
    const char *late = strikes_problem(chaos->strikes, &index);
    const char *answer = clients_problem(chaos->clients);
    clients_counts(chaos->clients, &counts);
    if (chaos->is_interrupted) {
        fail(chaos, "interrupted");
    } else if (dead >= 0) {
        fail(chaos, "member %s ended by itself", chaos->cluster.members[dead].name);
        local_cluster_show_log(&chaos->cluster, (unsigned)dead);
    } else if (late != NULL) {
        fail(chaos, "%s", late);
        local_cluster_show_log(&chaos->cluster, index);
    } else if (answer != NULL) {
        fail(chaos, "%s", answer);
    } else if (chaos->due_us == 0 && counts.silent_us > SILENT_SECONDS * UINT64_C(1000000)) {
        fail(chaos, "nothing was acknowledged for %d s; the last error was %s", SILENT_SECONDS,
             counts.last_error);
    } else if (chaos->due_us != 0 && now_us() > chaos->due_us) {
        fail(chaos, "%s", chaos->complaint);
    }
}

static void on_tick(void *context)
{
    struct chaos *chaos = context;
    look_for_trouble(chaos);
    if (chaos->is_terminal && chaos->ticks++ % DRAW_TICKS == 0) {
        draw_progress(chaos);
    }
    if (chaos->has_failed || chaos->is_done(chaos)) {
        os_uv_stop(chaos->os);
    } else {
        os_timer_start(chaos->os, chaos->timer, TICK_US);
    }
}

/* Run the loop until `is_done` says so. Returns 0, or -1 with chaos->failure: something went
 * wrong, or it took longer than `seconds`, where that is not 0; then `complaint` is what. */
static int run_until(struct chaos *chaos, int (*is_done)(const struct chaos *chaos),
                     unsigned seconds, const char *complaint)
{
    chaos->is_done = is_done;
    chaos->due_us = seconds == 0 ? 0 : now_us() + seconds * UINT64_C(1000000);
    chaos->complaint = complaint;
    os_timer_start(chaos->os, chaos->timer, 0);
    os_uv_run(chaos->os);
    return chaos->has_failed ? -1 : 0;
}

static void on_signal(void *context)
{
    struct chaos *chaos = context;
    chaos->is_interrupted = 1;
}

static int is_led(const struct chaos *chaos)
{
    struct member_state state;
    int all_answer = 1;
    for (unsigned i = 0; i < chaos->cluster.options.count; i++) {
        members_state(chaos->members, i, &state);
        all_answer &= state.is_answering && state.leader != 0;
    }
    return all_answer && members_leader(chaos->members) >= 0;
}

static int is_over(const struct chaos *chaos)
{
    return strikes_are_over(chaos->strikes);
}

static int is_quiet(const struct chaos *chaos)
{
    return clients_are_idle(chaos->clients);
}

static int is_equal(const struct chaos *chaos)
{
    return members_are_equal(chaos->members);
}

static int is_read(const struct chaos *chaos)
{
    return clients_have_read_all(chaos->clients);
}

/* -- Verdicts ------------------------------------------------------------------------------- */

/* A member's log may complain of the others as it likes (they are killed all the time), but a
 * line of level error is about itself. */
static int check_log(struct chaos *chaos, unsigned index)
{
    const struct local_member *member = &chaos->cluster.members[index];
    FILE *log = fopen(member->log, "r");
    char *line = NULL;
    size_t room = 0;
    if (log == NULL) {
        return fail(chaos, "cannot read %s: %s", member->log, strerror(errno));
    }
    while (getline(&line, &room, log) > 0) {
        if (strncmp(line, "{\"level\":\"error\"", 16) == 0 || line[0] != '{') {
            line[strcspn(line, "\n")] = '\0';
            fail(chaos, "the log of member %s says: %s", member->name, line);
            break;
        }
    }
    free(line);
    fclose(log);
    return chaos->has_failed ? -1 : 0;
}

static void tell_states(const struct chaos *chaos)
{
    for (unsigned i = 0; i < chaos->cluster.options.count; i++) {
        struct member_state state;
        members_state(chaos->members, i, &state);
        fprintf(stderr, "  %s: %s, leader %" PRIx64 ", revision %" PRId64 ", hash %08x\n",
                chaos->cluster.members[i].name, state.is_answering ? "answers" : "does not answer",
                state.leader, state.revision, state.hash);
    }
}

/* What happened, whatever the verdict. */
static void tell_story(const struct chaos *chaos)
{
    struct clients_counts counts;
    struct strikes_counts strikes;
    struct member_state state;
    clients_counts(chaos->clients, &counts);
    strikes_counts(chaos->strikes, &strikes);
    members_state(chaos->members, 0, &state);
    clear_line(chaos);
    printf("  seed %" PRIu64 ", %" PRIu64 " members, %" PRIu64 " clients, %" PRIu64
           " keys, %.1f s\n",
           chaos->settings.seed, chaos->settings.nodes, chaos->settings.clients,
           chaos->settings.keys, (double)(now_us() - chaos->began_us) / 1e6);
    printf("  %" PRIu64 " kills: %" PRIu64 " of the leader, %" PRIu64 " during recovery, %" PRIu64
           " times all at once; %" PRIu64 " recoveries; %" PRIu64 " pauses\n",
           strikes.kills, strikes.leaders, strikes.recovering, strikes.together, strikes.recoveries,
           strikes.pauses);
    printf("  %" PRIu64 " operations done, %" PRIu64 " writes unknown, %" PRIu64
           " surely not done, %" PRIu64 " refused; longest gap %.0f ms; %" PRIu64
           " compactions; %zu states reported\n",
           counts.done, counts.unknown, counts.not_done, counts.refused,
           (double)counts.gap_us / 1e3, counts.compactions,
           clients_history(chaos->clients)->state_count);
    if (members_are_equal(chaos->members)) {
        printf("  all members hold revision %" PRId64 ", hash %08x\n", state.revision, state.hash);
    }
}

static void judge(struct chaos *chaos)
{
    struct verdict *verdict = &chaos->verdict;
    verdict_find(clients_history(chaos->clients), verdict);
    if (chaos->has_failed) {
        printf("chaos: FAILED: %s\n", chaos->failure);
    }
    if (verdict->judges.opinion == CHECKER_REJECTS) {
        printf("chaos: FAILED: %s\n", verdict->judges.text);
        fail(chaos, "the history cannot be explained");
    } else if (verdict->judges.opinion == CHECKER_GAVE_UP) {
        printf("chaos: FAILED: nobody can say whether this history is right: %s\n",
               verdict->judges.text);
        fail(chaos, "the history is undecided");
    }
}

/* Keep what a failure can be understood by. */
static void keep(const struct chaos *chaos)
{
    char path[LOCAL_PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/history.txt", chaos->cluster.dir);
    if (verdict_dump(clients_history(chaos->clients), path) != 0) {
        printf("chaos: the history could not be written into %s\n", path);
    }
    printf("chaos: logs, data and history.txt are in %s\n", chaos->cluster.dir);
    printf("chaos: judge it again: build/synod-sim check %s\n", path);
}

static void tell_end(const struct chaos *chaos)
{
    struct clients_counts counts;
    struct strikes_counts strikes;
    clients_counts(chaos->clients, &counts);
    strikes_counts(chaos->strikes, &strikes);
    printf("chaos: %" PRIu64 " kills, %" PRIu64 " acknowledged, %" PRIu64
           " lost, %d non-linearizable\n",
           strikes.kills, counts.written, chaos->verdict.lost,
           chaos->verdict.judges.opinion == CHECKER_REJECTS);
}

/* -- What belongs to the history besides ---------------------------------------------------- */

static void on_death(void *context, unsigned index)
{
    const struct chaos *chaos = context;
    clients_note_death(chaos->clients, index);
}

static void on_state(void *context, unsigned index)
{
    const struct chaos *chaos = context;
    struct member_state state;
    members_state(chaos->members, index, &state);
    const struct state_report report = {.at_us = now_us(),
                                        .revision = state.revision,
                                        .compacted = state.compacted,
                                        .hash = state.hash,
                                        .member = index};
    chronicle_report(clients_history(chaos->clients), &report);
}

/* -- The story ------------------------------------------------------------------------------ */

static int open_all(struct chaos *chaos)
{
    const struct settings *settings = &chaos->settings;
    chaos->os = os_uv_new();
    chaos->grpc = chaos->os == NULL ? NULL : grpc_client_new(chaos->os);
    if (chaos->grpc == NULL) {
        return fail(chaos, "out of memory or descriptors");
    }
    chaos->timer = os_timer_new(chaos->os, on_tick, chaos);
    chaos->members = members_new(&(struct members_options){.os = chaos->os,
                                                           .grpc = chaos->grpc,
                                                           .cluster = &chaos->cluster,
                                                           .context = chaos,
                                                           .on_state = on_state});
    chaos->clients = clients_new(&(struct clients_options){.os = chaos->os,
                                                           .grpc = chaos->grpc,
                                                           .cluster = &chaos->cluster,
                                                           .count = (uint32_t)settings->clients,
                                                           .keys = (uint32_t)settings->keys,
                                                           .seed = settings->seed});
    chaos->strikes = strikes_new(&(struct strikes_options){.os = chaos->os,
                                                           .cluster = &chaos->cluster,
                                                           .members = chaos->members,
                                                           .kills = settings->kills,
                                                           .seed = ~settings->seed,
                                                           .context = chaos,
                                                           .on_death = on_death});
    if (chaos->timer == NULL || chaos->members == NULL || chaos->clients == NULL ||
        chaos->strikes == NULL || os_uv_on_signal(chaos->os, SIGINT, on_signal, chaos) != 0 ||
        os_uv_on_signal(chaos->os, SIGTERM, on_signal, chaos) != 0 ||
        os_uv_on_signal(chaos->os, SIGHUP, on_signal, chaos) != 0) {
        return fail(chaos, "out of memory or descriptors");
    }
    return 0;
}

static void close_all(struct chaos *chaos)
{
    if (chaos->strikes != NULL) {
        strikes_free(chaos->strikes);
    }
    if (chaos->clients != NULL) {
        clients_free(chaos->clients);
    }
    if (chaos->members != NULL) {
        members_free(chaos->members);
    }
    if (chaos->timer != NULL) {
        os_timer_free(chaos->os, chaos->timer);
    }
    if (chaos->grpc != NULL) {
        grpc_client_free(chaos->grpc);
    }
    if (chaos->os != NULL) {
        os_uv_free(chaos->os);
    }
}

static int load(struct chaos *chaos)
{
    for (unsigned i = 0; i < chaos->cluster.options.count; i++) {
        if (local_cluster_start(&chaos->cluster, i) != 0) {
            return fail(chaos, "member %s cannot be started", chaos->cluster.members[i].name);
        }
    }
    if (run_until(chaos, is_led, READY_SECONDS, "the members did not elect a leader") != 0) {
        return -1;
    }
    clients_start(chaos->clients);
    strikes_start(chaos->strikes);
    if (run_until(chaos, is_over, 0, NULL) != 0) {
        return -1;
    }
    clients_stop(chaos->clients);
    return run_until(chaos, is_quiet, READ_SECONDS, "a call has neither answer nor end");
}

static int compare(struct chaos *chaos)
{
    members_compare(chaos->members);
    if (run_until(chaos, is_equal, EQUAL_SECONDS, "the members did not become equal") != 0) {
        tell_states(chaos);
        return -1;
    }
    clients_read_all(chaos->clients);
    if (run_until(chaos, is_read, READ_SECONDS, "not every key could be read at the end") != 0) {
        return -1;
    }
    int outcome = 0;
    for (unsigned i = 0; i < chaos->cluster.options.count && outcome == 0; i++) {
        outcome = check_log(chaos, i);
    }
    return outcome;
}

/* All of it, between opening and closing. */
static void perform(struct chaos *chaos)
{
    if (load(chaos) == 0) {
        compare(chaos);
    }
    tell_story(chaos);
    judge(chaos);
    local_cluster_end_all(&chaos->cluster);
    if ((chaos->has_failed && !chaos->is_interrupted) || chaos->settings.keeps) {
        keep(chaos);
    } else {
        local_cluster_deinit(&chaos->cluster);
    }
    tell_end(chaos);
}

static int play(const struct settings *settings)
{
    struct chaos chaos = {
        .settings = *settings, .is_terminal = isatty(STDOUT_FILENO), .began_us = now_us()};
    const struct local_cluster_options cluster = {
        .program = "synod-chaos", .binary = settings->binary, .count = (unsigned)settings->nodes};
    if (local_cluster_init(&chaos.cluster, &cluster) == 0 && open_all(&chaos) == 0) {
        perform(&chaos);
    } else {
        fail(&chaos, "there is no place for the members");
        printf("chaos: FAILED: %s\n", chaos.failure);
        local_cluster_deinit(&chaos.cluster);
    }
    close_all(&chaos);
    return chaos.has_failed ? EXIT_FAILED : EXIT_WELL;
}

/* -- The command line ----------------------------------------------------------------------- */

static uint64_t read_number(const char *option, uint64_t min, uint64_t max)
{
    char *end;
    errno = 0;
    const uint64_t value = strtoull(optarg, &end, 10);
    if (*optarg < '0' || *optarg > '9' || *end != '\0' || errno != 0 || value < min ||
        value > max) {
        fprintf(stderr, "chaos: %s takes a number from %" PRIu64 " to %" PRIu64 "\n", option, min,
                max);
        exit(EXIT_USAGE);
    }
    return value;
}

static void read_options(int argc, char **argv, struct settings *settings)
{
    static const struct option OPTIONS[] = {
        {"binary", required_argument, NULL, 'b'},
        {"kills", required_argument, NULL, 'k'},
        {"nodes", required_argument, NULL, 'n'},
        {"clients", required_argument, NULL, 'c'},
        {"keys", required_argument, NULL, 'y'},
        {"seed", required_argument, NULL, 's'},
        {"keep", no_argument, NULL, 'e'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        switch (option) {
        case 'b':
            settings->binary = optarg;
            break;
        case 'k':
            settings->kills = read_number("--kills", 1, 1000000);
            break;
        case 'n':
            settings->nodes = read_number("--nodes", 1, LOCAL_MEMBERS_MAX);
            break;
        case 'c':
            settings->clients = read_number("--clients", 1, 1000);
            break;
        case 'y':
            settings->keys = read_number("--keys", 1, 100000);
            break;
        case 's':
            settings->seed = read_number("--seed", 0, UINT64_MAX);
            break;
        case 'e':
            settings->keeps = 1;
            break;
        case 'h':
            fputs(HELP, stdout);
            exit(EXIT_WELL);
        default:
            exit(EXIT_USAGE);
        }
    }
    if (optind < argc || settings->binary == NULL) {
        fputs(HELP, stderr);
        exit(EXIT_USAGE);
    }
}

int main(int argc, char **argv)
{
    struct settings settings = {.kills = 200, .nodes = 3, .clients = 8, .keys = 10};
    uint32_t chance = 0;
    if (getrandom(&chance, sizeof chance, 0) != sizeof chance) {
        chance = (uint32_t)getpid();
    }
    settings.seed = chance;
    read_options(argc, argv, &settings);
    if (access(settings.binary, X_OK) != 0) {
        fprintf(stderr, "chaos: cannot run %s: %s\n", settings.binary, strerror(errno));
        return EXIT_USAGE;
    }
    return play(&settings);
}
