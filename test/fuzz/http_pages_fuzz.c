/* http_pages_fuzz.c -- the pages of the client port, and somebody who asks for anything.
 *
 * The front end, the replica and the store are the real ones, and what is said is HTTP/1.1. As long
 * as every request was one, each has one answer, in order, and its status is what the head of
 * http_pages.c says, computed anew here. After bytes that are none there is nothing to expect but
 * that it survives.
 *
 * Options   u8: size of the pieces in which bytes arrive; from 128 on: it is alone, else one of
 *           three, which the input makes silent
 * Stroke    u8: a request (u8 method, u8 path, u8 parts of the query), time, silence of the others,
 *           another connection, or any bytes */
#include <stdio.h>
#include <stdlib.h>

#include <http_parser.h>

#include "base/assert.h"
#include "etcd/etcd_internal.h"
#include "fuzz.h"
#include "replica_rig.h"

enum {
    STROKES_MAX = 40,
    ASKED_MAX = 40,
    PARTS_MAX = 7, /* Of a query. */
    STEP_US = 20000,
    PATIENCE_US = 6000000 /* More than a read may take. */
};

enum page {
    PAGE_NONE = 1,
    PAGE_HEALTH,
    PAGE_OTHER /* Metrics, version. */
};

/* A request that has no answer yet. */
struct asked {
    enum page page;
    int is_get;
    int is_head;
    int is_serializable;
};

struct front {
    struct replica_rig *rig;
    struct etcd_server *server;
    char address[32];
    struct os_stream *stream;
    http_parser parser;
    struct asked asked[ASKED_MAX];
    uint32_t asked_count;
    uint32_t answered;
    int is_closed;
    int is_wild; /* Something was said that is no request. */
};

/* -- Answers ------------------------------------------------------------------------------ */

static void check_status(const struct asked *asked, unsigned status)
{
    if (asked->page == PAGE_NONE) {
        assert(status == 404);
    } else if (!asked->is_get) {
        assert(status == 405);
    } else if (asked->page == PAGE_OTHER || asked->is_serializable) {
        assert(status == 200);
    } else {
        assert(status == 200 || status == 503);
    }
}

/* Not 0: nothing follows, whatever the head says. */
static int on_headers_complete(http_parser *parser)
{
    const struct front *front = parser->data;
    return front->is_wild ? 0 : front->asked[front->answered].is_head;
}

static int on_message_begin(http_parser *parser)
{
    const struct front *front = parser->data;
    assert(front->is_wild || front->answered < front->asked_count); /* Nobody answers unasked. */
    return 0;
}

static int on_message_complete(http_parser *parser)
{
    struct front *front = parser->data;
    if (!front->is_wild) {
        check_status(&front->asked[front->answered++], parser->status_code);
    }
    return 0;
}

static const http_parser_settings SETTINGS = {.on_message_begin = on_message_begin,
                                              .on_headers_complete = on_headers_complete,
                                              .on_message_complete = on_message_complete};

static void on_data(void *context, struct bytes data)
{
    struct front *front = context;
    if (front->is_wild) {
        return;
    }
    const size_t used =
        http_parser_execute(&front->parser, &SETTINGS, (const char *)data.data, data.size);
    assert(used == data.size && HTTP_PARSER_ERRNO(&front->parser) == HPE_OK);
}

static void on_nothing(__attribute__((unused)) void *context)
{
}

static void on_close(void *context, __attribute__((unused)) int error)
{
    ((struct front *)context)->is_closed = 1;
}

static const struct os_stream_events EVENTS = {
    .on_open = on_nothing, .on_data = on_data, .on_drain = on_nothing, .on_close = on_close};

/* -- The server --------------------------------------------------------------------------- */

static void connect(struct front *front)
{
    if (front->stream != NULL) {
        os_stream_close(front->stream);
        machine_os_settle(&front->rig->machine);
    }
    http_parser_init(&front->parser, HTTP_RESPONSE);
    front->parser.data = front;
    front->asked_count = front->answered = 0;
    front->is_closed = front->is_wild = 0;
    struct os *os = &front->rig->machine.pair->os;
    const int error = os_connect(os, front->address, &EVENTS, front, &front->stream);
    assert(error == 0);
    machine_os_settle(&front->rig->machine);
}

static void begin(struct front *front, int is_alone)
{
    static const char *const urls[] = {"http://a:1", NULL};
    static const struct etcd_member members[] = {
        {"a", urls, urls}, {"b", urls, urls}, {"c", urls, urls}};
    int port;
    front->rig = replica_rig_new(is_alone ? 0 : REPLICA_RIG_OTHERS);
    const struct etcd_server_options options = {.version = "0",
                                                .replica = front->rig->replica,
                                                .machine = front->rig->store,
                                                .members = members,
                                                .member_count = front->rig->other_count + 1,
                                                .txn_ops_max = 5,
                                                .request_size_max = 1000,
                                                .quota_bytes = 1 << 20};
    int error = etcd_server_new(&front->rig->machine.pair->os, &options, &front->server);
    assert(error == 0);
    error = etcd_server_listen(front->server, "a:0", &port);
    assert(error == 0);
    snprintf(front->address, sizeof front->address, "a:%d", port);
    connect(front);
}

static void end(struct front *front)
{
    for (uint32_t waited = 0; waited < PATIENCE_US && front->answered < front->asked_count;
         waited += STEP_US) {
        machine_os_advance(&front->rig->machine, STEP_US);
    }
    assert(front->is_wild || front->is_closed || front->answered == front->asked_count);
    os_stream_close(front->stream);
    etcd_server_stop(front->server);
    machine_os_settle(&front->rig->machine);
    replica_rig_stop(front->rig);
    etcd_server_free(front->server);
    replica_rig_free(front->rig);
}

/* -- Requests ----------------------------------------------------------------------------- */

static void send_bytes(struct front *front, struct bytes bytes)
{
    if (bytes.size > 0 && !front->is_closed) {
        const int error = os_stream_write(front->stream, &bytes, 1);
        assert(error == 0);
    }
    machine_os_settle(&front->rig->machine);
}

static void append(struct buffer *to, const char *text)
{
    const int error = buffer_append(to, text, strlen(text));
    assert(error == 0);
}

/* Whether one of the parts is the one that counts: told by the text, not by how it was made. */
static int is_serializable(const char *query)
{
    static const char WANTED[] = "&serializable=true&";
    char padded[256];
    snprintf(padded, sizeof padded, "&%s&", query);
    return strstr(padded, WANTED) != NULL;
}

static void make_query(struct feed *feed, uint8_t parts, char query[200])
{
    static const char *const PARTS[] = {"serializable=true", "&",     "serializable=false",
                                        "serializable",      "=true", "&&",
                                        "Serializable=true", "x=%20"};
    query[0] = '\0';
    for (uint32_t i = 0; i < parts % (PARTS_MAX + 1u); i++) {
        strncat(query, PARTS[feed_u8(feed) % 8], 25);
    }
}

static void ask(struct front *front, struct feed *feed)
{
    static const char *const METHODS[] = {"GET", "GET", "GET", "HEAD", "POST", "PUT", "OPTIONS"};
    static const struct {
        const char *path;
        enum page page;
    } PATHS[] = {{"/health", PAGE_HEALTH},  {"/metrics", PAGE_OTHER}, {"/version", PAGE_OTHER},
                 {"/health/", PAGE_NONE},   {"/", PAGE_NONE},         {"/healt", PAGE_NONE},
                 {"//health", PAGE_NONE},   {"/Health", PAGE_NONE},   {"/version2", PAGE_NONE},
                 {"/health%20", PAGE_NONE}, {"/healthz", PAGE_NONE}};
    const uint8_t method = feed_u8(feed) % (sizeof METHODS / sizeof METHODS[0]);
    const uint8_t path = feed_u8(feed) % (sizeof PATHS / sizeof PATHS[0]);
    const uint8_t parts = feed_u8(feed);
    char query[200];
    struct buffer out = {0};
    make_query(feed, parts, query);
    append(&out, METHODS[method]);
    append(&out, " ");
    append(&out, PATHS[path].path);
    append(&out, parts >= 8 ? "?" : "");
    append(&out, parts >= 8 ? query : "");
    append(&out, " HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    if (front->asked_count < ASKED_MAX) {
        front->asked[front->asked_count++] =
            (struct asked){.page = PATHS[path].page,
                           .is_get = strcmp(METHODS[method], "GET") == 0,
                           .is_head = strcmp(METHODS[method], "HEAD") == 0,
                           .is_serializable = parts >= 8 && is_serializable(query)};
        send_bytes(front, buffer_bytes(&out));
    }
    buffer_deinit(&out);
}

static void strike(struct front *front, struct feed *feed)
{
    const uint8_t stroke = feed_u8(feed);
    switch (stroke % 8) {
    case 0:
        machine_os_advance(&front->rig->machine, feed_u8(feed) * UINT64_C(10000));
        break;
    case 1:
        for (uint32_t i = 0; i < REPLICA_RIG_OTHERS; i++) {
            front->rig->others[i].is_honest ^= 1;
        }
        break;
    case 2:
        if (stroke < 64) {
            connect(front);
        } else {
            front->is_wild = 1;
            send_bytes(front, feed_take(feed, feed_u8(feed)));
        }
        break;
    default:
        ask(front, feed);
    }
}

FUZZ(http_pages)
{
    struct feed feed = {input};
    struct front front = {0};
    const uint8_t options = feed_u8(&feed);
    begin(&front, options >= 128);
    front.rig->machine.pair->piece_max = options % 64;
    for (uint32_t i = 0; i < STROKES_MAX && !feed_is_empty(&feed); i++) {
        strike(&front, &feed);
    }
    end(&front);
}
