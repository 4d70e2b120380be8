/* workload.c -- clients that write and read, each one thing at a time, and remember it all. */
#include "sim/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "synod/error.h"

enum {
    REQUEST_MAX = 160,
    KEY_MAX = 16,
    VALUE_MAX = 64,
    BACK_OFF_US = 50000
};

struct client {
    struct workload *workload;
    uint32_t number;
    uint32_t node;       /* Whom it talks to. */
    uint32_t is_probing; /* It goes on until a write of its own was acknowledged. */
    uint32_t is_busy;    /* It waits for an answer, ... */
    uint64_t ticket;     /* ... the one with this number. */
    size_t operation;    /* Its index in the history. */
    uint32_t last_key;   /* What it saw last: what a swap is tried on. */
    int64_t last_mod;
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
    struct linear history;
    struct client *clients;
    struct ticket *tickets;
    uint64_t ticket_last;
    uint32_t begun;
    uint32_t busy;
    uint64_t value_last;
};

/* -- Requests, as etcd's messages ----------------------------------------------------------- */

static size_t put_field(uint8_t *to, uint8_t tag, const void *bytes, size_t size)
{
    assert(size < 128);
    to[0] = tag;
    to[1] = (uint8_t)size;
    memcpy(to + 2, bytes, size);
    return size + 2;
}

static size_t put_varint(uint8_t *to, uint8_t tag, uint64_t value)
{
    size_t size = 0;
    to[size++] = tag;
    while (value >= 128) {
        to[size++] = (uint8_t)(value | 128);
        value >>= 7;
    }
    to[size++] = (uint8_t)value;
    return size;
}

static size_t key_text(char to[KEY_MAX], uint32_t key)
{
    return (size_t)snprintf(to, KEY_MAX, "key-%u", key);
}

static size_t encode_put(uint8_t *to, const struct operation *operation)
{
    char key[KEY_MAX];
    char value[VALUE_MAX];
    /* Some values are longer: batches and snapshots should not all look alike. */
    const int width = operation->value % 5 == 0 ? 40 : 1;
    const int size =
        snprintf(value, sizeof value, "%0*llu", width, (unsigned long long)operation->value);
    size_t at = put_field(to, 0x0a, key, key_text(key, operation->key));
    return at + put_field(to + at, 0x12, value, (size_t)size);
}

static size_t encode_range(uint8_t *to, const struct operation *operation)
{
    char key[KEY_MAX];
    return put_field(to, 0x0a, key, key_text(key, operation->key));
}

static size_t encode_swap(uint8_t *to, const struct operation *operation)
{
    uint8_t inner[REQUEST_MAX];
    uint8_t op[REQUEST_MAX];
    char key[KEY_MAX];
    size_t size = put_varint(inner, 0x10, KV_TARGET_MOD);
    size += put_field(inner + size, 0x1a, key, key_text(key, operation->key));
    size += put_varint(inner + size, 0x30, (uint64_t)operation->expected);
    size_t at = put_field(to, 0x0a, inner, size);

    size = put_field(op, 0x12, inner, encode_put(inner, operation));
    at += put_field(to + at, 0x12, op, size);
    size = put_field(op, 0x0a, inner, encode_range(inner, operation));
    return at + put_field(to + at, 0x1a, op, size);
}

/* -- Outcomes ------------------------------------------------------------------------------- */

static void note_seen(struct operation *operation, const struct item *item)
{
    char text[VALUE_MAX] = {0};
    if (item != NULL && !item_is_tombstone(item)) {
        const struct bytes value = item_value(item);
        memcpy(text, value.data, value.size < sizeof text ? value.size : sizeof text - 1);
        operation->seen_mod = item->mod_revision;
        operation->seen = strtoull(text, NULL, 10);
    }
}

static void note_result(struct operation *operation, const struct kv_result *result)
{
    switch (result->kind) {
    case KV_COMMAND_PUT:
        operation->revision = result->put.revision;
        operation->has_written = 1;
        break;
    case KV_COMMAND_DELETE_RANGE:
        operation->revision = result->delete_range.revision;
        operation->has_written = result->delete_range.deleted > 0;
        break;
    default:
        operation->revision = result->txn.revision;
        operation->has_written = result->txn.has_succeeded;
        if (!operation->has_written && result->txn.responses[0].range.item_count > 0) {
            note_seen(operation, result->txn.responses[0].range.items[0]);
        }
        break;
    }
}

static void begin_next(void *object, uint64_t argument);

static void go_on_probing(struct client *client, enum operation_outcome outcome)
{
    client->is_probing = client->is_probing && outcome != OUTCOME_DONE;
    if (client->is_probing) {
        world_after(client->workload->world, BACK_OFF_US, begin_next, client, 1);
    }
}

/* The client's operation has ended: think, then go on. */
static void go_on(struct client *client, enum operation_outcome outcome)
{
    struct workload *workload = client->workload;
    struct operation *operation = &workload->history.operations[client->operation];

    operation->outcome = outcome;
    operation->end_us = workload->world->now_us;
    world_trace(workload->world, "outcome", client->number,
                (uint64_t)outcome * 1000000u + (uint64_t)operation->revision);
    client->is_busy = 0;
    workload->busy--;
    client->last_key = operation->key;
    client->last_mod = operation->has_written ? operation->revision : operation->seen_mod;
    uint64_t delay = world_below(workload->world, workload->options.think_us_max + 1);
    if (client->number >= workload->options.clients) {
        go_on_probing(client, outcome);
        return;
    }
    if (outcome != OUTCOME_DONE) {
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
    struct operation *operation = &client->workload->history.operations[client->operation];
    if (error == 0) {
        const struct kv_result *kv_result = result;
        assert(kv_result->error == 0);
        note_result(operation, kv_result);
        go_on(client, OUTCOME_DONE);
    } else {
        go_on(client, error == SYNOD_ERR_NO_LEADER ? OUTCOME_NOT_DONE : OUTCOME_UNKNOWN);
    }
}

static void on_read(void *context, int error)
{
    struct client *client = redeem(context);
    if (client == NULL) {
        return;
    }
    struct operation *operation = &client->workload->history.operations[client->operation];
    if (error != 0) {
        go_on(client, OUTCOME_NOT_DONE);
        return;
    }
    const struct kv *kv = cluster_kv(client->workload->cluster, client->node);
    char key[KEY_MAX];
    const struct kv_range_request request = {.key = bytes_of(key, key_text(key, operation->key))};
    struct arena arena = {0};
    struct kv_range_result result;
    const int outcome = kv_range(kv, &request, &arena, &result);
    assert(outcome == 0);
    operation->revision = result.revision;
    if (result.item_count > 0) {
        note_seen(operation, result.items[0]);
    }
    arena_deinit(&arena);
    go_on(client, OUTCOME_DONE);
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

static int submit(struct client *client, const struct operation *operation)
{
    struct replica *replica = cluster_replica(client->workload->cluster, client->node);
    uint8_t bytes[2 * REQUEST_MAX];
    struct ticket *ticket = new_ticket(client);
    size_t size;
    uint32_t kind;

    switch (operation->kind) {
    case OPERATION_GET:
        return replica_read(replica, on_read, ticket);
    case OPERATION_PUT:
        size = encode_put(bytes, operation);
        kind = KV_COMMAND_PUT;
        break;
    case OPERATION_DELETE:
        size = encode_range(bytes, operation);
        kind = KV_COMMAND_DELETE_RANGE;
        break;
    default:
        size = encode_swap(bytes, operation);
        kind = KV_COMMAND_TXN;
        break;
    }
    return replica_submit(replica, kind, bytes_of(bytes, size), on_result, ticket);
}

static void perform(struct client *client, const struct operation *operation)
{
    struct workload *workload = client->workload;
    client->operation = linear_begin(&workload->history, operation);
    world_trace(workload->world, "operation", client->number,
                (uint64_t)operation->kind * 1000u + operation->key);
    if (submit(client, operation) != 0) {
        go_on(client, OUTCOME_NOT_DONE);
    }
    cluster_touch(workload->cluster, client->node);
}

static struct operation draw(struct client *client)
{
    struct workload *workload = client->workload;
    const struct workload_options *options = &workload->options;
    const uint64_t dice = world_below(workload->world, 100);
    struct operation operation = {
        .kind = OPERATION_PUT,
        .client = client->number,
        .key = (uint32_t)world_below(workload->world, options->keys),
        .begin_us = workload->world->now_us,
    };
    if (dice < options->read_percent) {
        operation.kind = OPERATION_GET;
    } else if (dice < options->read_percent + options->delete_percent) {
        operation.kind = OPERATION_DELETE;
    } else {
        operation.value = ++workload->value_last;
        if (dice < options->read_percent + options->delete_percent + options->swap_percent) {
            operation.kind = OPERATION_SWAP;
            operation.key = client->last_key;
            operation.expected = client->last_mod;
        }
    }
    return operation;
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
    const struct operation operation = {
        .kind = OPERATION_PUT,
        .client = client->number,
        .key = (uint32_t)world_below(workload->world, workload->options.keys),
        .value = ++workload->value_last,
        .begin_us = workload->world->now_us,
    };
    perform(client, &operation);
}

static void begin_next(void *object, uint64_t is_probe)
{
    struct client *client = object;
    struct workload *workload = client->workload;
    if (is_probe) {
        if (client->is_probing && !client->is_busy) {
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
    const struct operation operation = draw(client);
    perform(client, &operation);
}

/* -- The whole ------------------------------------------------------------------------------ */

struct workload *workload_new(struct world *world, struct cluster *cluster,
                              const struct workload_options *options)
{
    struct workload *workload = world_allocate(sizeof *workload);
    workload->world = world;
    workload->cluster = cluster;
    workload->options = *options;
    linear_init(&workload->history, options->keys);
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
    linear_deinit(&workload->history);
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

void workload_stop(struct workload *workload)
{
    workload->options.operations = workload->begun;
}

void workload_on_kill(struct workload *workload, uint32_t node)
{
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
    client->is_probing = 1;
    begin_next(client, 1);
    while (client->is_probing && cluster_violation(workload->cluster) == NULL &&
           world_step(workload->world, until_us) != 0) {
    }
    return !client->is_probing;
}

void workload_read_all(struct workload *workload)
{
    for (uint32_t node = 0; node < cluster_nodes(workload->cluster); node++) {
        struct client *client = &workload->clients[workload->options.clients + node];
        if (!cluster_is_able(workload->cluster, node)) {
            continue;
        }
        for (uint32_t key = 0; key < workload->options.keys; key++) {
            const struct operation operation = {.kind = OPERATION_GET,
                                                .client = client->number,
                                                .key = key,
                                                .begin_us = workload->world->now_us};
            client->node = node;
            perform(client, &operation);
            while (client->is_busy && cluster_violation(workload->cluster) == NULL &&
                   world_step(workload->world, UINT64_MAX) != 0) {
            }
        }
    }
}

const struct linear *workload_history(const struct workload *workload)
{
    return &workload->history;
}

size_t workload_done(const struct workload *workload)
{
    size_t done = 0;
    for (size_t i = 0; i < workload->history.count; i++) {
        done += workload->history.operations[i].outcome == OUTCOME_DONE;
    }
    return done;
}
