/* os_test.c -- connections on a real loop, and the n-th thing that is asked of libuv fails.
 *
 * A server sends back whatever it is sent. A client calls it by a name of two addresses, of which
 * the first does not answer, and then in digits. It gets back all that os_stream_write() has
 * taken, or is told that the connection has ended: a write that is lost, and nobody hears of it,
 * would keep it waiting for ever. When nothing fails any more the same server serves as before. */
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "fault.h"
#include "loop.h"
#include "test.h"

enum {
    SMALL = 1000,
    LARGE = 512 << 10, /* More than the kernel takes at once. */
    GUESTS_MAX = 8
};

struct client {
    struct os_stream *stream;
    uint64_t sent; /* Taken by os_stream_write(). */
    uint64_t received;
    int is_open;
    int is_closed;
};

struct rig {
    struct loop loop;
    struct os_listener *listener; /* NULL: it could not listen. */
    struct os_stream *guests[GUESTS_MAX];
    struct client client;
};

/* 127.0.0.2, where nobody listens, in front of what the real one finds for a name. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    struct addrinfo *rest;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    const int error = real(host, service, hints, &rest);
    if (error == 0) {
        assert_int_equal(real("127.0.0.2", service, hints, found), 0);
        (*found)->ai_next = rest;
    }
    return error;
}

static uint8_t pattern(uint64_t n)
{
    return (uint8_t)(n * 31 + (n >> 8) * 7);
}

/* -- The server ----------------------------------------------------------------------------- */

static void see_off(struct os_stream **guest)
{
    if (*guest != NULL) {
        os_stream_close(*guest);
        *guest = NULL;
    }
}

static void ignore(__attribute__((unused)) void *context)
{
}

static void send_back(void *context, struct bytes data)
{
    struct os_stream **guest = context;
    if (os_stream_write(*guest, &data, 1) != 0) {
        see_off(guest);
    }
}

static void on_guest_gone(void *context, __attribute__((unused)) int error)
{
    see_off(context);
}

static const struct os_stream_events GUEST_EVENTS = {ignore, send_back, ignore, on_guest_gone};

static void on_accept(void *context, struct os_stream *stream)
{
    struct os_stream **place = ((struct rig *)context)->guests;
    while (*place != NULL) {
        place++;
        assert_true(place < ((struct rig *)context)->guests + GUESTS_MAX);
    }
    *place = stream;
    os_stream_attach(stream, &GUEST_EVENTS, place);
}

static void listen_to_all(struct rig *rig)
{
    if (rig->listener == NULL) {
        const int error = os_listen(rig->loop.os, "127.0.0.1:0", on_accept, rig, &rig->listener);
        assert_true(error == 0 || fault_has_struck());
    }
}

/* -- The client ----------------------------------------------------------------------------- */

static void on_open(void *context)
{
    ((struct client *)context)->is_open = 1;
}

static void on_answer(void *context, struct bytes data)
{
    struct client *client = context;
    for (size_t i = 0; i < data.size; i++) {
        assert_int_equal(data.data[i], pattern(client->received++));
    }
}

static void on_end(void *context, __attribute__((unused)) int error)
{
    struct client *client = context;
    assert_false(client->is_closed);
    client->is_closed = 1;
}

static const struct os_stream_events CLIENT_EVENTS = {on_open, on_answer, ignore, on_end};

/* The next bytes of the pattern, in two parts. */
static void say(struct client *client, size_t size)
{
    uint8_t *data = malloc(size);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++) {
        data[i] = pattern(client->sent + i);
    }
    const struct bytes parts[2] = {bytes_of(data, 10), bytes_of(data + 10, size - 10)};
    const int error = os_stream_write(client->stream, parts, 2);
    assert_true(error == 0 || fault_has_struck());
    client->sent += error == 0 ? size : 0;
    free(data);
}

static int is_answered_or_over(void *context)
{
    const struct client *client = context;
    return client->is_closed || (client->is_open && client->received == client->sent);
}

static void talk(struct rig *rig, size_t size)
{
    if (!rig->client.is_closed) {
        say(&rig->client, size);
        loop_run_until(&rig->loop, is_answered_or_over, &rig->client);
        assert_true(!rig->client.is_closed || fault_has_struck());
    }
}

/* Returns true if the whole conversation came about. */
static int call(struct rig *rig, const char *host)
{
    char address[32];
    struct client *client = &rig->client;
    *client = (struct client){0};
    if (rig->listener == NULL) {
        return 0;
    }
    snprintf(address, sizeof address, "%s:%d", host, os_listener_port(rig->loop.os, rig->listener));
    if (os_connect(rig->loop.os, address, &CLIENT_EVENTS, client, &client->stream) != 0) {
        assert_true(fault_has_struck());
        return 0;
    }
    talk(rig, SMALL); /* Before it is open. */
    talk(rig, LARGE);
    talk(rig, SMALL);
    if (!client->is_closed) {
        say(client, LARGE); /* Sent while it closes. */
    }
    os_stream_close(client->stream);
    return !client->is_closed;
}

/* -- Lives ---------------------------------------------------------------------------------- */

static void live(__attribute__((unused)) void *context)
{
    static struct rig rig;
    rig = (struct rig){.listener = NULL};
    loop_open(&rig.loop);
    const int was = fault_enter(1);
    listen_to_all(&rig);
    (void)call(&rig, "localhost");
    (void)call(&rig, "127.0.0.1");
    fault_disarm();
    listen_to_all(&rig);
    assert_true(call(&rig, "localhost"));
    assert_true(call(&rig, "127.0.0.1"));
    for (size_t i = 0; i < GUESTS_MAX; i++) {
        see_off(&rig.guests[i]);
    }
    os_listener_close(rig.loop.os, rig.listener);
    loop_close(&rig.loop);
    fault_leave(was);
}

static void ignore_line(__attribute__((unused)) const char *line,
                        __attribute__((unused)) uint32_t size)
{
}

static void fail_each(const char *name, unsigned kinds, uint64_t places_min)
{
    log_configure(&(struct log_options){.level = LOG_WARN, .sink = ignore_line});
    fault_run_both(&(struct fault_loop){
        .name = name, .kinds = kinds, .is_short = 1, .places_min = places_min, .play = live});
}

TEST(streams, survive_every_allocation_that_fails)
{
    fail_each("allocation", FAULT_ALLOCATION, 12);
}

TEST(streams, survive_every_send_that_fails)
{
    fail_each("send", FAULT_SEND, 15);
}

TEST(streams, survive_every_connection_that_cannot_be_made)
{
    fail_each("listen, accept, connect", FAULT_LISTEN | FAULT_ACCEPT | FAULT_CONNECT, 8);
}

TEST(streams, survive_what_fails_when_it_was_begun)
{
    fail_each("late", FAULT_LATE, 6);
}
