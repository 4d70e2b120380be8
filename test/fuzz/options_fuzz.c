/* options_fuzz.c -- the command line of the commands that talk to a server.
 *
 * Each line of the input is an argument of one command that has options of all kinds. */
#include <stdlib.h>

#include "base/assert.h"
#include "cli/options.h"
#include "fuzz.h"

enum {
    LINES_MAX = 32,
    ARGUMENTS_MAX = 2
};

static int split(char *text, char *lines[LINES_MAX + 1])
{
    int count = 0;
    while (text != NULL && count < LINES_MAX) {
        lines[count++] = text;
        text = strchr(text, '\n');
        if (text != NULL) {
            *text++ = '\0';
        }
    }
    lines[count] = NULL;
    return count;
}

FUZZ(options)
{
    struct client_options client;
    struct option_row rows[4 + CLIENT_ROWS];
    char *lines[LINES_MAX + 1];
    const char *arguments[ARGUMENTS_MAX] = {NULL};
    const char *value = "";
    int64_t number = 0;
    uint64_t time_us = 0;
    int is_on = 0;
    int count = 0;

    char *text = calloc(1, input.size + 3);
    assert(text != NULL);
    memcpy(text, "x\n", 2); /* The command's own name. */
    if (input.size > 0) {
        memcpy(text + 2, input.data, input.size);
    }
    client_options_init(&client);
    rows[0] = option_switch("flag", &is_on, "");
    rows[1] = option_text("text", &value, "TEXT", "");
    rows[2] = option_number("number", &number, "");
    rows[3] = option_duration("time", &time_us, "");
    rows[0].letter = 'f';
    rows[1].letter = 't';
    const size_t row_count = 4 + client_options_rows(&client, rows + 4);
    const struct options options = {"x", "", rows, row_count, 0, ARGUMENTS_MAX};

    fuzz_hush();
    const int line_count = split(text, lines);
    const enum options_outcome outcome =
        options_read(&options, line_count, lines, arguments, &count);
    if (outcome == OPTIONS_READ) {
        (void)client_options_format(&client, OUTPUT_SIMPLE);
    }
    fuzz_unhush();
    assert(outcome != OPTIONS_READ || (count >= 0 && count <= ARGUMENTS_MAX && number >= 0));
    for (int i = 0; i < count && outcome == OPTIONS_READ; i++) {
        assert(arguments[i] != NULL);
    }
    free(text);
}
