/* demo.c -- `synod demo`: watch three members survive a kill -9 under load.
 *
 *   1. three servers are started on loopback, each with a directory of its own
 *   2. real files of this machine are put as keys, many at a time
 *   3. halfway, whoever leads is killed with SIGKILL; the others elect a leader and go on
 *   4. every key that was acknowledged is read back and compared
 *   5. the killed one is started again; all three must end with the same revision and hash
 *
 * The last line says what came of it; the exit code is 0 only if nothing was lost. */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/demo_files.h"
#include "cli/demo_load.h"
#include "cli/local_cluster.h"
#include "cli/options.h"
#include "cli/session.h"
#include "os/os_uv.h"
#include "rpc.pb-c.h"

enum {
    DEMO_MEMBERS = 3,
    KEYS_DEFAULT = 24000,
    KEYS_MIN = 100,
    READY_SECONDS = 30,       /* For the first leader. */
    EQUAL_SECONDS = 60,       /* For the killed one to have caught up. */
    SILENT_US_MAX = 30000000, /* Without any answer the demo has failed. */
    POLL_US = 20000,
    BAR_WIDTH = 32,
};

struct demo {
    struct local_cluster cluster; /* Of this very program. */
    struct demo_files files;
    struct os *os;
    struct demo_load *load;
    struct session *session; /* To look at one member at a time. */
    uint64_t began_us;
    uint64_t drawn_us;
    int is_terminal;
    int killed; /* Which member was killed; -1: none yet. */
    uint64_t killed_us;
    int is_elected;      /* Its successor was seen. */
    const char *failure; /* Why the demo has failed; NULL: it has not. */
};

/* Somebody wants the demo to end; what it made is removed all the same. */
static volatile sig_atomic_t is_interrupted;

/* -- Telling the story ---------------------------------------------------------------- */

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* A line of the story, with the seconds since it began. On a terminal the progress bar stands in
 * the last line and gives way. */
__attribute__((format(printf, 2, 3))) static void tell(const struct demo *demo, const char *format,
                                                       ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%s%8.3f s  ", demo->is_terminal ? "\r\033[K" : "",
           (double)(now_us() - demo->began_us) / 1e6);
    vprintf(format, arguments);
    printf("\n");
    fflush(stdout);
    va_end(arguments);
}

static void draw_bar(struct demo *demo, const struct demo_load_counts *counts, const char *what)
{
    const int leader = demo_load_leader(demo->load);
    const uint64_t total = counts->total == 0 ? 1 : counts->total;
    const int filled = (int)(counts->done * BAR_WIDTH / total);
    char bar[BAR_WIDTH + 1];
    memset(bar, ' ', BAR_WIDTH);
    memset(bar, '#', (size_t)filled);
    bar[BAR_WIDTH] = '\0';
    printf("\r\033[K  %s [%s] %" PRIu64 " of %" PRIu64 "  ", what, bar, counts->done,
           counts->total);
    for (int i = 0; i < DEMO_MEMBERS; i++) {
        const struct local_member *member = &demo->cluster.members[i];
        printf(" %s%s", member->name, member->pid == 0 ? ":dead" : i == leader ? ":leads" : "");
    }
    fflush(stdout);
}

/* -- While keys are loaded ------------------------------------------------------------ */

/* The kill. Whoever leads now, dies now, with whatever it has under way. */
static void kill_leader(struct demo *demo)
{
    const int leader = demo_load_leader(demo->load);
    struct demo_load_counts counts;
    if (leader < 0 || demo->cluster.members[leader].pid == 0) {
        return; /* Nobody leads at the moment: the next tick looks again. */
    }
    demo_load_watch_gap(demo->load);
    demo->killed = leader;
    demo->killed_us = now_us();
    local_cluster_end(&demo->cluster, (unsigned)leader, SIGKILL);
    demo_load_counts(demo->load, &counts);
    tell(demo, "kill -9 of %s, which leads, with %" PRIu64 " keys acknowledged",
         demo->cluster.members[leader].name, counts.acked);
}

static void tell_of_election(struct demo *demo)
{
    char why[128];
    const int leader = demo_load_leader(demo->load);
    if (leader < 0 || leader == demo->killed) {
        return;
    }
    demo->is_elected = 1;
    local_cluster_read_why(&demo->cluster, (unsigned)leader, why, sizeof why);
    tell(demo, "%s leads, %.0f ms after the kill%s%s", demo->cluster.members[leader].name,
         (double)(now_us() - demo->killed_us) / 1e3, why[0] == '\0' ? "" : ": ", why);
}

/* Look after everything that may go wrong. True if the load must stop. */
static int check(struct demo *demo, const struct demo_load_counts *counts)
{
    const int dead = local_cluster_find_dead(&demo->cluster);
    if (is_interrupted) {
        demo->failure = "interrupted";
    } else if (dead >= 0) {
        demo->failure = "a member ended by itself";
        local_cluster_show_log(&demo->cluster, (unsigned)dead);
    } else if (counts->silent_us > SILENT_US_MAX) {
        demo->failure = "no member answers any more";
        fprintf(stderr, "The last error was: %s\n", counts->last_error);
    }
    return demo->failure != NULL;
}

static void on_tick(void *context)
{
    struct demo *demo = context;
    struct demo_load_counts counts;
    demo_load_counts(demo->load, &counts);
    if (check(demo, &counts)) {
        demo_load_stop(demo->load);
        return;
    }
    const int is_loading = counts.total == demo->files.count && counts.acked < counts.total;
    if (is_loading && demo->killed < 0 && counts.done * 2 >= counts.total) {
        kill_leader(demo);
    }
    if (demo->killed >= 0 && !demo->is_elected) {
        tell_of_election(demo);
    }
    const uint64_t now = now_us();
    if (demo->is_terminal && now - demo->drawn_us > 50000) {
        demo->drawn_us = now;
        draw_bar(demo, &counts, is_loading ? "put" : "get");
    }
}

static const struct demo_load_events load_events = {.on_tick = on_tick};

static void on_signal(__attribute__((unused)) int number)
{
    is_interrupted = 1;
}

static void catch_signals(void)
{
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* -- Looking at one member ------------------------------------------------------------ */

/* What a member says of itself. */
struct state {
    int64_t revision;
    uint32_t hash;
    uint64_t leader;
};

/* True if it answered. */
static int ask_state(struct demo *demo, unsigned index, struct state *state)
{
    const Etcdserverpb__StatusRequest status_request = ETCDSERVERPB__STATUS_REQUEST__INIT;
    const Etcdserverpb__HashKVRequest hash_request = ETCDSERVERPB__HASH_KVREQUEST__INIT;
    session_aim(demo->session, index);
    Etcdserverpb__StatusResponse *status =
        session_call(demo->session, "/etcdserverpb.Maintenance/Status", &status_request.base,
                     &etcdserverpb__status_response__descriptor, SESSION_HERE);
    if (status == NULL) {
        return 0;
    }
    state->leader = status->leader;
    etcdserverpb__status_response__free_unpacked(status, NULL);
    session_aim(demo->session, index);
    Etcdserverpb__HashKVResponse *hash =
        session_call(demo->session, "/etcdserverpb.Maintenance/HashKV", &hash_request.base,
                     &etcdserverpb__hash_kvresponse__descriptor, SESSION_HERE);
    const int has_header = hash != NULL && hash->header != NULL;
    if (has_header) {
        state->revision = hash->header->revision;
        state->hash = hash->hash;
    }
    etcdserverpb__hash_kvresponse__free_unpacked(hash, NULL);
    return has_header;
}

/* True if every member answers, has a leader and is in the same state. */
static int are_equal(struct demo *demo, struct state states[DEMO_MEMBERS])
{
    int are = 1;
    for (unsigned i = 0; i < DEMO_MEMBERS; i++) {
        states[i] = (struct state){0};
        are &= ask_state(demo, i, &states[i]) && states[i].leader != 0;
    }
    return are && states[0].revision == states[1].revision &&
           states[1].revision == states[2].revision && states[0].hash == states[1].hash &&
           states[1].hash == states[2].hash;
}

/* Wait until all are equal: at first in being empty and having a leader, at the end in holding
 * everything. Returns 0, or -1 with demo->failure. */
static int wait_until_equal(struct demo *demo, unsigned seconds, struct state states[DEMO_MEMBERS])
{
    const uint64_t end_us = now_us() + (uint64_t)seconds * 1000000;
    while (!are_equal(demo, states)) {
        const int dead = local_cluster_find_dead(&demo->cluster);
        if (dead >= 0) {
            demo->failure = "a member ended by itself";
            local_cluster_show_log(&demo->cluster, (unsigned)dead);
            return -1;
        }
        if (is_interrupted) {
            demo->failure = "interrupted";
            return -1;
        }
        if (now_us() > end_us) {
            demo->failure = "the members did not become equal in time";
            return -1;
        }
        usleep(POLL_US);
    }
    return 0;
}

/* -- The story ------------------------------------------------------------------------ */

static int start_members(struct demo *demo)
{
    struct state states[DEMO_MEMBERS];
    for (unsigned i = 0; i < DEMO_MEMBERS; i++) {
        if (local_cluster_start(&demo->cluster, i) != 0) {
            demo->failure = "a member could not be started";
            return -1;
        }
    }
    if (wait_until_equal(demo, READY_SECONDS, states) != 0) {
        return -1;
    }
    tell(demo, "three members run: %s, %s, %s", demo->cluster.members[0].client,
         demo->cluster.members[1].client, demo->cluster.members[2].client);
    return 0;
}

static int load_keys(struct demo *demo)
{
    struct demo_load_counts counts;
    const uint64_t start_us = now_us();
    tell(demo, "loading %zu files of this machine as keys", demo->files.count);
    demo_load_run(demo->load, DEMO_LOAD_PUT);
    if (demo->failure != NULL) {
        return -1;
    }
    demo_load_counts(demo->load, &counts);
    const double seconds = (double)(now_us() - start_us) / 1e6;
    tell(demo,
         "%" PRIu64 " keys acknowledged, %.0f a second; %" PRIu64
         " tries came to nothing and "
         "were repeated",
         counts.acked, (double)counts.acked / seconds, counts.retries);
    if (demo->killed < 0) {
        demo->failure = "no leader was found to kill";
        return -1;
    }
    return 0;
}

static int read_back(struct demo *demo)
{
    struct demo_load_counts counts;
    demo_load_run(demo->load, DEMO_LOAD_GET);
    if (demo->failure != NULL) {
        return -1;
    }
    demo_load_counts(demo->load, &counts);
    tell(demo, "%" PRIu64 " keys read back and compared, %" PRIu64 " lost", counts.done,
         counts.lost);
    if (counts.lost > 0) {
        demo->failure = "acknowledged keys are gone or differ";
    } else if (counts.done != counts.acked) {
        demo->failure = "not every acknowledged key was read back";
    }
    return demo->failure == NULL ? 0 : -1;
}

static int bring_back(struct demo *demo)
{
    struct state states[DEMO_MEMBERS];
    const uint64_t start_us = now_us();
    if (local_cluster_start(&demo->cluster, (unsigned)demo->killed) != 0) {
        demo->failure = "the killed member could not be started again";
        return -1;
    }
    tell(demo, "%s is started again", demo->cluster.members[demo->killed].name);
    if (wait_until_equal(demo, EQUAL_SECONDS, states) != 0) {
        for (unsigned i = 0; i < DEMO_MEMBERS; i++) {
            fprintf(stderr, "  %s: revision %" PRId64 ", hash %08x\n",
                    demo->cluster.members[i].name, states[i].revision, states[i].hash);
        }
        return -1;
    }
    tell(demo, "after %.0f ms all three hold revision %" PRId64 ", hash %08x",
         (double)(now_us() - start_us) / 1e3, states[0].revision, states[0].hash);
    return 0;
}

static int run(struct demo *demo)
{
    struct demo_load_counts counts;
    struct client_options client;
    char endpoints[DEMO_MEMBERS * LOCAL_ADDRESS_SIZE];
    const char *addresses[DEMO_MEMBERS];
    for (unsigned i = 0; i < DEMO_MEMBERS; i++) {
        addresses[i] = demo->cluster.members[i].client;
    }
    snprintf(endpoints, sizeof endpoints, "%s,%s,%s", addresses[0], addresses[1], addresses[2]);
    client_options_init(&client);
    client.endpoints = endpoints;
    client.timeout_us = 2000000;
    demo->session = session_open(&client);
    demo->os = os_uv_new();
    demo->load = demo->os == NULL
                     ? NULL
                     : demo_load_new(demo->os, addresses, &demo->files, &load_events, demo);
    if (demo->session == NULL || demo->load == NULL) {
        demo->failure = "out of memory or descriptors";
        return -1;
    }
    if (start_members(demo) != 0 || load_keys(demo) != 0) {
        return -1;
    }
    demo_load_counts(demo->load, &counts);
    const uint64_t gap_us = counts.gap_us;
    if (read_back(demo) != 0 || bring_back(demo) != 0) {
        return -1;
    }
    printf("demo: %" PRIu64 " keys acknowledged, 0 lost, gap %.0f ms, states equal\n", counts.acked,
           (double)gap_us / 1e3);
    return 0;
}

static int play(size_t keys)
{
    struct demo demo = {.killed = -1, .is_terminal = isatty(STDOUT_FILENO), .began_us = now_us()};
    int code = CLI_FAILED;
    catch_signals();
    const struct local_cluster_options cluster = {.program = "synod-demo", .count = DEMO_MEMBERS};
    if (local_cluster_init(&demo.cluster, &cluster) == 0) {
        demo_files_collect(&demo.files, keys);
        if (demo.files.count < KEYS_MIN) {
            demo.failure = "this machine has too few files that can be read";
        } else if (run(&demo) == 0) {
            code = CLI_DONE;
        }
    }
    if (demo.failure != NULL) {
        printf("%sdemo: FAILED: %s\n", demo.is_terminal ? "\r\033[K" : "", demo.failure);
    }
    if (demo.load != NULL) {
        demo_load_free(demo.load);
    }
    if (demo.os != NULL) {
        os_uv_free(demo.os);
    }
    if (demo.session != NULL) {
        session_close(demo.session);
    }
    local_cluster_deinit(&demo.cluster);
    demo_files_deinit(&demo.files);
    fflush(stdout);
    return code;
}

int cli_demo(int argc, char **argv)
{
    int64_t keys = KEYS_DEFAULT;
    const struct option_row rows[] = {option_number("keys", &keys, "files to load (24000)")};
    const struct options options = {
        .usage = "demo [options]",
        .about =
            "Starts three servers on loopback, loads files of this machine as keys, kills "
            "the leader\n"
            "with SIGKILL halfway, reads every acknowledged key back, starts the killed one "
            "again and\n"
            "compares the states of all three. What it made is removed at the end.\n",
        .rows = rows,
        .row_count = sizeof rows / sizeof rows[0],
    };
    int count;
    const enum options_outcome outcome = options_read(&options, argc, argv, NULL, &count);
    if (outcome != OPTIONS_READ) {
        return outcome == OPTIONS_HELPED ? CLI_DONE : CLI_USAGE;
    }
    if (keys < KEYS_MIN) {
        fprintf(stderr, "synod demo: --keys must be at least %d\n", KEYS_MIN);
        return CLI_USAGE;
    }
    return play((size_t)keys);
}
