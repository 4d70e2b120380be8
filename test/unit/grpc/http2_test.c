/* http2_test.c -- the server against clients that speak HTTP/2 oddly, wrongly or with malice. */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

/* -- A client that sends whatever header fields it likes ---------------------------------- */

struct probe {
    struct rig *rig;
    struct os_stream *stream;
    nghttp2_session *session;
    struct bytes body; /* Of the request; what is left to send. */
    char status[16];
    char grpc_status[16];
    char grpc_message[256];
    char fields[512]; /* All fields of the answer, "name: value\n". */
    struct buffer answer;
    uint32_t reset;   /* The error code, plus one; 0: no reset. */
    uint32_t goodbye; /* The same, of GOAWAY. */
    int is_stream_over;
    int is_closed;
    int pings_answered;
    int measures; /* A PING for all data that arrive. */
};

static void keep(char *to, size_t size, const uint8_t *value, size_t value_size)
{
    snprintf(to, size, "%.*s", (int)value_size, (const char *)value);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user)
{
    struct probe *probe = user;
    (void)session;
    (void)frame;
    (void)flags;
    const struct bytes key = bytes_of(name, name_size);
    const size_t used = strlen(probe->fields);
    snprintf(probe->fields + used, sizeof probe->fields - used, "%.*s: %.*s\n", (int)name_size,
             (const char *)name, (int)value_size, (const char *)value);
    if (bytes_equal(key, bytes_of_text(":status"))) {
        keep(probe->status, sizeof probe->status, value, value_size);
    } else if (bytes_equal(key, bytes_of_text("grpc-status"))) {
        keep(probe->grpc_status, sizeof probe->grpc_status, value, value_size);
    } else if (bytes_equal(key, bytes_of_text("grpc-message"))) {
        keep(probe->grpc_message, sizeof probe->grpc_message, value, value_size);
    }
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
                    size_t size, void *user)
{
    struct probe *probe = user;
    (void)flags;
    (void)stream_id;
    if (probe->measures) {
        nghttp2_submit_ping(session, 0, NULL);
    }
    return buffer_append(&probe->answer, data, size);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct probe *probe = user;
    (void)session;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        probe->reset = frame->rst_stream.error_code + 1;
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        probe->goodbye = frame->goaway.error_code + 1;
    } else if (frame->hd.type == NGHTTP2_PING) {
        probe->pings_answered++;
    } else if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && frame->hd.stream_id != 0) {
        probe->is_stream_over = 1;
    }
    return 0;
}

static void probe_push(struct probe *probe)
{
    const uint8_t *data;
    for (;;) {
        const ssize_t size = nghttp2_session_mem_send(probe->session, &data);
        assert_true(size >= 0);
        if (size == 0 || probe->is_closed) {
            break;
        }
        const struct bytes part = bytes_of(data, (size_t)size);
        assert_int_equal(os_stream_write(probe->stream, &part, 1), 0);
    }
}

static void on_data(void *context, struct bytes data)
{
    struct probe *probe = context;
    assert_true(nghttp2_session_mem_recv(probe->session, data.data, data.size) >= 0);
    probe_push(probe);
}

static void on_drain(void *context)
{
    (void)context;
}

static void on_close(void *context, int error)
{
    (void)error;
    ((struct probe *)context)->is_closed = 1;
}

static const struct os_stream_events EVENTS = {
    .on_data = on_data, .on_drain = on_drain, .on_close = on_close};

static struct probe *probe_new(struct rig *rig)
{
    struct probe *probe = calloc(1, sizeof *probe);
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    assert_non_null(probe);
    probe->rig = rig;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_session_client_new2(&probe->session, callbacks, probe, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    nghttp2_submit_settings(probe->session, 0, NULL, 0);
    assert_int_equal(os_connect(&rig->pair->os, rig->address, &EVENTS, probe, &probe->stream), 0);
    probe_push(probe);
    os_pair_settle(rig->pair);
    return probe;
}

static void probe_free(struct probe *probe)
{
    nghttp2_session_del(probe->session);
    os_stream_close(probe->stream);
    buffer_deinit(&probe->answer);
    free(probe);
}

static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct probe *probe = user;
    (void)session;
    (void)stream_id;
    (void)source;
    const size_t taken = probe->body.size < size ? probe->body.size : size;
    memcpy(to, probe->body.data, taken);
    probe->body = bytes_of(probe->body.data + taken, probe->body.size - taken);
    if (probe->body.size == 0) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)taken;
}

/* Send a request with these fields ("name", "value", ..., NULL) and look at what comes. */
static int32_t probe_request(struct probe *probe, const char *const *pairs, struct bytes body)
{
    nghttp2_nv fields[32];
    size_t count = 0;
    for (; pairs[2 * count] != NULL; count++) {
        fields[count] = (nghttp2_nv){(uint8_t *)(uintptr_t)pairs[2 * count],
                                     (uint8_t *)(uintptr_t)pairs[2 * count + 1],
                                     strlen(pairs[2 * count]), strlen(pairs[2 * count + 1]),
                                     NGHTTP2_NV_FLAG_NO_COPY_NAME}; /* Else made lower case. */
    }
    probe->status[0] = probe->grpc_status[0] = probe->grpc_message[0] = probe->fields[0] = '\0';
    buffer_clear(&probe->answer, 0);
    probe->reset = 0;
    probe->is_stream_over = 0;
    probe->body = body;
    const nghttp2_data_provider provider = {.read_callback = read_body};
    const int32_t stream_id = nghttp2_submit_request(probe->session, NULL, fields, count,
                                                     body.data == NULL ? NULL : &provider, NULL);
    assert_true(stream_id > 0);
    probe_push(probe);
    os_pair_settle(probe->rig->pair);
    return stream_id;
}

#define GRPC_HEAD                                                                                  \
    ":method", "POST", ":scheme", "http", ":path", "/t.S/Echo", "content-type", "application/grpc"

static const struct bytes MESSAGE = {(const uint8_t *)"\0\0\0\0\2hi", 7};

/* The connection is as good as before: a plain call succeeds. */
static void assert_lives(struct probe *probe)
{
    static const char *const plain[] = {GRPC_HEAD, NULL};
    probe_request(probe, plain, MESSAGE);
    assert_string_equal(probe->status, "200");
    assert_string_equal(probe->grpc_status, "0");
    assert_true(bytes_equal(buffer_bytes(&probe->answer), MESSAGE));
    assert_int_equal(probe->goodbye, 0);
}

/* -- Header fields ---------------------------------------------------------------------- */

/* What etcd's Go client up to 3.5.0 sends; nghttp2 refuses it unless told not to look. */
TEST(http2, takes_the_authority_of_the_go_client)
{
    struct rig *rig = rig_new(NULL);
    struct probe *probe = probe_new(rig);
    static const char *const request[] = {":method",
                                          "POST",
                                          ":scheme",
                                          "http",
                                          ":path",
                                          "/t.S/Echo",
                                          ":authority",
                                          "#initially=[127.0.0.1:2379;127.0.0.1:2380]",
                                          "content-type",
                                          "application/grpc",
                                          NULL};

    probe_request(probe, request, MESSAGE);
    assert_string_equal(probe->grpc_status, "0");
    probe_free(probe);
    rig_free(rig);
}

/* nghttp2's own check is off, so these are ours (RFC 9113, 8.2 and 8.3): the stream is reset,
 * the connection lives. */
TEST(http2, resets_malformed_requests_and_lives)
{
    static const char *const cases[][14] = {
        {":scheme", "http", ":path", "/t.S/Echo", NULL},                   /* No method. */
        {":method", "POST", ":scheme", "http", NULL},                      /* No path. */
        {":method", "POST", ":path", "/a", ":path", "/b", NULL},           /* Two paths. */
        {":method", "POST", ":path", "", NULL},                            /* An empty one. */
        {":method", "POST", "a", "b", ":path", "/t.S/Echo", NULL},         /* In the middle. */
        {":method", "POST", ":path", "/t.S/Echo", ":status", "200", NULL}, /* Not a request's. */
        {GRPC_HEAD, "Token", "x", NULL},                                   /* Upper case. */
        {GRPC_HEAD, "to ken", "x", NULL},                                  /* Not a token. */
        {GRPC_HEAD, "token", "x\r\ny: z", NULL},                           /* A second field. */
        {GRPC_HEAD, "connection", "keep-alive", NULL},                     /* Of HTTP/1.1. */
        {GRPC_HEAD, "transfer-encoding", "chunked", NULL},
        {GRPC_HEAD, "te", "gzip", NULL},
    };
    struct rig *rig = rig_new(NULL);
    struct probe *probe = probe_new(rig);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        probe_request(probe, cases[i], MESSAGE);
        assert_int_equal(probe->reset, NGHTTP2_PROTOCOL_ERROR + 1);
        assert_string_equal(probe->status, "");
        assert_lives(probe);
    }
    probe_free(probe);
    rig_free(rig);
}

TEST(http2, answers_what_is_wrong_with_a_grpc_request)
{
    static const struct {
        const char *fields[14];
        const char *status;
        const char *grpc_status;
        const char *grpc_message;
    } cases[] = {
        {{GRPC_HEAD, "grpc-encoding", "gzip", NULL},
         "200",
         "12",
         "grpc: Decompressor is not installed for grpc-encoding \"gzip\""},
        {{GRPC_HEAD, "grpc-encoding", "identity", NULL}, "200", "0", ""},
        {{GRPC_HEAD, "grpc-timeout", "5 seconds", NULL},
         "200",
         "13",
         "grpc: malformed grpc-timeout"},
        {{":method", "GET", ":path", "/t.S/Echo", "content-type", "application/grpc", NULL},
         "405",
         "",
         ""},
        {{":method", "POST", ":path", "/t.S/Echo", "content-type", "application/grpc-web", NULL},
         "415",
         "",
         ""},
        {{":method", "POST", ":path", "/t.S/Echo", "content-type", "application/grpc+proto", NULL},
         "200",
         "0",
         ""},
    };
    struct rig *rig = rig_new(NULL);
    struct probe *probe = probe_new(rig);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        probe_request(probe, cases[i].fields, MESSAGE);
        assert_string_equal(probe->status, cases[i].status);
        assert_string_equal(probe->grpc_status, cases[i].grpc_status);
        assert_string_equal(probe->grpc_message, cases[i].grpc_message);
        assert_true(probe->is_stream_over);
    }
    assert_lives(probe);
    probe_free(probe);
    rig_free(rig);
}

TEST(http2, refuses_header_fields_above_the_limit)
{
    struct rig *rig = rig_new(NULL);
    struct probe *probe = probe_new(rig);
    char big[9000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    const char *fields[] = {GRPC_HEAD, "a", big, "b", big, NULL};

    probe_request(probe, fields, MESSAGE);
    assert_string_equal(probe->status, "431");
    assert_lives(probe);
    probe_free(probe);
    rig_free(rig);
}

/* -- gRPC's framing --------------------------------------------------------------------- */

TEST(http2, answers_what_is_wrong_with_a_message)
{
    static const struct {
        struct bytes body;
        const char *grpc_status;
        const char *grpc_message;
    } cases[] = {
        {{(const uint8_t *)"\1\0\0\0\2hi", 7}, "12", "grpc: compressed messages are not supported"},
        {{(const uint8_t *)"\0\0\0\0\3hi", 7}, "13", "grpc: the request ended within its message"},
        {{(const uint8_t *)"\0\0\0", 3}, "13", "grpc: the request ended within its message"},
        {{(const uint8_t *)"\0\0\0\0\1a\0\0\0\0\1b", 12},
         "13",
         "grpc: a unary call with more than one message"},
        {{(const uint8_t *)"\0\377\377\377\377", 5},
         "8",
         "grpc: received message larger than max (4294967295 vs. 2097152)"},
        {{NULL, 0}, "13", "grpc: the request ended within its message"},
    };
    static const char *const fields[] = {GRPC_HEAD, NULL};
    struct rig *rig = rig_new(NULL);
    struct probe *probe = probe_new(rig);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        probe_request(probe, fields, cases[i].body);
        assert_string_equal(probe->status, "200");
        assert_string_equal(probe->grpc_status, cases[i].grpc_status);
        assert_string_equal(probe->grpc_message, cases[i].grpc_message);
        assert_lives(probe);
    }
    assert_int_equal(grpc_server_counts(rig->server).memory, 0);
    probe_free(probe);
    rig_free(rig);
}

/* A bad message on a stream that is being answered ends it, and its handler hears of it. */
TEST(http2, ends_a_stream_for_a_bad_message)
{
    static const char *const chat[] = {
        ":method", "POST", ":path", "/t.S/Chat", "content-type", "application/grpc", NULL};
    static const struct bytes body = {(const uint8_t *)"\0\0\0\0\1a\1\0\0\0\1b", 12};
    struct rig *rig = rig_new(NULL);
    struct probe *probe = probe_new(rig);

    probe_request(probe, chat, body);
    assert_int_equal(rig->stream_messages, 1);
    assert_int_equal(rig->stream_closes, 1);
    assert_true(probe->reset != 0);
    assert_lives(probe);
    probe_free(probe);
    rig_free(rig);
}

/* -- Plain HTTP over HTTP/2 ------------------------------------------------------------- */

TEST(http2, gives_plain_requests_to_the_http_handler)
{
    static const char *const get[] = {":method",     "GET", ":scheme", "http", ":path",
                                      "/echo?a=b&c", "x",   "7",       NULL};
    static const char *const post[] = {":method",          "POST", ":path", "/echo", "content-type",
                                       "application/json", NULL};
    static const char *const head[] = {":method", "HEAD", ":path", "/echo", NULL};
    static const char *const pieces[] = {":method", "GET", ":path", "/pieces", NULL};
    static const char *const missing[] = {":method", "GET", ":path", "/missing", NULL};
    static const char *const big[] = {":method", "GET", ":path", "/big", NULL};
    struct rig *rig = rig_new(NULL);
    struct probe *probe = probe_new(rig);

    probe_request(probe, get, bytes_of(NULL, 0));
    assert_string_equal(probe->status, "200");
    assert_true(bytes_equal(buffer_bytes(&probe->answer), bytes_of_text("GET /echo [a=b&c] ()")));
    assert_non_null(strstr(probe->fields, "y: 7\n"));
    assert_non_null(strstr(probe->fields, "content-length: 20\n"));
    assert_non_null(strstr(probe->fields, "content-type: text/plain\n"));

    probe_request(probe, post, bytes_of_text("{}"));
    assert_true(bytes_equal(buffer_bytes(&probe->answer), bytes_of_text("POST /echo [] ({})")));

    probe_request(probe, head, bytes_of(NULL, 0));
    assert_true(probe->is_stream_over);
    assert_int_equal(buffer_size(&probe->answer), 0);

    probe_request(probe, pieces, bytes_of(NULL, 0));
    assert_true(bytes_equal(buffer_bytes(&probe->answer), bytes_of_text("onetwo")));
    assert_null(strstr(probe->fields, "content-length"));

    probe_request(probe, missing, bytes_of(NULL, 0));
    assert_string_equal(probe->status, "404");

    probe_request(probe, big, bytes_of(NULL, 0));
    assert_int_equal(buffer_size(&probe->answer), 1000000);
    assert_lives(probe);
    probe_free(probe);
    rig_free(rig);
}

TEST(http2, refuses_a_plain_body_above_the_limit)
{
    static const char *const post[] = {":method", "POST", ":path", "/echo", NULL};
    struct grpc_server_options options;
    grpc_server_options_init(&options);
    options.http_body_max = 1000;
    struct rig *rig = rig_new(&options);
    struct probe *probe = probe_new(rig);
    static uint8_t body[1001];

    probe_request(probe, post, bytes_of(body, sizeof body));
    assert_string_equal(probe->status, "413");
    probe_request(probe, post, bytes_of(body, 10));
    assert_string_equal(probe->status, "200");
    probe_free(probe);
    rig_free(rig);
}

/* -- Floods and garbage ----------------------------------------------------------------- */

TEST(http2, answers_pings)
{
    struct rig *rig = rig_new(NULL);
    struct probe *probe = probe_new(rig);
    for (int i = 0; i < 100; i++) {
        nghttp2_submit_ping(probe->session, 0, NULL);
        probe_push(probe);
        os_pair_settle(rig->pair);
    }
    assert_int_equal(probe->pings_answered, 100);
    assert_lives(probe);
    probe_free(probe);
    rig_free(rig);
}

TEST(http2, says_goodbye_to_a_flood_of_pings)
{
    struct rig *rig = rig_new(NULL);
    struct probe *probe = probe_new(rig);
    for (int i = 0; i < 1000 && !probe->is_closed; i++) {
        nghttp2_submit_ping(probe->session, 0, NULL);
        probe_push(probe);
        os_pair_settle(rig->pair);
    }
    assert_int_equal(probe->goodbye, NGHTTP2_ENHANCE_YOUR_CALM + 1);
    assert_true(probe->is_closed);
    probe_free(probe);
    rig_free(rig);
}
/* Go's client sends a PING along with its calls to measure the connection: that is no flood. */
TEST(http2, forgives_a_ping_for_every_call)
{
    struct rig *rig = rig_new(NULL);
    struct probe *probe = probe_new(rig);
    for (int i = 0; i < 3000; i++) {
        nghttp2_submit_ping(probe->session, 0, NULL);
        assert_lives(probe);
    }
    probe_free(probe);
    rig_free(rig);
}

/* And as long as an answer arrives it sends one after the other. */
TEST(http2, forgives_a_ping_for_all_data_that_it_sends)
{
    static const char *const big[] = {":method", "GET", ":path", "/big", NULL};
    struct rig *rig = rig_new(NULL);
    struct probe *probe = probe_new(rig);
    probe->measures = 1;
    for (int i = 0; i < 50; i++) {
        probe_request(probe, big, bytes_of(NULL, 0));
        assert_int_equal(buffer_size(&probe->answer), 1000000);
    }
    assert_true(probe->pings_answered > 2000);
    assert_lives(probe);
    probe_free(probe);
    rig_free(rig);
}

TEST(http2, ends_a_connection_that_resets_its_requests_rapidly)
{
    static const char *const hold[] = {
        ":method", "POST", ":path", "/t.S/Echo", "content-type", "application/grpc", NULL};
    struct rig *rig = rig_new(NULL);
    struct probe *probe = probe_new(rig);
    int requests = 0;
    for (; requests < 20000 && !probe->is_closed; requests++) {
        nghttp2_nv fields[3];
        for (size_t i = 0; i < 3; i++) {
            fields[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)hold[2 * i],
                                     (uint8_t *)(uintptr_t)hold[2 * i + 1], strlen(hold[2 * i]),
                                     strlen(hold[2 * i + 1]), 0};
        }
        const nghttp2_data_provider provider = {.read_callback = read_body};
        probe->body = bytes_of("x", 0);
        const int32_t id = nghttp2_submit_request(probe->session, NULL, fields, 3, &provider, NULL);
        if (id < 0) {
            break; /* The server said goodbye. */
        }
        probe_push(probe);
        nghttp2_submit_rst_stream(probe->session, 0, id, NGHTTP2_CANCEL);
        probe_push(probe);
        if (requests % 100 == 0) {
            os_pair_settle(rig->pair);
        }
    }
    os_pair_settle(rig->pair);
    assert_true(requests > 5000 && requests < 20000);
    assert_true(probe->is_closed);
    assert_int_equal(grpc_server_counts(rig->server).memory, 0);
    probe_free(probe);
    rig_free(rig);
}

/* Bytes that are no frames, after a good beginning: the connection ends, the server lives. */
TEST(http2, drops_what_is_not_http2)
{
    static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n", 24},             /* Another preface. */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11}, /* A frame of 16 MiB. */
        {"\0\0\1\1\5\0\0\0\1\xff", 10},                       /* HEADERS that decode to nothing. */
        {"\0\0\0\4\0\0\0\0\0\0\0\1\0\1\0\0\0\0x", 19},        /* DATA on stream 0. */
        {"\0\0\0\4\0\0\0\0\0\0\0\0\11\0\0\0\0\1", 18},        /* CONTINUATION of nothing. */
    };
    struct rig *rig = rig_new(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct raw raw;
        raw_connect(rig, &raw);
        if (i > 0) {
            raw_send(rig, &raw, PREFACE, sizeof PREFACE - 1);
        }
        raw_send(rig, &raw, cases[i].bytes, cases[i].size);
        os_pair_advance(rig->pair, 30000000);
        assert_true(raw.is_closed);
        raw_close(&raw);
    }
    struct probe *probe = probe_new(rig);
    assert_lives(probe);
    probe_free(probe);
    assert_int_equal(grpc_server_counts(rig->server).connections, 1);
    rig_free(rig);
}

/* A recorded good conversation with one byte changed at a time: whatever becomes of the
 * connection, the server serves the next. */
TEST(http2, survives_every_changed_byte_of_a_conversation)
{
    static const uint8_t talk[] =
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        "\0\0\0\4\0\0\0\0\0"
        "\0\0\x29\1\4\0\0\0\1"
        "\x83\x86\4\x09/t.S/Echo\x0f\x10\x10"
        "application/grpc\0\2te\2no"
        "\0\0\7\0\1\0\0\0\1\0\0\0\0\2hi"
        "\0\0\x8\6\0\0\0\0\0abcdefgh";
    const size_t size = sizeof talk - 1;
    struct rig *rig = rig_new(NULL);
    for (size_t i = 0; i < size; i++) {
        for (int change = 1; change < 256; change <<= 1) {
            uint8_t copy[sizeof talk];
            struct raw raw;
            memcpy(copy, talk, size);
            copy[i] ^= (uint8_t)change;
            raw_connect(rig, &raw);
            raw_send(rig, &raw, copy, size);
            raw_close(&raw);
        }
    }
    os_pair_settle(rig->pair);
    assert_int_equal(grpc_server_counts(rig->server).connections, 0);
    while (rig->held_count > 0) {
        grpc_call_fail(rig->held[--rig->held_count], GRPC_UNKNOWN, NULL);
    }
    assert_int_equal(grpc_server_counts(rig->server).memory, 0);
    rig_free(rig);
}
