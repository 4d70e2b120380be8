/* leader.c -- ask every endpoint for its status, and keep the one that leads. */
#include <stdio.h>
#include <string.h>

#include "bench/load.h"
#include "bench/request.h"
#include "grpc/client.h"
#include "os/os_uv.h"

struct search {
    struct os *os;
    size_t waiting;
    int found; /* Which endpoint; -1: none. */
    struct question {
        struct search *search;
        int endpoint;
        struct grpc_channel *channel;
    } questions[ENDPOINTS_MAX];
};

static void on_status(void *context, const struct grpc_result *result)
{
    struct question *question = context;
    struct search *search = question->search;
    uint64_t member;
    uint64_t leader;
    if (result->code == GRPC_OK && request_decode_status(result->message, &member, &leader) == 0 &&
        member == leader) {
        search->found = question->endpoint;
    }
    search->waiting--;
    if (search->waiting == 0) {
        os_uv_stop(search->os);
    }
}

int load_find_leader(struct os *os, struct bench_options *options)
{
    struct search search = {.os = os, .found = -1};
    struct grpc_client *client = grpc_client_new(os);
    const struct grpc_request request = {.path = REQUEST_STATUS_PATH, .timeout_us = 5000000};
    if (client == NULL) {
        return -1;
    }
    for (size_t i = 0; i < options->endpoint_count; i++) {
        struct question *question = &search.questions[i];
        question->search = &search;
        question->endpoint = (int)i;
        if (grpc_channel_open(client, options->endpoints[i], NULL, NULL, &question->channel) == 0 &&
            grpc_channel_call(question->channel, &request, on_status, question, NULL) == 0) {
            search.waiting++;
        }
    }
    if (search.waiting > 0) {
        os_uv_run(os);
    }
    grpc_client_free(client);
    if (search.found < 0) {
        fputs("synod-bench: none of the endpoints says that it leads\n", stderr);
        return -1;
    }
    memmove(options->endpoints[0], options->endpoints[search.found], ADDRESS_SIZE);
    options->endpoint_count = 1;
    return 0;
}
