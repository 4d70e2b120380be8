/* member.c -- a cluster of one server on the disk and the network of this machine. */
#include "member.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "server/server.h"
#include "test.h"

void member_init(struct member *member)
{
    const unsigned pid = (unsigned)getpid();
    *member = (struct member){.dir = "/tmp/synod-fault-XXXXXX"};
    assert_non_null(mkdtemp(member->dir));
    snprintf(member->url, sizeof member->url, "http://127.%u.%u.%u:24790", 64 + (pid >> 16) % 64,
             (pid >> 8) & 255, pid & 255);
    snprintf(member->peer_url, sizeof member->peer_url, "%.*s1", (int)strlen(member->url) - 1,
             member->url);
    snprintf(member->cluster, sizeof member->cluster, "default=%s", member->peer_url);
}

void member_wipe(struct member *member)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", member->dir);
    assert_int_equal(system(command), 0);
    member->key_count = 0;
}

int member_start(struct member *member, int is_under_test)
{
    char *arguments[] = {"synod server",
                         "--data-dir",
                         member->dir,
                         "--heartbeat-interval",
                         "10",
                         "--election-timeout",
                         "100",
                         "--listen-client-urls",
                         member->url,
                         "--advertise-client-urls",
                         member->url,
                         "--listen-peer-urls",
                         member->peer_url,
                         "--initial-advertise-peer-urls",
                         member->peer_url,
                         "--initial-cluster",
                         member->cluster,
                         NULL};
    process_start(&member->process, server_run, arguments, is_under_test);
    return process_listen(&member->process, "ready to serve");
}

int member_stop(struct member *member)
{
    kill(member->process.pid, SIGTERM);
    (void)process_listen(&member->process, NULL);
    return process_bury(&member->process);
}

/* -- Its client ----------------------------------------------------------------------------- */

/* Run a command of ours with what it says going to a file. Returns its exit code. */
static int run_quietly(int (*command)(int argc, char **argv), int argc, char **argv, FILE *to)
{
    fflush(stdout);
    fflush(stderr);
    const int out = dup(STDOUT_FILENO);
    const int err = dup(STDERR_FILENO);
    dup2(fileno(to), STDOUT_FILENO);
    dup2(fileno(to), STDERR_FILENO);
    const int code = command(argc, argv);
    fflush(stdout);
    fflush(stderr);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    return code;
}

void member_put(struct member *member)
{
    char key[16];
    FILE *nothing = fopen("/dev/null", "w");
    assert_non_null(nothing);
    assert_true(member->key_count < KEYS_MAX);
    snprintf(key, sizeof key, "k%u", member->key_count);
    char *arguments[] = {"put", "--endpoints", member->url, "--timeout", "1s", key, "v", NULL};
    const int code = run_quietly(cli_put, 7, arguments, nothing);
    member->is_acknowledged[member->key_count++] = code == CLI_DONE;
    fclose(nothing);
}

void member_check_keys(struct member *member)
{
    uint8_t is_there[KEYS_MAX] = {0};
    char line[64];
    FILE *answer = tmpfile();
    assert_non_null(answer);
    char *arguments[] = {"get", "--endpoints", member->url, "--prefix", "--keys-only", "k", NULL};
    const int code = run_quietly(cli_get, 6, arguments, answer);
    rewind(answer);
    if (code != CLI_DONE) {
        fail_msg("get ended with %d: %s", code, fgets(line, sizeof line, answer));
    }
    while (fgets(line, sizeof line, answer) != NULL) {
        uint32_t number;
        if (sscanf(line, "k%u", &number) == 1) {
            assert_true(number < member->key_count);
            is_there[number] = 1;
        }
    }
    fclose(answer);
    for (uint32_t i = 0; i < member->key_count; i++) {
        if (member->is_acknowledged[i] && !is_there[i]) {
            fail_msg("k%u was acknowledged, and is not there", i);
        }
    }
}
