/* demo_load.c -- many requests in flight to a cluster that may lose members meanwhile.
 *
 *     idle ---> on its way ---> answered: the next file
 *                  |   ^
 *     failed, late |   | the next tick, another member
 *                  v   |
 *                 parked
 *
 * A try gets 200 ms, and twice as long each time after: short enough that a member that died is
 * soon passed over, long enough that a slow disk is waited for. A request keeps its value from
 * the first try on, so that a try that was given up and is done late all the same changes
 * nothing. */
#include "cli/demo_load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/assert.h"
#include "base/list.h"
#include "cli/answer.h"
#include "cli/xmalloc.h"
#include "grpc/client.h"
#include "kv.pb-c.h"
#include "os/os_uv.h"

enum {
    WINDOW = 256, /* Requests in flight. */
    TICK_US = 10000,
    TRY_US = 200000,       /* The first try's patience, ... */
    TRY_DOUBLINGS = 5,     /* ... doubled so often at most: 6.4 s. */
    QUESTION_US = 1000000, /* Patience for who leads. */
    KEY_SIZE_MAX = 4200,
    MESSAGE_SIZE_MAX = KEY_SIZE_MAX + DEMO_VALUE_MAX + 64,
};

/* What is remembered of a file's key. */
struct item {
    struct answer_value value; /* Once it was put. */
    uint8_t is_acked;
};

/* A place in the window. */
struct request {
    struct list link; /* In load->parked, while it is there. */
    struct demo_load *load;
    size_t index; /* Of its file. */
    uint32_t tries;
    uint32_t value_size;
    uint8_t value[DEMO_VALUE_MAX];
};

/* A member. */
struct target {
    struct demo_load *load;
    const char *address;
    struct grpc_channel *channel; /* NULL: none; the next tick opens one. */
    uint64_t member_id;           /* 0: it never said. */
    int is_asked;                 /* A question is on its way. */
};

struct demo_load {
    struct os *os;
    const struct demo_files *files;
    const struct demo_load_events *events;
    void *context;
    struct grpc_client *grpc;
    struct os_timer *timer;
    struct target targets[DEMO_LOAD_TARGETS];
    struct item *items;
    struct request *requests; /* WINDOW of them. */
    struct list parked;
    enum demo_load_kind kind;
    size_t next; /* The file that is asked about next. */
    uint32_t turn;
    uint32_t in_flight;
    int is_stopped;
    uint64_t last_us; /* When the last answer came. */
    uint64_t term;    /* Of the leader that is known. */
    uint64_t leader;  /* Member id; 0: none. */
    struct demo_load_counts counts;
};

static void send_request(struct request *request);

/* -- The window ----------------------------------------------------------------------- */

/* The next file of this run, or the number of files. */
static size_t take_next(struct demo_load *load)
{
    while (load->next < load->files->count && load->kind == DEMO_LOAD_GET &&
           !load->items[load->next].is_acked) {
        load->next++;
    }
    return load->next < load->files->count ? load->next++ : load->next;
}

/* Put the place to its next use. */
static void begin(struct request *request)
{
    struct demo_load *load = request->load;
    request->index = take_next(load);
    request->tries = 0;
    if (request->index == load->files->count) {
        return; /* No more: the place stays empty. */
    }
    if (load->kind == DEMO_LOAD_PUT) {
        struct item *item = &load->items[request->index];
        request->value_size =
            (uint32_t)demo_files_read(&load->files->files[request->index], request->value);
        item->value.size = request->value_size;
        item->value.hash = XXH3_64bits(request->value, request->value_size);
    }
    load->in_flight++;
    send_request(request);
}

static void park(struct request *request)
{
    request->tries++;
    request->load->counts.retries++;
    list_append(&request->load->parked, &request->link);
}

static void end(struct request *request)
{
    struct demo_load *load = request->load;
    const uint64_t now_us = os_now_us(load->os);
    const uint64_t silent_us = now_us - load->last_us;
    if (silent_us > load->counts.gap_us) {
        load->counts.gap_us = silent_us;
    }
    load->last_us = now_us;
    load->counts.done++;
    load->in_flight--;
    begin(request);
    if (load->in_flight == 0) {
        os_uv_stop(load->os);
    }
}

/* -- Answers -------------------------------------------------------------------------- */

static void on_answer(void *context, const struct grpc_result *result)
{
    struct request *request = context;
    struct demo_load *load = request->load;
    struct item *item = &load->items[request->index];
    if (result->code != GRPC_OK) {
        snprintf(load->counts.last_error, sizeof load->counts.last_error, "%s", result->text);
        park(request);
        return;
    }
    if (load->kind == DEMO_LOAD_PUT) {
        load->counts.acked += !item->is_acked;
        item->is_acked = 1;
    } else if (!answer_has_value(result->message, &item->value)) {
        load->counts.lost++;
    }
    end(request);
}

/* -- Requests ------------------------------------------------------------------------- */

/* The message of the request; its size. `to` has MESSAGE_SIZE_MAX bytes. */
static size_t encode(const struct request *request, uint8_t *to)
{
    const struct demo_load *load = request->load;
    char key[KEY_SIZE_MAX];
    const size_t key_size = demo_files_key(&load->files->files[request->index], key, sizeof key);
    const ProtobufCBinaryData key_bytes = {.len = key_size, .data = (uint8_t *)key};
    if (load->kind == DEMO_LOAD_PUT) {
        Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
        put.key = key_bytes;
        put.value.data = (uint8_t *)(uintptr_t)request->value;
        put.value.len = request->value_size;
        assert(etcdserverpb__put_request__get_packed_size(&put) <= MESSAGE_SIZE_MAX);
        return etcdserverpb__put_request__pack(&put, to);
    }
    Etcdserverpb__RangeRequest get = ETCDSERVERPB__RANGE_REQUEST__INIT;
    get.key = key_bytes;
    return etcdserverpb__range_request__pack(&get, to);
}

/* The next member in turn to which there is a connection, or NULL. */
static struct target *choose_target(struct demo_load *load)
{
    for (uint32_t i = 0; i < DEMO_LOAD_TARGETS; i++) {
        struct target *target = &load->targets[load->turn++ % DEMO_LOAD_TARGETS];
        if (target->channel != NULL && grpc_channel_is_open(target->channel)) {
            return target;
        }
    }
    return NULL;
}

static void send_request(struct request *request)
{
    struct demo_load *load = request->load;
    uint8_t message[MESSAGE_SIZE_MAX];
    struct target *target = choose_target(load);
    if (target == NULL) {
        park(request);
        return;
    }
    const uint32_t doublings =
        request->tries < TRY_DOUBLINGS ? request->tries : (uint32_t)TRY_DOUBLINGS;
    const struct grpc_request call = {
        .path = load->kind == DEMO_LOAD_PUT ? "/etcdserverpb.KV/Put" : "/etcdserverpb.KV/Range",
        .message = bytes_of(message, encode(request, message)),
        .timeout_us = (uint64_t)TRY_US << doublings,
    };
    if (grpc_channel_call(target->channel, &call, on_answer, request, NULL) != 0) {
        park(request);
    }
}

/* -- Members -------------------------------------------------------------------------- */

static void on_close(void *context, __attribute__((unused)) int error)
{
    struct target *target = context;
    grpc_channel_close(target->channel);
    target->channel = NULL;
    target->is_asked = 0;
}

static const struct grpc_channel_events channel_events = {.on_close = on_close};

static void on_status(void *context, const struct grpc_result *result)
{
    struct target *target = context;
    struct demo_load *load = target->load;
    struct answer_leader said;
    target->is_asked = 0;
    if (result->code != GRPC_OK || answer_read_leader(result->message, &said) != 0) {
        return;
    }
    target->member_id = said.member;
    if (said.leader != 0 && said.term >= load->term) {
        load->term = said.term;
        load->leader = said.leader;
    }
}

/* Keep a connection to the member, and a question on its way. */
static void look_after(struct target *target)
{
    struct demo_load *load = target->load;
    if (target->channel == NULL && grpc_channel_open(load->grpc, target->address, &channel_events,
                                                     target, &target->channel) != 0) {
        target->channel = NULL;
        return;
    }
    if (target->is_asked || !grpc_channel_is_open(target->channel)) {
        return;
    }
    const struct grpc_request call = {
        .path = "/etcdserverpb.Maintenance/Status",
        .timeout_us = QUESTION_US,
    };
    target->is_asked = grpc_channel_call(target->channel, &call, on_status, target, NULL) == 0;
}

static void on_tick(void *context)
{
    struct demo_load *load = context;
    struct list *link;
    struct list *following;
    struct list again;
    for (uint32_t i = 0; i < DEMO_LOAD_TARGETS; i++) {
        look_after(&load->targets[i]);
    }
    list_init(&again);
    LIST_FOREACH (&load->parked, link, following) {
        list_remove(link);
        list_append(&again, link);
    }
    LIST_FOREACH (&again, link, following) {
        list_remove(link);
        send_request(LIST_ITEM(link, struct request, link));
    }
    load->events->on_tick(load->context);
    if (!load->is_stopped) {
        os_timer_start(load->os, load->timer, TICK_US);
    }
}

/* -- The whole of it ------------------------------------------------------------------ */

struct demo_load *demo_load_new(struct os *os, const char *const addresses[DEMO_LOAD_TARGETS],
                                const struct demo_files *files,
                                const struct demo_load_events *events, void *context)
{
    struct demo_load *load = xcalloc(1, sizeof *load);
    *load = (struct demo_load){.os = os, .files = files, .events = events, .context = context};
    load->grpc = grpc_client_new(os);
    load->timer = os_timer_new(os, on_tick, load);
    load->items = xcalloc(files->count, sizeof load->items[0]);
    load->requests = xcalloc(WINDOW, sizeof load->requests[0]);
    list_init(&load->parked);
    for (uint32_t i = 0; i < WINDOW; i++) {
        load->requests[i].load = load;
        list_init(&load->requests[i].link);
    }
    for (uint32_t i = 0; i < DEMO_LOAD_TARGETS; i++) {
        load->targets[i] = (struct target){.load = load, .address = addresses[i]};
    }
    if (load->grpc == NULL || load->timer == NULL) {
        demo_load_free(load);
        return NULL;
    }
    return load;
}

void demo_load_free(struct demo_load *load)
{
    if (load->grpc != NULL) {
        grpc_client_free(load->grpc);
    }
    if (load->timer != NULL) {
        os_timer_free(load->os, load->timer);
    }
    free(load->items);
    free(load->requests);
    free(load);
}

void demo_load_run(struct demo_load *load, enum demo_load_kind kind)
{
    assert(load->in_flight == 0);
    load->kind = kind;
    load->next = 0;
    load->counts.done = 0;
    load->counts.total = kind == DEMO_LOAD_PUT ? load->files->count : load->counts.acked;
    load->last_us = os_now_us(load->os);
    load->is_stopped = 0;
    for (uint32_t i = 0; i < WINDOW; i++) {
        begin(&load->requests[i]);
    }
    os_timer_start(load->os, load->timer, 0);
    if (load->in_flight > 0) {
        os_uv_run(load->os);
    }
    os_timer_stop(load->os, load->timer);
}

void demo_load_stop(struct demo_load *load)
{
    load->is_stopped = 1;
    os_uv_stop(load->os);
}

void demo_load_watch_gap(struct demo_load *load)
{
    load->counts.gap_us = 0;
}

void demo_load_counts(const struct demo_load *load, struct demo_load_counts *counts)
{
    *counts = load->counts;
    counts->silent_us = os_now_us(load->os) - load->last_us;
}

int demo_load_leader(const struct demo_load *load)
{
    for (int i = 0; i < DEMO_LOAD_TARGETS; i++) {
        if (load->leader != 0 && load->targets[i].member_id == load->leader) {
            return i;
        }
    }
    return -1;
}
