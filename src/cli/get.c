/* get.c -- `synod get`: read a key, or many. */
#include "cli/cli.h"
#include "cli/render.h"
#include "cli/requests.h"
#include "cli/session.h"

static int get(const struct client_options *client, const Etcdserverpb__RangeRequest *request,
               const struct render_range *how)
{
    const enum output_format format = client_options_format(client, OUTPUT_SIMPLE);
    struct session *session = format == 0 ? NULL : session_open(client);
    if (session == NULL) {
        return CLI_USAGE;
    }
    int code = CLI_FAILED;
    Etcdserverpb__RangeResponse *answer =
        session_call(session, "/etcdserverpb.KV/Range", &request->base,
                     &etcdserverpb__range_response__descriptor, SESSION_READ);
    if (answer == NULL) {
        session_complain(session, "get");
    } else {
        render_range(format, answer, how);
        code = render_end();
        etcdserverpb__range_response__free_unpacked(answer, NULL);
    }
    session_close(session);
    return code;
}

int cli_get(int argc, char **argv)
{
    struct client_options client;
    struct get_words words = {.sort_by = "", .order = "", .consistency = ""};
    struct render_range how = {0};
    struct option_row rows[GET_ROWS + CLIENT_ROWS + 1];
    size_t row_count = requests_get_rows(&words, rows);
    rows[row_count++] = option_switch("print-value-only", &how.is_value_only, "no keys");
    row_count += client_options_rows(&client, rows + row_count);
    const struct options options = {
        .usage = "get [options] KEY [RANGE_END]",
        .about =
            "Reads a key, or all keys from KEY up to but without RANGE_END.\n"
            "\n"
            "  synod get hello\n"
            "  synod get --prefix conf/ -w table\n"
            "  synod get --prefix '' --count-only            how many keys there are\n"
            "  synod get --prefix '' --keys-only --limit 10\n"
            "  synod get --from-key m --sort-by MODIFY --order DESCEND\n"
            "  synod get hello --rev 5                       as it was\n"
            "  synod get --print-value-only conf/nginx > nginx.conf\n",
        .rows = rows,
        .row_count = row_count,
        .arguments_min = 1,
        .arguments_max = 2,
    };
    const char *arguments[2];
    int count;
    Etcdserverpb__RangeRequest request;
    client_options_init(&client);
    const enum options_outcome outcome = options_read(&options, argc, argv, arguments, &count);
    if (outcome != OPTIONS_READ) {
        return outcome == OPTIONS_HELPED ? CLI_DONE : CLI_USAGE;
    }
    struct arena arena = {0};
    int code = CLI_USAGE;
    if (requests_get(&words, arguments, count, &arena, &request) == 0) {
        how.is_count_only = words.is_count_only;
        code = get(&client, &request, &how);
    }
    arena_deinit(&arena);
    return code;
}
