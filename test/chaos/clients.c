/* clients.c -- clients that write and read while servers die, each one thing at a time.
 *
 *              connect          on_open, or the timer after a thought
 *   APART -------------> CALLING IN ----------------> BUSY ---answer---> thinking, then BUSY
 *     ^                      |                         |
 *     +----- another member, after a moment -----------+ failure, connection lost
 *
 * Times are taken from the clock itself and rounded away from the operation: it began no
 * earlier than `begin_us` and ended no later than `end_us`. The loop's own time would not do: it
 * is that of the beginning of its turn, and an answer that came late in a turn would seem to
 * have come before something else began. */
#include "test/chaos/clients.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/prng.h"
#include "cli/xmalloc.h"
#include "sim/requests.h"
#include "test/chaos/request.h"

enum {
    THINK_US_MAX = 2000,
    BACK_OFF_US_MAX = 40000,
    CONNECT_US = 500000,   /* A stopped process accepts in its kernel's queue, or not. */
    PATIENCE_US = 2000000, /* For an answer; ... */
    HASTE_US_MAX = 300000, /* ... every fourth time at most so long. */
    GET_PERCENT = 40,
    DELETE_PERCENT = 8,
    TXN_PERCENT = 17,
    WIDTH = 4, /* Of ranges, at most. */
};

struct client {
    struct clients *clients;
    uint32_t number;
    unsigned member;              /* Whom it talks to. */
    struct grpc_channel *channel; /* NULL: apart. */
    struct os_timer *timer;
    int is_busy;
    size_t operation; /* Its index in the history, where it is busy. */
    struct requests_memory memory;
    int is_reader;     /* It stays where it is, and reads every key once, ... */
    uint32_t next_key; /* ... this one next. */
};

struct clients {
    struct clients_options options;
    struct prng prng;
    struct chronicle history;
    struct requests_options mix;
    struct requests requests;
    struct client *clients; /* Those that load, then a reader for each member. */
    struct buffer message;
    uint64_t done_us; /* When the last acknowledgement came. */
    int is_stopping;
    struct clients_counts counts;
    char problem[400];
};

static uint64_t now_us(int is_rounded_up)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 + (uint64_t)is_rounded_up;
}

/* -- Connections ---------------------------------------------------------------------------- */

static void wait(struct client *client, uint64_t delay_us)
{
    os_timer_start(client->clients->options.os, client->timer, delay_us);
}

/* Away from this member, to another one after a moment. */
static void move_on(struct client *client)
{
    struct clients *clients = client->clients;
    const unsigned members = clients->options.cluster->options.count;
    if (client->channel != NULL) {
        grpc_channel_close(client->channel);
        client->channel = NULL;
    }
    if (!client->is_reader && members > 1) {
        const unsigned step = 1 + (unsigned)prng_below(&clients->prng, members - 1);
        client->member = (client->member + step) % members;
    }
    wait(client, prng_below(&clients->prng, BACK_OFF_US_MAX));
}

static void begin_next(struct client *client);

static void on_open(void *context)
{
    begin_next(context);
}

static void on_close(void *context, __attribute__((unused)) int error)
{
    move_on(context);
}

static const struct grpc_channel_events channel_events = {.on_open = on_open, .on_close = on_close};

static void connect_channel(struct client *client)
{
    const struct clients_options *options = &client->clients->options;
    wait(client, CONNECT_US);
    if (grpc_channel_open(options->grpc, options->cluster->members[client->member].client,
                          &channel_events, client, &client->channel) != 0) {
        client->channel = NULL;
        move_on(client);
    }
}

static int has_more(const struct client *client)
{
    return client->is_reader ? client->next_key < client->clients->options.keys
                             : !client->clients->is_stopping;
}

static void on_timer(void *context)
{
    struct client *client = context;
    assert(!client->is_busy);
    if (!has_more(client)) {
        return;
    }
    if (client->channel == NULL) {
        connect_channel(client);
    } else if (!grpc_channel_is_open(client->channel)) {
        move_on(client);
    } else {
        begin_next(client);
    }
}

/* -- Outcomes ------------------------------------------------------------------------------- */

static void note_problem(struct client *client, const struct grpc_result *result)
{
    struct clients *clients = client->clients;
    const struct operation *operation = &clients->history.operations[client->operation];
    if (clients->problem[0] == '\0') {
        snprintf(clients->problem, sizeof clients->problem,
                 "member %s answered an operation of kind %d on key %" PRIu32 " with %s \"%.200s\"",
                 clients->options.cluster->members[client->member].name, (int)operation->kind,
                 clients->history.steps[operation->first_step].key, grpc_code_name(result->code),
                 result->text);
    }
}

static void note_done(struct client *client)
{
    struct clients *clients = client->clients;
    const struct operation *operation = &clients->history.operations[client->operation];
    const uint64_t silent_us = operation->end_us - clients->done_us;
    clients->counts.gap_us =
        silent_us > clients->counts.gap_us ? silent_us : clients->counts.gap_us;
    clients->done_us = operation->end_us;
    clients->counts.done++;
    clients->counts.written += chronicle_has_written(&clients->history, operation) != 0;
    clients->counts.compactions += operation->kind == OPERATION_COMPACT;
    requests_note(&clients->requests, client->operation, &client->memory);
    client->next_key += client->is_reader != 0;
}

static enum operation_outcome note_failed(struct client *client, uint64_t end_us,
                                          const struct grpc_result *result)
{
    struct clients *clients = client->clients;
    enum operation_outcome outcome = request_outcome(&clients->history, client->operation, result);
    if (outcome == 0) {
        note_problem(client, result);
        outcome = OUTCOME_UNKNOWN;
    }
    chronicle_end(&clients->history, client->operation, outcome, end_us);
    clients->counts.unknown += outcome == OUTCOME_UNKNOWN;
    clients->counts.not_done += outcome == OUTCOME_NOT_DONE;
    clients->counts.refused += outcome == OUTCOME_COMPACTED || outcome == OUTCOME_FUTURE;
    clients->done_us = outcome > OUTCOME_NOT_DONE ? end_us : clients->done_us;
    snprintf(clients->counts.last_error, sizeof clients->counts.last_error, "%s from %s: %.150s",
             grpc_code_name(result->code), clients->options.cluster->members[client->member].name,
             result->text);
    return outcome;
}

static void on_answer(void *context, const struct grpc_result *result)
{
    struct client *client = context;
    struct clients *clients = client->clients;
    const uint64_t end_us = now_us(1);

    client->is_busy = 0;
    if (result->code == GRPC_OK) {
        chronicle_end(&clients->history, client->operation, OUTCOME_DONE, end_us);
        if (request_decode(&clients->history, client->operation, result->message) != 0) {
            note_problem(client, result);
        }
        note_done(client);
        wait(client, prng_below(&clients->prng, THINK_US_MAX));
    } else if (note_failed(client, end_us, result) > OUTCOME_NOT_DONE) {
        wait(client, prng_below(&clients->prng, THINK_US_MAX)); /* It did answer. */
    } else {
        move_on(client);
    }
}

/* -- Operations ----------------------------------------------------------------------------- */

static uint64_t draw_patience(struct clients *clients)
{
    return prng_chance(&clients->prng, 1, 4) ? 1000 + prng_below(&clients->prng, HASTE_US_MAX)
                                             : (uint64_t)PATIENCE_US;
}

/* The channel is open. */
static void begin_next(struct client *client)
{
    struct clients *clients = client->clients;
    assert(!client->is_busy);
    os_timer_stop(clients->options.os, client->timer);
    if (!has_more(client)) {
        return;
    }
    const struct chronicle_who who = {client->number, client->member, now_us(0)};
    client->operation = client->is_reader
                            ? requests_begin_get(&clients->requests, &who, client->next_key)
                            : requests_begin(&clients->requests, &who, &client->memory);
    buffer_clear(&clients->message, SIZE_MAX);
    struct grpc_request request = {
        .path = request_encode(&clients->history, client->operation, &clients->message),
        .timeout_us = draw_patience(clients)};
    request.message = buffer_bytes(&clients->message);
    if (grpc_channel_call(client->channel, &request, on_answer, client, NULL) != 0) {
        chronicle_end(&clients->history, client->operation, OUTCOME_NOT_DONE, now_us(1));
        move_on(client); /* Nothing was sent. */
        return;
    }
    client->is_busy = 1;
}

/* -- The whole ------------------------------------------------------------------------------ */

static uint32_t count_all(const struct clients *clients)
{
    return clients->options.count + clients->options.cluster->options.count;
}

struct clients *clients_new(const struct clients_options *options)
{
    struct clients *clients = xcalloc(1, sizeof *clients);
    clients->options = *options;
    clients->prng.state = options->seed;
    clients->clients = xcalloc(count_all(clients), sizeof *clients->clients);
    clients->done_us = now_us(0);
    chronicle_init(&clients->history);
    clients->mix = (struct requests_options){.keys = options->keys,
                                             .width = WIDTH,
                                             .compact_permille = 5,
                                             .get_percent = GET_PERCENT,
                                             .delete_percent = DELETE_PERCENT,
                                             .txn_percent = TXN_PERCENT};
    clients->requests = (struct requests){.options = &clients->mix,
                                          .prng = &clients->prng,
                                          .history = &clients->history,
                                          .revision = CHRONICLE_BASE_REVISION};
    for (uint32_t i = 0; i < count_all(clients); i++) {
        struct client *client = &clients->clients[i];
        client->clients = clients;
        client->number = i;
        client->is_reader = i >= options->count;
        client->member =
            (client->is_reader ? i - options->count : i) % options->cluster->options.count;
        client->timer = os_timer_new(options->os, on_timer, client);
        if (client->timer == NULL) {
            clients_free(clients);
            return NULL;
        }
    }
    return clients;
}

void clients_free(struct clients *clients)
{
    for (uint32_t i = 0; i < count_all(clients); i++) {
        struct client *client = &clients->clients[i];
        if (client->channel != NULL) {
            grpc_channel_close(client->channel);
        }
        if (client->timer != NULL) {
            os_timer_free(clients->options.os, client->timer);
        }
    }
    chronicle_deinit(&clients->history);
    buffer_deinit(&clients->message);
    free(clients->clients);
    free(clients);
}

void clients_start(struct clients *clients)
{
    clients->done_us = now_us(0);
    for (uint32_t i = 0; i < clients->options.count; i++) {
        wait(&clients->clients[i], prng_below(&clients->prng, THINK_US_MAX));
    }
}

void clients_stop(struct clients *clients)
{
    clients->is_stopping = 1;
}

int clients_are_idle(const struct clients *clients)
{
    int are_idle = 1;
    for (uint32_t i = 0; i < clients->options.count; i++) {
        are_idle &= !clients->clients[i].is_busy;
    }
    return are_idle;
}

void clients_read_all(struct clients *clients)
{
    for (uint32_t i = clients->options.count; i < count_all(clients); i++) {
        wait(&clients->clients[i], 0);
    }
}

int clients_have_read_all(const struct clients *clients)
{
    int have = 1;
    for (uint32_t i = clients->options.count; i < count_all(clients); i++) {
        have &= clients->clients[i].next_key == clients->options.keys;
    }
    return have;
}

void clients_note_death(struct clients *clients, unsigned member)
{
    chronicle_restart(&clients->history, member, now_us(0));
}

void clients_counts(const struct clients *clients, struct clients_counts *counts)
{
    *counts = clients->counts;
    counts->silent_us = now_us(0) - clients->done_us;
}

const char *clients_problem(const struct clients *clients)
{
    return clients->problem[0] == '\0' ? NULL : clients->problem;
}

struct chronicle *clients_history(struct clients *clients)
{
    return &clients->history;
}
