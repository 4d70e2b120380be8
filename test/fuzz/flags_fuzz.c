/* flags_fuzz.c -- the server's command line and environment, and what they are taken to mean.
 *
 * Each line of the input is an argument, or, where it begins with "ETCD_", a variable. */
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "server/config.h"

enum {
    LINES_MAX = 64
};

struct line_list {
    char *lines[LINES_MAX + 1];
    int count;
};

static void check_config(const struct config *config)
{
    assert(config->member_count >= 1 && config->member_count <= SYNOD_MEMBERS_MAX);
    assert(config->self < config->member_count);
    assert(config->listen_peers.count == 1 && config->listen_clients.count >= 1);
    assert(config->heartbeat_ms >= 1 && config->election_ms > config->heartbeat_ms);
    for (uint32_t i = 0; i < config->member_count; i++) {
        assert(config->members[i].name != NULL && config->members[i].address != NULL);
    }
}

FUZZ(flags)
{
    struct line_list arguments = {0};
    struct line_list environment = {0};
    struct flags flags;
    struct config config;
    char *text = calloc(1, input.size + 1);
    assert(text != NULL);
    if (input.size > 0) {
        memcpy(text, input.data, input.size);
    }
    for (char *line = text; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        struct line_list *to = strncmp(line, "ETCD_", 5) == 0 ? &environment : &arguments;
        if (to->count < LINES_MAX) {
            to->lines[to->count++] = line;
        }
        if (end != NULL) {
            *end++ = '\0';
        }
        line = end;
    }
    const enum flags_outcome outcome =
        flags_read(&flags, arguments.count, arguments.lines, environment.lines);
    assert((outcome == FLAGS_REFUSED) == (flags.error[0] != '\0'));
    if (outcome == FLAGS_GIVEN) {
        const int error = config_resolve(&config, &flags, 0);
        assert((error != 0) == (flags.error[0] != '\0'));
        if (error == 0) {
            check_config(&config);
        }
        config_deinit(&config);
    }
    free(text);
}
