/* status.c -- `synod status`: ask every member how it is. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/render.h"
#include "cli/session.h"
#include "cli/xmalloc.h"

static struct render_status *ask_all(struct session *session, uint32_t count)
{
    const Etcdserverpb__StatusRequest request = ETCDSERVERPB__STATUS_REQUEST__INIT;
    struct render_status *reports = xcalloc(count, sizeof *reports);
    for (uint32_t i = 0; i < count; i++) {
        struct render_status *report = &reports[i];
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

/* Print what was said, complain of who was silent, and free it. Returns the exit code. */
static int print(enum output_format format, struct render_status *reports, uint32_t count)
{
    render_status(format, reports, count);
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
