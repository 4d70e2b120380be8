/* render_status.c -- what members say of themselves, in the words of etcdctl. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/render.h"
#include "cli/table.h"

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

static void print_table(const struct render_status *reports, uint32_t count)
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
static void print_simple(const struct render_status *reports, uint32_t count)
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

static void print_json(const struct render_status *reports, uint32_t count)
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
        printf(",\"Status\":{");
        if (status->header != NULL) {
            printf("\"header\":");
            render_header_json(status->header);
            putchar(',');
        }
        printf("\"version\":");
        render_quoted((const uint8_t *)status->version, strlen(status->version));
        printf(",\"dbSize\":%" PRId64 ",\"leader\":%" PRIu64 ",\"raftIndex\":%" PRIu64
               ",\"raftTerm\":%" PRIu64 ",\"raftAppliedIndex\":%" PRIu64 ",\"dbSizeInUse\":%" PRId64
               "}}",
               status->dbsize, status->leader, status->raftindex, status->raftterm,
               status->raftappliedindex, status->dbsizeinuse);
    }
    printf("]\n");
}

static void print_fields(const struct render_status *reports, uint32_t count)
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

void render_status(enum output_format format, const struct render_status *reports, uint32_t count)
{
    static void (*const printers[])(const struct render_status *reports, uint32_t count) = {
        [OUTPUT_SIMPLE] = print_simple,
        [OUTPUT_TABLE] = print_table,
        [OUTPUT_JSON] = print_json,
        [OUTPUT_FIELDS] = print_fields,
    };
    printers[format](reports, count);
}
