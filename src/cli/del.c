/* del.c -- `synod del`: delete a key, or many. */
#include "cli/cli.h"
#include "cli/render.h"
#include "cli/requests.h"
#include "cli/session.h"

static int del(const struct client_options *client, const Etcdserverpb__DeleteRangeRequest *request)
{
    const enum output_format format = client_options_format(client, OUTPUT_SIMPLE);
    struct session *session = format == 0 ? NULL : session_open(client);
    if (session == NULL) {
        return CLI_USAGE;
    }
    int code = CLI_FAILED;
    Etcdserverpb__DeleteRangeResponse *answer =
        session_call(session, "/etcdserverpb.KV/DeleteRange", &request->base,
                     &etcdserverpb__delete_range_response__descriptor, SESSION_WRITE);
    if (answer == NULL) {
        session_complain(session, "del");
    } else {
        render_delete(format, answer);
        code = render_end();
        etcdserverpb__delete_range_response__free_unpacked(answer, NULL);
    }
    session_close(session);
    return code;
}

int cli_del(int argc, char **argv)
{
    struct client_options client;
    struct del_words words = {0};
    struct option_row rows[DEL_ROWS + CLIENT_ROWS];
    size_t row_count = requests_del_rows(&words, rows);
    row_count += client_options_rows(&client, rows + row_count);
    const struct options options = {
        .usage = "del [options] KEY [RANGE_END]",
        .about =
            "Deletes a key, or all keys from KEY up to but without RANGE_END, and says how "
            "many.\n"
            "\n"
            "  synod del hello\n"
            "  synod del --prefix conf/ --prev-kv\n",
        .rows = rows,
        .row_count = row_count,
        .arguments_min = 1,
        .arguments_max = 2,
    };
    const char *arguments[2];
    int count;
    Etcdserverpb__DeleteRangeRequest request;
    client_options_init(&client);
    const enum options_outcome outcome = options_read(&options, argc, argv, arguments, &count);
    if (outcome != OPTIONS_READ) {
        return outcome == OPTIONS_HELPED ? CLI_DONE : CLI_USAGE;
    }
    struct arena arena = {0};
    int code = CLI_USAGE;
    if (requests_del(&words, arguments, count, &arena, &request) == 0) {
        code = del(&client, &request);
    }
    arena_deinit(&arena);
    return code;
}
