/* rig.c -- members on the loopback interface, and somebody who talks to them by hand. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "test.h"

static char log_text_kept[1 << 18];
static size_t log_size;

static void keep_line(const char *line, uint32_t size)
{
    if (log_size + size < sizeof log_text_kept) {
        memcpy(log_text_kept + log_size, line, size);
        log_size += size;
        log_text_kept[log_size] = '\0';
    }
}

int rig_has_logged(const char *first, const char *second)
{
    const char *line = log_text_kept;
    while (*line != '\0') {
        const char *end = strchr(line, '\n');
        const size_t size = (size_t)(end - line);
        if (memmem(line, size, first, strlen(first)) != NULL &&
            memmem(line, size, second, strlen(second)) != NULL) {
            return 1;
        }
        line = end + 1;
    }
    return 0;
}

/* -- Callbacks -------------------------------------------------------------------------- */

static const char *on_hello(void *context, uint32_t peer, const struct peer_hello *hello)
{
    struct member *member = context;
    member->wrong += peer >= MEMBERS - 1 || strcmp(hello->address, member->others[peer]) != 0;
    member->hello_count++;
    member->hello = *hello;
    return member->refusal;
}

static void on_connected(void *context, uint32_t peer)
{
    struct member *member = context;
    member->wrong += member->connected[peer] != member->disconnected[peer] ||
                     !peers_is_connected(member->peers, peer);
    member->connected[peer]++;
}

static void on_disconnected(void *context, uint32_t peer)
{
    struct member *member = context;
    member->disconnected[peer]++;
    member->wrong += member->connected[peer] != member->disconnected[peer] ||
                     peers_is_connected(member->peers, peer);
}

/* The n-th byte of a body is what its size, its type and n make it. */
static uint8_t body_byte(uint32_t size, uint32_t n)
{
    return (uint8_t)(size * 7 + n * 13 + (n >> 8));
}

static const char *on_frame(void *context, uint32_t peer, uint16_t type, uint32_t group,
                            struct bytes body)
{
    struct member *member = context;
    member->wrong += group != body.size % 5 || type != PEER_FRAME_TYPE_MIN + body.size % 3;
    for (uint32_t i = 0; i < body.size; i++) {
        member->wrong += body.data[i] != body_byte((uint32_t)body.size, i);
    }
    member->frames[peer]++;
    member->body_bytes[peer] += body.size;
    return member->objection;
}

static const struct peers_events events = {on_hello, on_connected, on_disconnected, on_frame};

int rig_send(struct member *member, uint32_t peer, uint32_t size)
{
    uint8_t *body = malloc(size + 1);
    assert_non_null(body);
    for (uint32_t i = 0; i < size; i++) {
        body[i] = body_byte(size, i);
    }
    const size_t third = size / 3;
    const struct bytes parts[] = {bytes_of(body, third), bytes_of(NULL, 0),
                                  bytes_of(body + third, third),
                                  bytes_of(body + 2 * third, size - 2 * third)};
    const struct peer_frame frame = {.type = (uint16_t)(PEER_FRAME_TYPE_MIN + size % 3),
                                     .group = size % 5};
    const int error = peers_send(member->peers, peer, frame, parts, 4);
    free(body);
    return error;
}

/* -- Members ---------------------------------------------------------------------------- */

/* 127.a.b.c of our own, so that runs side by side do not meet; nobody else needs to know. */
static void make_address(char *out, size_t size, uint32_t number)
{
    const unsigned pid = (unsigned)getpid();
    snprintf(out, size, "127.%u.%u.%u:2400%u", 64 + (pid >> 16) % 64, (pid >> 8) & 255, pid & 255,
             number + 1);
}

static void init_member(struct rig *rig, uint32_t number)
{
    struct member *member = &rig->members[number];
    uint32_t count = 0;
    member->rig = rig;
    member->number = number;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if (i != number) {
            member->others[count++] = rig->members[i].address;
        }
    }
    peers_options_init(&member->options);
    member->options.name = "member";
    member->options.address = member->address;
    member->options.listen = member->address;
    member->options.peers = member->others;
    member->options.peer_count = count;
    member->options.cluster_key = 0xc1u;
    member->options.member = 100 + number;
    member->options.incarnation = 1000 + number;
}

void rig_open(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    log_size = 0;
    log_text_kept[0] = '\0';
    log_configure(&(struct log_options){.level = LOG_DEBUG, .sink = keep_line});
    loop_open(&rig->loop);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        make_address(rig->members[i].address, sizeof rig->members[i].address, i);
    }
    for (uint32_t i = 0; i < MEMBERS; i++) {
        init_member(rig, i);
    }
}

void rig_start(struct rig *rig, uint32_t number)
{
    struct member *member = &rig->members[number];
    assert_null(member->peers);
    memset(member->connected, 0, sizeof member->connected);
    memset(member->disconnected, 0, sizeof member->disconnected);
    assert_int_equal(peers_new(rig->loop.os, &member->options, &events, member, &member->peers), 0);
}

void rig_stop(struct rig *rig, uint32_t number)
{
    peers_free(rig->members[number].peers);
    rig->members[number].peers = NULL;
}

void rig_close(struct rig *rig)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        assert_int_equal(rig->members[i].wrong, 0);
        if (rig->members[i].peers != NULL) {
            rig_stop(rig, i);
        }
    }
    loop_close(&rig->loop);
    log_configure(&(struct log_options){.level = LOG_INFO});
}

uint32_t rig_peer(uint32_t member, uint32_t other)
{
    assert_true(member != other);
    return other < member ? other : other - 1;
}

int rig_is_connected(void *context)
{
    const struct rig *rig = context;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        for (uint32_t j = 0; j < MEMBERS; j++) {
            if (i != j && rig->members[i].peers != NULL && rig->members[j].peers != NULL &&
                !peers_is_connected(rig->members[i].peers, rig_peer(i, j))) {
                return 0;
            }
        }
    }
    return 1;
}

void rig_start_all(struct rig *rig)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        rig_start(rig, i);
    }
    loop_run_until(&rig->loop, rig_is_connected, rig);
}

/* -- Somebody else ---------------------------------------------------------------------- */

static void on_stranger_open(void *context)
{
    ((struct stranger *)context)->is_open = 1;
}

static void on_stranger_data(void *context, struct bytes data)
{
    struct stranger *stranger = context;
    assert_int_equal(buffer_append(&stranger->received, data.data, data.size), 0);
}

static void on_stranger_drain(__attribute__((unused)) void *context)
{
}

static void on_stranger_close(void *context, __attribute__((unused)) int error)
{
    ((struct stranger *)context)->is_ended = 1;
}

static const struct os_stream_events stranger_events = {on_stranger_open, on_stranger_data,
                                                        on_stranger_drain, on_stranger_close};

void stranger_call(struct rig *rig, struct stranger *stranger, uint32_t member)
{
    memset(stranger, 0, sizeof *stranger);
    assert_int_equal(os_connect(rig->loop.os, rig->members[member].address, &stranger_events,
                                stranger, &stranger->stream),
                     0);
    loop_run_until(&rig->loop, loop_is_set, &stranger->is_open);
}

void stranger_write(struct stranger *stranger, struct bytes bytes)
{
    assert_int_equal(os_stream_write(stranger->stream, &bytes, 1), 0);
}

void stranger_close(struct stranger *stranger)
{
    os_stream_close(stranger->stream);
    buffer_deinit(&stranger->received);
}

void stranger_wait_for_end(struct rig *rig, struct stranger *stranger)
{
    loop_run_until(&rig->loop, loop_is_set, &stranger->is_ended);
}

static int has_frame(void *context)
{
    const struct buffer *received = &((const struct stranger *)context)->received;
    return buffer_size(received) >= FRAME_HEADER_SIZE &&
           buffer_size(received) >=
               FRAME_HEADER_SIZE + frame_decode_header(buffer_bytes(received).data).body_size;
}

uint16_t stranger_wait_for_frame(struct rig *rig, struct stranger *stranger)
{
    loop_run_until(&rig->loop, has_frame, stranger);
    return frame_decode_header(buffer_bytes(&stranger->received).data).type;
}

struct frame_hello hello_of(const struct rig *rig, uint32_t as)
{
    struct frame_hello hello = {
        .version_min = 1,
        .version_max = 1,
        .cluster_key = 0xc1u,
        .member = 100 + as,
        .incarnation = 2000 + as,
        .name = "stranger",
    };
    snprintf(hello.address, sizeof hello.address, "%s", rig->members[as].address);
    return hello;
}

size_t encode_frame(uint8_t *to, uint16_t type, uint16_t version, struct bytes body)
{
    const struct frame_header header = {
        .body_size = (uint32_t)body.size, .type = type, .version = version};
    frame_encode_header(to, &header, &body, 1);
    memcpy(to + FRAME_HEADER_SIZE, body.data, body.size);
    return FRAME_HEADER_SIZE + body.size;
}

size_t encode_hello(uint8_t *to, const struct frame_hello *hello)
{
    uint8_t body[FRAME_HELLO_SIZE_MAX];
    const size_t size = frame_encode_hello(body, hello);
    return encode_frame(to, FRAME_HELLO, 1, bytes_of(body, size));
}

void stranger_pass_for(struct rig *rig, struct stranger *stranger, uint32_t member, uint32_t as)
{
    uint8_t frame[FRAME_HEADER_SIZE + FRAME_HELLO_SIZE_MAX];
    const struct frame_hello hello = hello_of(rig, as);
    stranger_call(rig, stranger, member);
    stranger_write(stranger, bytes_of(frame, encode_hello(frame, &hello)));
    assert_int_equal(stranger_wait_for_frame(rig, stranger), FRAME_HELLO);
}
