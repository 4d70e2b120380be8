/* workload.c -- clients that write and read, each one thing at a time, and remember it all. */
#include "sim/workload.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "sim/record.h"
#include "synod/error.h"

enum {
    BACK_OFF_US = 50000,
    PROBES = 2,
    READS_MAX = 64, /* Of each server, at the end. */
};

struct client {
    struct workload *workload;
    uint32_t number;
    uint32_t node;    /* Whom it talks to. */
    uint32_t probes;  /* So many operations must still be done by it: a write, then a read. */
    uint32_t is_busy; /* It waits for an answer, ... */
    uint64_t ticket;  /* ... the one with this number. */
    size_t operation; /* Its index in the history. */
    struct requests_memory memory;
};

/* What a callback knows: the client may have gone on to something else since. */
struct ticket {
    struct ticket *next;
    struct client *client;
    uint64_t number;
};

struct workload {
    struct world *world;
    struct cluster *cluster;
    struct workload_options options;
    struct chronicle history;
    struct requests requests;
    struct client *clients;
    struct buffer message;
    struct ticket *tickets;
    uint64_t ticket_last;
    uint32_t begun;
    uint32_t busy;
};

/* -- Outcomes ------------------------------------------------------------------------------- */

static void begin_next(void *object, uint64_t argument);

static void go_on_probing(struct client *client, enum operation_outcome outcome)
{
    client->probes -= client->probes > 0 && outcome == OUTCOME_DONE;
    if (client->probes > 0) {
        world_after(client->workload->world, outcome == OUTCOME_DONE ? 0 : BACK_OFF_US, begin_next,
                    client, 1);
    }
}

/* The client's operation has ended: think, then go on. */
static void go_on(struct client *client, enum operation_outcome outcome)
{
    struct workload *workload = client->workload;
    const struct operation *operation = &workload->history.operations[client->operation];

    chronicle_end(&workload->history, client->operation, outcome, workload->world->now_us);
    world_trace(workload->world, "outcome", client->number,
                (uint64_t)outcome * 1000000u + (uint64_t)operation->revision);
    client->is_busy = 0;
    workload->busy--;
    if (outcome == OUTCOME_DONE) {
        requests_note(&workload->requests, client->operation, &client->memory);
    }
    uint64_t delay = world_below(workload->world, workload->options.think_us_max + 1);
    if (client->number >= workload->options.clients) {
        go_on_probing(client, outcome);
        return;
    }
    if (outcome == OUTCOME_UNKNOWN || outcome == OUTCOME_NOT_DONE) {
        delay += BACK_OFF_US;
        client->node = (uint32_t)world_below(workload->world, cluster_nodes(workload->cluster));
    }
    world_after(workload->world, delay, begin_next, client, 0);
}

static struct client *redeem(const struct ticket *ticket)
{
    struct client *client = ticket->client;
    return client->is_busy && client->ticket == ticket->number ? client : NULL;
}

static void on_result(void *context, int error, const void *result)
{
    struct client *client = redeem(context);
    if (client == NULL) {
        return;
    }
    if (error == 0) {
        go_on(client, record_result(&client->workload->history, client->operation, result));
    } else {
        go_on(client, error == SYNOD_ERR_NO_LEADER ? OUTCOME_NOT_DONE : OUTCOME_UNKNOWN);
    }
}

/* The state of the client's server may be read now. */
static void read_state(struct client *client)
{
    struct workload *workload = client->workload;
    const struct kv *kv = cluster_kv(workload->cluster, client->node);
    go_on(client, record_get(&workload->history, client->operation, kv, 0));
}

static void on_read(void *context, int error)
{
    struct client *client = redeem(context);
    if (client != NULL && error == 0) {
        read_state(client);
    } else if (client != NULL) {
        go_on(client, OUTCOME_NOT_DONE); /* It has happened to nobody. */
    }
}

/* -- Operations ----------------------------------------------------------------------------- */

static struct ticket *new_ticket(struct client *client)
{
    struct workload *workload = client->workload;
    struct ticket *ticket = world_allocate(sizeof *ticket);
    ticket->next = workload->tickets;
    workload->tickets = ticket;
    ticket->client = client;
    ticket->number = ++workload->ticket_last;
    client->ticket = ticket->number;
    client->is_busy = 1;
    workload->busy++;
    return ticket;
}

/* Nobody need be asked for a read that may be old. */
static void read_here(struct client *client)
{
    struct replica_status status;
    replica_status(cluster_replica(client->workload->cluster, client->node), &status);
    client->is_busy = 1;
    client->workload->busy++;
    if (status.is_running) {
        read_state(client);
    } else {
        go_on(client, OUTCOME_NOT_DONE);
    }
}

static int submit(struct client *client)
{
    struct workload *workload = client->workload;
    struct replica *replica = cluster_replica(workload->cluster, client->node);
    struct ticket *ticket = new_ticket(client);
    buffer_clear(&workload->message, SIZE_MAX);
    const uint32_t kind = record_encode(&workload->history, client->operation, &workload->message);
    if (kind == 0) {
        return replica_read(replica, on_read, ticket);
    }
    return replica_submit(replica, kind, buffer_bytes(&workload->message), on_result, ticket);
}

static struct chronicle_who who_is(const struct client *client)
{
    return (struct chronicle_who){client->number, client->node, client->workload->world->now_us};
}

static void perform(struct client *client, size_t index)
{
    struct workload *workload = client->workload;
    const struct operation *operation = &workload->history.operations[index];
    client->operation = index;
    world_trace(workload->world, "operation", client->number,
                (uint64_t)operation->kind * 1000u +
                    workload->history.steps[operation->first_step].key);
    if (operation->is_serializable) {
        read_here(client);
    } else if (submit(client) != 0) {
        go_on(client, OUTCOME_NOT_DONE);
    }
    cluster_touch(workload->cluster, client->node);
}

static int can_be_asked(const struct workload *workload, uint32_t node)
{
    return cluster_is_up(workload->cluster, node) && !cluster_is_paused(workload->cluster, node);
}

static void begin_probe(struct client *client)
{
    struct workload *workload = client->workload;
    if (!can_be_asked(workload, client->node)) {
        world_after(workload->world, BACK_OFF_US, begin_next, client, 1);
        return;
    }
    const struct chronicle_who who = who_is(client);
    const uint32_t key = (uint32_t)world_below(workload->world, workload->options.requests.keys);
    perform(client, client->probes == PROBES ? requests_begin_put(&workload->requests, &who, key)
                                             : requests_begin_get(&workload->requests, &who, key));
}

static void begin_next(void *object, uint64_t is_probe)
{
    struct client *client = object;
    struct workload *workload = client->workload;
    if (is_probe) {
        if (client->probes > 0 && !client->is_busy) {
            begin_probe(client);
        }
        return;
    }
    if (workload->begun >= workload->options.operations) {
        return;
    }
    if (!can_be_asked(workload, client->node)) {
        client->node = (uint32_t)world_below(workload->world, cluster_nodes(workload->cluster));
        world_after(workload->world, BACK_OFF_US, begin_next, client, 0);
        return;
    }
    workload->begun++;
    const struct chronicle_who who = who_is(client);
    perform(client, requests_begin(&workload->requests, &who, &client->memory));
}

/* -- The whole ------------------------------------------------------------------------------ */

struct workload *workload_new(struct world *world, struct cluster *cluster,
                              const struct workload_options *options)
{
    struct workload *workload = world_allocate(sizeof *workload);
    workload->world = world;
    workload->cluster = cluster;
    workload->options = *options;
    chronicle_init(&workload->history);
    workload->requests = (struct requests){.options = &workload->options.requests,
                                           .prng = &world->prng,
                                           .history = &workload->history,
                                           .revision = CHRONICLE_BASE_REVISION};
    cluster_set_history(cluster, &workload->history);
    /* One more per node, for the reads at the end. */
    workload->clients =
        world_allocate((options->clients + NET_NODES_MAX) * sizeof *workload->clients);
    for (uint32_t i = 0; i < options->clients + NET_NODES_MAX; i++) {
        workload->clients[i].workload = workload;
        workload->clients[i].number = i;
        workload->clients[i].node = i % cluster_nodes(cluster);
    }
    return workload;
}

void workload_free(struct workload *workload)
{
    while (workload->tickets != NULL) {
        struct ticket *ticket = workload->tickets;
        workload->tickets = ticket->next;
        free(ticket);
    }
    chronicle_deinit(&workload->history);
    buffer_deinit(&workload->message);
    free(workload->clients);
    free(workload);
}

void workload_start(struct workload *workload)
{
    for (uint32_t i = 0; i < workload->options.clients; i++) {
        world_after(workload->world, world_below(workload->world, 1000), begin_next,
                    &workload->clients[i], 0);
    }
}

int workload_is_done(const struct workload *workload)
{
    return workload->begun >= workload->options.operations && workload->busy == 0;
}

void workload_on_kill(struct workload *workload, uint32_t node)
{
    chronicle_restart(&workload->history, node, workload->world->now_us);
    for (uint32_t i = 0; i < workload->options.clients + NET_NODES_MAX; i++) {
        struct client *client = &workload->clients[i];
        if (client->is_busy && client->node == node) {
            const struct operation *operation = &workload->history.operations[client->operation];
            go_on(client, operation->kind == OPERATION_GET ? OUTCOME_NOT_DONE : OUTCOME_UNKNOWN);
        }
    }
}

int workload_probe(struct workload *workload, uint32_t node, uint64_t until_us)
{
    struct client *client = &workload->clients[workload->options.clients + node];
    client->node = node;
    client->probes = PROBES;
    begin_next(client, 1);
    while (client->probes > 0 && cluster_violation(workload->cluster) == NULL &&
           world_step(workload->world, until_us) != 0) {
    }
    return client->probes == 0;
}

/* Let the client's operation end, or that time come. */
static void wait_for(struct client *client, uint64_t until_us)
{
    struct workload *workload = client->workload;
    while (client->is_busy && cluster_violation(workload->cluster) == NULL &&
           world_step(workload->world, until_us) != 0) {
    }
}

/* Read the keys, as often as it takes. Returns 0 if that was not enough. */
static int read_until(struct client *client, uint32_t key, uint32_t end, uint64_t until_us)
{
    struct workload *workload = client->workload;
    struct world *world = workload->world;
    while (cluster_violation(workload->cluster) == NULL && world->now_us < until_us) {
        const struct chronicle_who who = who_is(client);
        perform(client, requests_begin_range(&workload->requests, &who, key, end));
        wait_for(client, until_us);
        const struct operation *read = &workload->history.operations[client->operation];
        if (client->is_busy || read->outcome == OUTCOME_DONE) {
            return !client->is_busy;
        }
        const uint64_t again_us = world->now_us + BACK_OFF_US;
        while (world_step(world, again_us) != 0) {
        }
    }
    return 0;
}

/* A few keys one by one; of many so many at a time that it does not take longer than the work. */
int workload_read_all(struct workload *workload, uint64_t patience_us)
{
    const uint32_t keys = workload->history.key_count;
    const uint32_t width = 1 + keys / READS_MAX;
    for (uint32_t node = 0; node < cluster_nodes(workload->cluster); node++) {
        struct client *client = &workload->clients[workload->options.clients + node];
        if (!cluster_is_able(workload->cluster, node)) {
            continue;
        }
        client->node = node;
        for (uint32_t key = 0; key < keys; key += width) {
            const uint32_t end = key + width < keys ? key + width : keys;
            if (!read_until(client, key, end, workload->world->now_us + patience_us)) {
                return -1;
            }
        }
    }
    return 0;
}

const struct chronicle *workload_history(const struct workload *workload)
{
    return &workload->history;
}

/* Those that began before anybody was served do not count: there was no leader yet. */
size_t workload_failed(const struct workload *workload)
{
    const struct chronicle *history = &workload->history;
    uint64_t first_us = UINT64_MAX;
    size_t failed = 0;
    for (size_t i = 0; i < history->operation_count; i++) {
        const struct operation *it = &history->operations[i];
        if (it->outcome == OUTCOME_DONE && it->end_us < first_us) {
            first_us = it->end_us;
        }
    }
    for (size_t i = 0; i < history->operation_count; i++) {
        const struct operation *it = &history->operations[i];
        failed += it->begin_us >= first_us &&
                  (it->outcome == OUTCOME_UNKNOWN || it->outcome == OUTCOME_NOT_DONE);
    }
    return failed;
}

size_t workload_done(const struct workload *workload)
{
    size_t done = 0;
    for (size_t i = 0; i < workload->history.operation_count; i++) {
        const struct operation *operation = &workload->history.operations[i];
        done += operation->outcome == OUTCOME_DONE && operation->kind != OPERATION_RESTART;
    }
    return done;
}
