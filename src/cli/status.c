/* status.c -- `synod status`: ask every member how it is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/render.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/xmalloc.h"
#include "rpc.pb-c.h"

/* What one member said, or why it did not. */
struct report {
    const char *endpoint;
    Etcdserverpb__StatusResponse *status; /* NULL: it did not answer. */
    char *error;
};

static struct report *ask_all(struct session *session, uint32_t count)
{
    const Etcdserverpb__StatusRequest request = ETCDSERVERPB__STATUS_REQUEST__INIT;
    struct report *reports = xcalloc(count, sizeof *reports);
    for (uint32_t i = 0; i < count; i++) {
        struct report *report = &reports[i];
        session_aim(session, i);
        report->endpoint = session_endpoint(session, i);
        report->status = session_call(session, "/etcdserverpb.Maintenance/Status", &request.base,
                                      &etcdserverpb__status_response__descriptor, SESSION_HERE);
        if (report->status == NULL) {
            char text[512];
            const int size = snprintf(text, sizeof text, "%s", session_error(session));
            report->error =
                xstrndup(text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
        }
    }
    return reports;
}

/* go-humanize's way, which is etcdctl's: "25 kB", "1.2 MB". */
static void format_size(char *to, size_t room, int64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double value = (double)(bytes < 0 ? 0 : bytes);
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1000;
        unit++;
    }
    snprintf(to, room, unit > 0 && value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static const char *yes_or_no(int value)
{
    return value ? "true" : "false";
}

static uint64_t member_of(const Etcdserverpb__StatusResponse *status)
{
    return status->header == NULL ? 0 : status->header->member_id;
}

static void print_table(const struct report *reports, uint32_t count)
{
    static const char *const titles[] = {"ENDPOINT", "ID",    "VERSION", "DB SIZE", "LEADER",
                                         "TERM",     "INDEX", "APPLIED", "ERRORS"};
    enum {
        COLUMNS = sizeof titles / sizeof titles[0]
    };
    struct table *table = table_new(titles, COLUMNS);
    for (uint32_t i = 0; i < count; i++) {
        const Etcdserverpb__StatusResponse *status = reports[i].status;
        char text[64];
        table_add(table, reports[i].endpoint);
        if (status == NULL) {
            for (int column = 1; column < COLUMNS - 1; column++) {
                table_add(table, "");
            }
            table_add(table, reports[i].error);
            continue;
        }
        snprintf(text, sizeof text, "%" PRIx64, member_of(status));
        table_add(table, text);
        table_add(table, status->version);
        format_size(text, sizeof text, status->dbsize);
        table_add(table, text);
        table_add(table, yes_or_no(status->leader != 0 && status->leader == member_of(status)));
        snprintf(text, sizeof text, "%" PRIu64, status->raftterm);
        table_add(table, text);
        snprintf(text, sizeof text, "%" PRIu64, status->raftindex);
        table_add(table, text);
        snprintf(text, sizeof text, "%" PRIu64, status->raftappliedindex);
        table_add(table, text);
        table_add(table, status->n_errors > 0 ? status->errors[0] : "");
    }
    table_print(table, stdout);
}

/* As etcdctl's line: endpoint, id, version, size, leader, learner, term, index, applied, errors. */
static void print_simple(const struct report *reports, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const Etcdserverpb__StatusResponse *status = reports[i].status;
        char size[32];
        if (status == NULL) {
            continue;
        }
        format_size(size, sizeof size, status->dbsize);
        printf("%s, %" PRIx64 ", %s, %s, %s, %s, %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %s\n",
               reports[i].endpoint, member_of(status), status->version, size,
               yes_or_no(status->leader != 0 && status->leader == member_of(status)),
               yes_or_no(status->islearner), status->raftterm, status->raftindex,
               status->raftappliedindex, status->n_errors > 0 ? status->errors[0] : "");
    }
}

static void print_json(const struct report *reports, uint32_t count)
{
    int printed = 0;
    putchar('[');
    for (uint32_t i = 0; i < count; i++) {
        const Etcdserverpb__StatusResponse *status = reports[i].status;
        if (status == NULL) {
            continue;
        }
        printf("%s{\"Endpoint\":", printed++ > 0 ? "," : "");
        render_quoted((const uint8_t *)reports[i].endpoint, strlen(reports[i].endpoint));
        printf(",\"Status\":{\"header\":");
        render_header_json(status->header);
        printf(",\"version\":");
        render_quoted((const uint8_t *)status->version, strlen(status->version));
        printf(",\"dbSize\":%" PRId64 ",\"leader\":%" PRIu64 ",\"raftIndex\":%" PRIu64
               ",\"raftTerm\":%" PRIu64 ",\"raftAppliedIndex\":%" PRIu64 ",\"dbSizeInUse\":%" PRId64
               "}}",
               status->dbsize, status->leader, status->raftindex, status->raftterm,
               status->raftappliedindex, status->dbsizeinuse);
    }
    printf("]\n");
}

static void print_fields(const struct report *reports, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const Etcdserverpb__StatusResponse *status = reports[i].status;
        if (status == NULL) {
            continue;
        }
        render_header_fields(status->header);
        printf("\"Version\" : \"%s\"\n\"DBSize\" : %" PRId64 "\n\"Leader\" : %" PRIu64
               "\n\"IsLearner\" : %s\n\"RaftIndex\" : %" PRIu64 "\n\"RaftTerm\" : %" PRIu64
               "\n\"RaftAppliedIndex\" : %" PRIu64 "\n\"Errors\" : [%s]\n\"Endpoint\" : \"%s\"\n\n",
               status->version, status->dbsize, status->leader, yes_or_no(status->islearner),
               status->raftindex, status->raftterm, status->raftappliedindex,
               status->n_errors > 0 ? status->errors[0] : "", reports[i].endpoint);
    }
}

/* Print what was said, complain of who was silent, and free it. Returns the exit code. */
static int print(enum output_format format, struct report *reports, uint32_t count)
{
    static void (*const printers[])(const struct report *reports, uint32_t count) = {
        [OUTPUT_SIMPLE] = print_simple,
        [OUTPUT_TABLE] = print_table,
        [OUTPUT_JSON] = print_json,
        [OUTPUT_FIELDS] = print_fields,
    };
    printers[format](reports, count);
    int code = render_end();
    for (uint32_t i = 0; i < count; i++) {
        if (reports[i].status == NULL) {
            fprintf(stderr, "synod status: %s: %s\n", reports[i].endpoint, reports[i].error);
            code = CLI_FAILED;
        } else {
            etcdserverpb__status_response__free_unpacked(reports[i].status, NULL);
        }
        free(reports[i].error);
    }
    free(reports);
    return code;
}

int cli_status(int argc, char **argv)
{
    struct client_options client;
    struct option_row rows[CLIENT_ROWS];
    const size_t row_count = client_options_rows(&client, rows);
    const struct options options = {
        .usage = "status [options]",
        .about =
            "Asks every member of --endpoints how it is; fails if one does not answer.\n"
            "\n"
            "  synod status\n"
            "  synod status --endpoints 127.0.0.1:2379,127.0.0.1:22379,127.0.0.1:32379\n"
            "  synod status -w json\n"
            "\n"
            "On a terminal the answer is a table, else a line for each member.\n",
        .rows = rows,
        .row_count = row_count,
    };
    int count;
    client_options_init(&client);
    const enum options_outcome outcome = options_read(&options, argc, argv, NULL, &count);
    if (outcome != OPTIONS_READ) {
        return outcome == OPTIONS_HELPED ? CLI_DONE : CLI_USAGE;
    }
    const enum output_format format =
        client_options_format(&client, isatty(STDOUT_FILENO) ? OUTPUT_TABLE : OUTPUT_SIMPLE);
    struct session *session = format == 0 ? NULL : session_open(&client);
    if (session == NULL) {
        return CLI_USAGE;
    }
    const uint32_t endpoints = session_endpoint_count(session);
    const int code = print(format, ask_all(session, endpoints), endpoints);
    session_close(session);
    return code;
}
