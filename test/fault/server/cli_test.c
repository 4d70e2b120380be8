/* cli_test.c -- commands of the command line, and the n-th thing that they ask for fails.
 *
 * Each is a process that asks a server for which nothing fails. It ends with status 0 and has
 * done what it was told, or with status 1 and says why. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "fault.h"
#include "member.h"
#include "test.h"

static struct process command;

/* Run a command that may fail. Returns its exit code. */
static int run(int (*main)(int argc, char **argv), char **arguments)
{
    process_start(&command, main, arguments, 1);
    (void)process_listen(&command, NULL);
    const int code = process_bury(&command);
    if (!process_ended_well(&command, code)) {
        fail_msg("%s ended with %d, after: %s", arguments[0], code, command.text);
    }
    return code;
}

/* What each command says on its standard output when it succeeds is there. */
static void run_and_look(int (*main)(int argc, char **argv), char **arguments, const char *word)
{
    if (run(main, arguments) == 0 && strstr(command.text, word) == NULL) {
        fail_msg("%s ended with 0, and did not say \"%s\", but: %s", arguments[0], word,
                 command.text);
    }
}

static void put_next(struct member *member)
{
    char key[16];
    char *arguments[] = {"put", "--endpoints", member->url, "--timeout", "200ms", key, "v", NULL};
    assert_true(member->key_count < KEYS_MAX);
    snprintf(key, sizeof key, "k%u", member->key_count);
    member->is_acknowledged[member->key_count++] = run(cli_put, arguments) == 0;
}

static void live(void *context)
{
    struct member *member = context;
    char *url = member->url;
    put_next(member);
    run_and_look(
        cli_get,
        (char *[]){"get", "--endpoints", url, "--timeout", "200ms", "--prefix", "hello", NULL},
        "world");
    run_and_look(
        cli_get,
        (char *[]){"get", "--endpoints", url, "--timeout", "200ms", "hello", "-w", "json", NULL},
        "d29ybGQ=");
    (void)run(cli_del, (char *[]){"del", "--endpoints", url, "--timeout", "200ms", "x", NULL});
    run_and_look(cli_status, (char *[]){"status", "--endpoints", url, "--timeout", "200ms", NULL},
                 url + 7);
    run_and_look(cli_wal, (char *[]){"wal", "verify", member->dir, NULL}, "");
    run_and_look(cli_wal, (char *[]){"wal", "dump", member->dir, NULL}, "");
    fault_disarm();
    member_check_keys(member);
}

static void fail_each(const char *name, unsigned kinds, uint64_t places_min)
{
    static struct member member; /* Large, and there is one. */
    member_init(&member);
    assert_true(member_start(&member, 0));
    char *hello[] = {"put", "--endpoints", member.url, "hello", "world", NULL};
    assert_int_equal(run(cli_put, hello), 0);
    fault_run_both(&(struct fault_loop){
        .name = name, .kinds = kinds, .places_min = places_min, .play = live, .context = &member});
    fault_disarm();
    assert_int_equal(member_stop(&member), 0);
    member_wipe(&member);
}

TEST(command_line, says_which_allocation_failed)
{
    fail_each("allocation", FAULT_ALLOCATION, 15);
}

TEST(command_line, says_what_it_cannot_read)
{
    fail_each("files", FAULT_DISK, 4);
}

TEST(command_line, says_what_of_a_connection_failed)
{
    fail_each("connection", FAULT_CONNECT | FAULT_SEND | FAULT_LATE, 4);
}
