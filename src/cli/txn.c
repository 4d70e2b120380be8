/* txn.c -- `synod txn`: compare, then change all or nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/input.h"
#include "cli/render.h"
#include "cli/session.h"
#include "cli/txn_text.h"

static int run(const struct client_options *client, const Etcdserverpb__TxnRequest *request)
{
    const enum output_format format = client_options_format(client, OUTPUT_SIMPLE);
    struct session *session = format == 0 ? NULL : session_open(client);
    if (session == NULL) {
        return CLI_USAGE;
    }
    int code = CLI_FAILED;
    Etcdserverpb__TxnResponse *answer =
        session_call(session, "/etcdserverpb.KV/Txn", &request->base,
                     &etcdserverpb__txn_response__descriptor, SESSION_WRITE);
    if (answer == NULL) {
        session_complain(session, "txn");
    } else {
        render_txn(format, answer);
        code = render_end();
        etcdserverpb__txn_response__free_unpacked(answer, NULL);
    }
    session_close(session);
    return code;
}

static int parse_and_run(const struct client_options *client)
{
    struct txn_text txn;
    size_t size;
    if (isatty(STDIN_FILENO)) {
        fprintf(stderr,
                "Compares, an empty line, operations if they hold, an empty line, "
                "operations if not, Ctrl-D:\n");
    }
    uint8_t *text = input_read("txn", &size);
    if (text == NULL) {
        return CLI_FAILED;
    }
    int code = CLI_USAGE;
    if (txn_text_parse(&txn, (const char *)text, size) != 0) {
        fprintf(stderr, "synod txn: %s\n", txn.error);
    } else {
        code = run(client, &txn.request);
    }
    txn_text_deinit(&txn);
    free(text);
    return code;
}

int cli_txn(int argc, char **argv)
{
    struct client_options client;
    struct option_row rows[CLIENT_ROWS];
    const size_t row_count = client_options_rows(&client, rows);
    const struct options options = {
        .usage = "txn [options] < TEXT",
        .about =
            "Reads a transaction from standard input: compares, an empty line, what is done\n"
            "if all of them hold, an empty line, what is done if not. It happens as one or "
            "not at all.\n"
            "\n"
            "  synod txn <<'END'\n"
            "  ver(\"lock\") = \"0\"\n"
            "\n"
            "  put lock \"mine\"\n"
            "\n"
            "  get lock\n"
            "  END\n"
            "\n"
            "Compares: ver, create, mod, val, lease; with = != > <. Operations: put, get, "
            "del,\n"
            "with the options of these commands.\n",
        .rows = rows,
        .row_count = row_count,
    };
    int count;
    client_options_init(&client);
    const enum options_outcome outcome = options_read(&options, argc, argv, NULL, &count);
    if (outcome != OPTIONS_READ) {
        return outcome == OPTIONS_HELPED ? CLI_DONE : CLI_USAGE;
    }
    return parse_and_run(&client);
}
