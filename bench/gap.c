/* gap.c -- how long is there no answer while the leader dies?
 *
 * One client writes in sequence. It knows all endpoints, gives each try a short time (--timeout,
 * 200 ms), and goes to the next endpoint when a try failed. The gap is the longest time between
 * two acknowledged puts: what an application saw of the change of leader, all in all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/load.h"
#include "bench/request.h"
#include "grpc/client.h"
#include "os/os_uv.h"

enum {
    PAUSE_US = 2000,      /* Between tries where the failure came at once. */
    RECONNECT_US = 20000, /* Between attempts to connect to one endpoint. */
};

struct gap {
    struct os *os;
    const struct bench_options *options;
    struct result *result;
    struct grpc_client *grpc;
    struct grpc_channel *channels[ENDPOINTS_MAX]; /* NULL: not connected. */
    uint64_t lost_us[ENDPOINTS_MAX];              /* When it was lost. */
    struct endpoint {
        struct gap *gap;
        size_t index;
    } endpoints[ENDPOINTS_MAX];
    struct os_timer *timer;
    size_t current;
    uint64_t begin_us;
    uint64_t try_us;  /* When the try under way began. */
    uint64_t last_us; /* When the last put was acknowledged; 0: none was. */
    uint8_t *message;
};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void on_lost(void *context, int error)
{
    struct endpoint *endpoint = context;
    struct gap *gap = endpoint->gap;
    (void)error;
    grpc_channel_close(gap->channels[endpoint->index]);
    gap->channels[endpoint->index] = NULL;
    gap->lost_us[endpoint->index] = now_us();
}

static const struct grpc_channel_events EVENTS = {.on_close = on_lost};

static void connect_lost(struct gap *gap)
{
    for (size_t i = 0; i < gap->options->endpoint_count; i++) {
        if (gap->channels[i] == NULL && now_us() - gap->lost_us[i] >= RECONNECT_US &&
            grpc_channel_open(gap->grpc, gap->options->endpoints[i], &EVENTS, &gap->endpoints[i],
                              &gap->channels[i]) != 0) {
            gap->channels[i] = NULL;
        }
    }
}

static void on_answer(void *context, const struct grpc_result *result);

/* Try the current endpoint, or another one if it is not connected. */
static void try_put(struct gap *gap)
{
    const struct bench_options *options = gap->options;
    char key[32];
    connect_lost(gap);
    for (size_t i = 0; i < options->endpoint_count; i++) {
        struct grpc_channel *channel = gap->channels[gap->current];
        if (channel != NULL && grpc_channel_is_open(channel)) {
            const int size =
                snprintf(key, sizeof key, "gap-%llu", (unsigned long long)gap->result->operations);
            static const uint8_t value[256];
            const size_t message_size = request_encode_put(
                gap->message, bytes_of(key, (size_t)size), bytes_of(value, sizeof value));
            const struct grpc_request request = {.path = REQUEST_PUT_PATH,
                                                 .message = bytes_of(gap->message, message_size),
                                                 .timeout_us = options->timeout_us};
            gap->try_us = now_us();
            if (grpc_channel_call(channel, &request, on_answer, gap, NULL) == 0) {
                return;
            }
        }
        gap->current = (gap->current + 1) % options->endpoint_count;
    }
    os_timer_start(gap->os, gap->timer, PAUSE_US);
}

/* No put was acknowledged since the last one: is that the longest time so far? */
static void note_gap(struct gap *gap, uint64_t now)
{
    if (gap->last_us != 0 && now - gap->last_us > gap->result->gap_us) {
        gap->result->gap_us = now - gap->last_us;
    }
}

static int is_over(const struct gap *gap, uint64_t now)
{
    const struct bench_options *options = gap->options;
    return (options->duration_us != 0 && now - gap->begin_us >= options->duration_us) ||
           (options->total != 0 && gap->result->operations >= options->total);
}

static void on_answer(void *context, const struct grpc_result *result)
{
    struct gap *gap = context;
    const uint64_t now = now_us();
    int is_at_once = 0;
    if (result->code == GRPC_OK) {
        note_gap(gap, now);
        gap->last_us = now;
        gap->result->operations++;
        histogram_record(&gap->result->latency, (now - gap->try_us) * 1000);
    } else {
        result_fail(gap->result, result->text);
        gap->current = (gap->current + 1) % gap->options->endpoint_count;
        is_at_once = now - gap->try_us < PAUSE_US;
    }
    if (is_over(gap, now)) {
        note_gap(gap, now); /* One that is open at the end counts as well. */
        os_uv_stop(gap->os);
    } else if (is_at_once) {
        os_timer_start(gap->os, gap->timer, PAUSE_US);
    } else {
        try_put(gap);
    }
}

static void on_timer(void *context)
{
    struct gap *gap = context;
    if (is_over(gap, now_us())) {
        note_gap(gap, now_us());
        os_uv_stop(gap->os);
        return;
    }
    try_put(gap);
}

int load_run_gap(struct os *os, const struct bench_options *options, struct result *result)
{
    struct gap gap = {.os = os, .options = options, .result = result};
    gap.message = malloc(512);
    gap.grpc = grpc_client_new(os);
    gap.timer = os_timer_new(os, on_timer, &gap);
    if (gap.message == NULL || gap.grpc == NULL || gap.timer == NULL) {
        fputs("synod-bench: out of memory\n", stderr);
        exit(1);
    }
    for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
        gap.endpoints[i] = (struct endpoint){.gap = &gap, .index = i};
    }
    const double client_us = result_client_cpu_us();
    const double server_us = result_server_cpu_us(options);
    gap.begin_us = now_us();
    os_timer_start(os, gap.timer, 1);
    os_uv_run(os);
    const double count = (double)(result->operations + result->failures);
    result->seconds = (double)(now_us() - gap.begin_us) / 1e6;
    result->client_cpu_us = (result_client_cpu_us() - client_us) / (count > 0 ? count : 1);
    result->server_cpu_us = (result_server_cpu_us(options) - server_us) / (count > 0 ? count : 1);
    result_read_memory(result, options);
    os_timer_free(os, gap.timer);
    grpc_client_free(gap.grpc);
    free(gap.message);
    return 0;
}
