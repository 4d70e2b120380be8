/* put.c -- `synod put`: write a key. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/input.h"
#include "cli/render.h"
#include "cli/requests.h"
#include "cli/session.h"

static int put(const struct client_options *client, const Etcdserverpb__PutRequest *request)
{
    const enum output_format format = client_options_format(client, OUTPUT_SIMPLE);
    struct session *session = format == 0 ? NULL : session_open(client);
    if (session == NULL) {
        return CLI_USAGE;
    }
    int code = CLI_FAILED;
    Etcdserverpb__PutResponse *answer =
        session_call(session, "/etcdserverpb.KV/Put", &request->base,
                     &etcdserverpb__put_response__descriptor, SESSION_WRITE);
    if (answer == NULL) {
        session_complain(session, "put");
    } else {
        render_put(format, answer);
        code = render_end();
        etcdserverpb__put_response__free_unpacked(answer, NULL);
    }
    session_close(session);
    return code;
}

/* Nothing at all is rather a command that failed before us than a value. */
static int put_input(const struct client_options *client, Etcdserverpb__PutRequest *request)
{
    int code = CLI_FAILED;
    uint8_t *value = input_read("put", &request->value.len);
    request->value.data = value;
    if (value != NULL && request->value.len == 0) {
        fprintf(stderr, "synod put: nothing came on standard input; for an empty value type ''\n");
    } else if (value != NULL) {
        code = put(client, request);
    }
    free(value);
    return code;
}

int cli_put(int argc, char **argv)
{
    struct client_options client;
    struct put_words words = {.lease = ""};
    struct option_row rows[PUT_ROWS + CLIENT_ROWS];
    size_t row_count = requests_put_rows(&words, rows);
    row_count += client_options_rows(&client, rows + row_count);
    const struct options options = {
        .usage = "put [options] KEY [VALUE]",
        .about =
            "Writes a key. Without VALUE, the value is what comes on standard input; if that is\n"
            "nothing, the key is left alone.\n"
            "\n"
            "  synod put hello world\n"
            "  synod put --prev-kv hello 'new world'\n"
            "  synod put conf/nginx < nginx.conf\n"
            "  synod put -- -x 'a key or value that begins with a dash'\n",
        .rows = rows,
        .row_count = row_count,
        .arguments_min = 1,
        .arguments_max = 2,
    };
    const char *arguments[2];
    int count;
    Etcdserverpb__PutRequest request;
    client_options_init(&client);
    const enum options_outcome outcome = options_read(&options, argc, argv, arguments, &count);
    if (outcome != OPTIONS_READ) {
        return outcome == OPTIONS_HELPED ? CLI_DONE : CLI_USAGE;
    }
    if (requests_put(&words, arguments, count, &request) != 0) {
        return CLI_USAGE;
    }
    return count == 1 && !words.ignores_value ? put_input(&client, &request)
                                              : put(&client, &request);
}
