/* load.c -- put, get and mix: many clients over few connections.
 *
 * Closed loop: each client begins its next operation when it has the answer to the last; the
 * servers set the pace, and a pause of theirs is seen by at most as many operations as there
 * are clients.
 *
 * Open loop (--rate): operations begin at fixed times. One that finds all clients busy waits
 * for one of them, and its latency counts from the time at which it was to begin: a pause of
 * the server is seen by all operations that it delayed, as in life ("coordinated omission" is
 * what hides it otherwise).
 */
#include "bench/load.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/prng.h"
#include "bench/request.h"
#include "grpc/client.h"
#include "os/os_uv.h"

enum {
    TICK_OPEN_US = 1000,    /* How finely the open loop keeps its times. */
    TICK_CLOSED_US = 20000, /* After this a client tries again that failed. */
    PROGRESS_US = 250000,
};

struct link {
    struct load *load;
    const char *address;
    struct grpc_channel *channel;
};

struct client {
    struct load *load;
    struct link *link;
    struct client *next_idle;
    uint64_t begin_ns; /* When its operation began, or was to begin. */
    int is_read;
};

struct load {
    struct os *os;
    const struct bench_options *options;
    struct result *result;
    struct grpc_client *grpc;
    struct link *links;
    struct client *clients;
    struct client *idle; /* Those without an operation. */
    struct os_timer *timer;
    uint32_t links_open;
    uint32_t busy;        /* Operations under way. */
    uint64_t begun;       /* Operations begun so far. */
    uint64_t begin_ns;    /* Of the run. */
    uint64_t end_ns;      /* When no more are begun; UINT64_MAX: by count only. */
    uint64_t progress_ns; /* When the progress was shown last. */
    int is_running;
    int is_failed;
    struct prng prng;
    uint8_t *message; /* Being encoded. */
    uint8_t *key;
    uint8_t *value;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* -- One operation ---------------------------------------------------------------------- */

/* The n-th key: n in decimal, with zeroes before it; the lowest digits where it is short. */
static void write_key(uint8_t *key, uint32_t size, uint64_t number)
{
    for (uint32_t i = size; i-- > 0;) {
        key[i] = (uint8_t)('0' + number % 10);
        number /= 10;
    }
}

static struct bytes encode(struct load *load, int is_read)
{
    const struct bench_options *options = load->options;
    uint64_t number = load->begun;
    if (options->keys > 0) {
        number = options->is_random ? prng_below(&load->prng, options->keys)
                                    : load->begun % options->keys;
    }
    write_key(load->key, options->key_size, number);
    const struct bytes key = bytes_of(load->key, options->key_size);
    const size_t size = is_read ? request_encode_get(load->message, key, options->is_serializable)
                                : request_encode_put(load->message, key,
                                                     bytes_of(load->value, options->value_size));
    return bytes_of(load->message, size);
}

static int may_begin(const struct load *load, uint64_t at_ns)
{
    return load->is_running && at_ns < load->end_ns &&
           (load->options->total == 0 || load->begun < load->options->total);
}

static void on_answer(void *context, const struct grpc_result *result);

/* Let the client begin an operation that was to begin at `begin_ns`. */
static void begin(struct client *client, uint64_t begin_ns)
{
    struct load *load = client->load;
    const struct bench_options *options = load->options;
    client->begin_ns = begin_ns;
    client->is_read =
        options->mode == BENCH_GET ||
        (options->mode == BENCH_MIX && prng_chance(&load->prng, options->read_percent, 100));
    const struct grpc_request request = {
        .path = client->is_read ? REQUEST_RANGE_PATH : REQUEST_PUT_PATH,
        .message = encode(load, client->is_read),
        .timeout_us = options->timeout_us,
    };
    load->begun++;
    load->busy++;
    if (grpc_channel_call(client->link->channel, &request, on_answer, client, NULL) != 0) {
        on_answer(client, &(struct grpc_result){.code = GRPC_UNAVAILABLE, .text = "not connected"});
    }
}

static void set_idle(struct client *client)
{
    client->next_idle = client->load->idle;
    client->load->idle = client;
}

/* The time at which operation number `n` of the open loop is to begin. */
static uint64_t due_ns(const struct load *load, uint64_t n)
{
    const uint64_t rate = load->options->rate;
    return load->begin_ns + n / rate * 1000000000 + n % rate * 1000000000 / rate;
}

static void stop_if_done(struct load *load)
{
    if (load->is_running && load->busy == 0 && !may_begin(load, now_ns())) {
        load->is_running = 0;
        os_uv_stop(load->os);
    }
}

/* An operation ended: count it, and go on. */
static void on_answer(void *context, const struct grpc_result *result)
{
    struct client *client = context;
    struct load *load = client->load;
    const uint64_t now = now_ns();

    load->busy--;
    if (result->code != GRPC_OK) {
        result_fail(load->result, result->text);
    } else if (client->is_read && !request_has_key(result->message)) {
        result_fail(load->result, "synod-bench: the key is not there");
    } else {
        load->result->operations++;
        histogram_record(&load->result->latency, now - client->begin_ns);
    }
    /* A client whose operation failed waits for the next tick, lest a server that refuses at
     * once be asked in a busy loop. */
    if (load->options->rate != 0) {
        const uint64_t due = due_ns(load, load->begun);
        if (due <= now && may_begin(load, due) && result->code == GRPC_OK) {
            begin(client, due);
            return;
        }
    } else if (result->code == GRPC_OK && may_begin(load, now)) {
        begin(client, now);
        return;
    }
    set_idle(client);
    stop_if_done(load);
}

/* -- Connections ------------------------------------------------------------------------ */

static void on_link_open(void *context)
{
    ((struct link *)context)->load->links_open++;
}

static int open_link(struct link *link);

/* A lost connection is made again at the next tick; until then its clients fail. */
static void on_link_close(void *context, int error)
{
    struct link *link = context;
    struct load *load = link->load;
    if (load->begin_ns == 0) {
        fprintf(stderr, "synod-bench: cannot connect to %s: %s\n", link->address, strerror(-error));
        load->is_failed = 1;
        os_uv_stop(load->os);
        return;
    }
    load->links_open--;
    grpc_channel_close(link->channel);
    link->channel = NULL;
    if (open_link(link) != 0) {
        load->is_failed = 1;
        os_uv_stop(load->os);
    }
}

static const struct grpc_channel_events LINK_EVENTS = {.on_open = on_link_open,
                                                       .on_close = on_link_close};

static int open_link(struct link *link)
{
    return grpc_channel_open(link->load->grpc, link->address, &LINK_EVENTS, link, &link->channel);
}

/* -- Time ------------------------------------------------------------------------------- */

/* Give the idle clients what is due: in a closed loop, the failed ones their next operation. */
static void begin_due(struct load *load, uint64_t now)
{
    struct client *client = load->idle;
    load->idle = NULL;
    while (client != NULL) {
        struct client *next = client->next_idle;
        const uint64_t due = load->options->rate == 0 ? now : due_ns(load, load->begun);
        if (due <= now && may_begin(load, due)) {
            begin(client, due);
        } else {
            set_idle(client);
        }
        client = next;
    }
}

static void show_progress(struct load *load, uint64_t now)
{
    const struct bench_options *options = load->options;
    const double seconds = (double)(now - load->begin_ns) / 1e9;
    double share = 0;
    if (options->total > 0) {
        share = (double)load->begun / (double)options->total;
    }
    if (options->duration_us > 0 && seconds * 1e6 / (double)options->duration_us > share) {
        share = seconds * 1e6 / (double)options->duration_us;
    }
    load->progress_ns = now;
    result_show_progress(load->result, seconds, share > 1 ? 1 : share);
}

static void on_tick(void *context)
{
    struct load *load = context;
    const uint64_t now = now_ns();
    if (load->begin_ns == 0) { /* Still connecting. */
        if (load->links_open == load->options->connections) {
            load->begin_ns = now;
            load->end_ns = load->options->duration_us == 0
                               ? UINT64_MAX
                               : now + load->options->duration_us * 1000;
        }
    }
    if (load->begin_ns != 0) {
        begin_due(load, now);
        stop_if_done(load);
        if (now - load->progress_ns > PROGRESS_US * 1000ull) {
            show_progress(load, now);
        }
    }
    os_timer_start(load->os, load->timer, load->options->rate == 0 ? TICK_CLOSED_US : TICK_OPEN_US);
}

/* -- The run ---------------------------------------------------------------------------- */

static void *must_have(void *memory)
{
    if (memory == NULL) {
        fputs("synod-bench: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* Values that no compression along the way could shorten. */
static void prepare_bytes(struct load *load)
{
    const struct bench_options *options = load->options;
    load->key = must_have(malloc(options->key_size));
    load->value = must_have(malloc(options->value_size + 8));
    load->message =
        must_have(malloc((size_t)options->key_size + options->value_size + REQUEST_OVERHEAD));
    for (uint32_t i = 0; i < options->value_size; i += 8) {
        const uint64_t word = prng_next(&load->prng);
        memcpy(load->value + i, &word, sizeof word);
    }
}

static void prepare_clients(struct load *load)
{
    const struct bench_options *options = load->options;
    load->links = must_have(calloc(options->connections, sizeof *load->links));
    load->clients = must_have(calloc(options->clients, sizeof *load->clients));
    for (uint32_t i = 0; i < options->connections; i++) {
        load->links[i] =
            (struct link){.load = load, .address = options->endpoints[i % options->endpoint_count]};
        const int error = open_link(&load->links[i]);
        if (error != 0) {
            fprintf(stderr, "synod-bench: cannot connect to %s: %s\n", load->links[i].address,
                    strerror(-error));
            load->is_failed = 1;
            return;
        }
    }
    for (uint32_t i = options->clients; i-- > 0;) {
        load->clients[i] =
            (struct client){.load = load, .link = &load->links[i % options->connections]};
        set_idle(&load->clients[i]);
    }
}

int load_run(struct os *os, const struct bench_options *options, struct result *result)
{
    struct load load = {.os = os, .options = options, .result = result};
    load.prng.state = options->seed;
    load.is_running = 1;
    load.grpc = must_have(grpc_client_new(os));
    load.timer = must_have(os_timer_new(os, on_tick, &load));
    prepare_bytes(&load);
    prepare_clients(&load);
    if (!load.is_failed) {
        os_timer_start(os, load.timer, TICK_OPEN_US);
        const double server_us = result_server_cpu_us(options);
        const double client_us = result_client_cpu_us();
        os_uv_run(os);
        result_show_progress(result, 0, 2);
        const double count = (double)(result->operations + result->failures);
        result->seconds = (double)(now_ns() - load.begin_ns) / 1e9;
        result->server_cpu_us =
            (result_server_cpu_us(options) - server_us) / (count > 0 ? count : 1);
        result->client_cpu_us = (result_client_cpu_us() - client_us) / (count > 0 ? count : 1);
        result_read_memory(result, options);
    }
    os_timer_free(os, load.timer);
    grpc_client_free(load.grpc);
    free(load.links);
    free(load.clients);
    free(load.key);
    free(load.value);
    free(load.message);
    return load.is_failed ? -1 : 0;
}
