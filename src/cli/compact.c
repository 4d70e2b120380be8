/* compact.c -- `synod compact`: forget old versions of all keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/render.h"
#include "cli/session.h"

static int compact(const struct client_options *client,
                   const Etcdserverpb__CompactionRequest *request)
{
    const enum output_format format = client_options_format(client, OUTPUT_SIMPLE);
    struct session *session = format == 0 ? NULL : session_open(client);
    if (session == NULL) {
        return CLI_USAGE;
    }
    int code = CLI_FAILED;
    Etcdserverpb__CompactionResponse *answer =
        session_call(session, "/etcdserverpb.KV/Compact", &request->base,
                     &etcdserverpb__compaction_response__descriptor, SESSION_WRITE);
    if (answer == NULL) {
        session_complain(session, "compact");
    } else {
        render_compaction(format, answer, request->revision);
        code = render_end();
        etcdserverpb__compaction_response__free_unpacked(answer, NULL);
    }
    session_close(session);
    return code;
}

int cli_compact(int argc, char **argv)
{
    struct client_options client;
    int is_physical = 0;
    struct option_row rows[CLIENT_ROWS + 1];
    size_t row_count = client_options_rows(&client, rows);
    rows[row_count++] =
        option_switch("physical", &is_physical, "as etcdctl has it; makes no difference");
    const struct options options = {
        .usage = "compact [options] REVISION",
        .about =
            "Forgets what only readers below REVISION could see: versions that were\n"
            "overwritten or deleted before. Keys keep what they are at REVISION.\n"
            "\n"
            "  synod get hello -w json                       header.revision is the newest\n"
            "  synod compact 1000\n",
        .rows = rows,
        .row_count = row_count,
        .arguments_min = 1,
        .arguments_max = 1,
    };
    const char *arguments[1];
    int count;
    Etcdserverpb__CompactionRequest request = ETCDSERVERPB__COMPACTION_REQUEST__INIT;
    client_options_init(&client);
    const enum options_outcome outcome = options_read(&options, argc, argv, arguments, &count);
    if (outcome != OPTIONS_READ) {
        return outcome == OPTIONS_HELPED ? CLI_DONE : CLI_USAGE;
    }
    char *end;
    request.revision = strtoll(arguments[0], &end, 10);
    request.physical = is_physical;
    if (*end != '\0' || end == arguments[0]) {
        fprintf(stderr, "synod compact: not a revision: %s\n", arguments[0]);
        return CLI_USAGE;
    }
    return compact(&client, &request);
}
