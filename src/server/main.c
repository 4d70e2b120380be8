/* main.c -- the program `synod`: which command is meant. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "server/server.h"

/* Under the name `etcd` the program is the server alone, so that it drops into scripts and unit
 * files that start etcd. */
static int is_called_etcd(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strcmp(slash == NULL ? path : slash + 1, "etcd") == 0;
}

static int run_server(int argc, char **argv)
{
    static char name[] = "synod server";
    argv[0] = name;
    return server_run(argc, argv);
}

static int run_version(__attribute__((unused)) int argc, __attribute__((unused)) char **argv)
{
    server_print_version();
    return 0;
}

static int run_help(int argc, char **argv);

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name. */
    const char *summary;
} commands[] = {
    {"server", run_server, "run one member of a cluster"},
    {"put", cli_put, "write a key"},
    {"get", cli_get, "read a key, or many"},
    {"del", cli_del, "delete a key, or many"},
    {"txn", cli_txn, "compare, then change all or nothing"},
    {"compact", cli_compact, "forget old versions of all keys"},
    {"status", cli_status, "ask every member how it is"},
    {"wal", cli_wal, "look at a data directory of a member that is not running"},
    {"demo", cli_demo, "watch three members survive a kill -9 under load"},
    {"version", run_version, "print the versions"},
    {"help", run_help, "explain a command"},
};
enum {
    COMMAND_COUNT = sizeof commands / sizeof commands[0]
};

static void print_usage(FILE *to)
{
    fprintf(to,
            "Synod: a replicated store that speaks the etcd v3 API.\n"
            "\n"
            "Usage: synod COMMAND [options]\n\n");
    for (int i = 0; i < COMMAND_COUNT; i++) {
        fprintf(to, "  %-8s  %s\n", commands[i].name, commands[i].summary);
    }
    fprintf(to,
            "\n"
            "A first look, in two terminals:\n"
            "\n"
            "  synod server                 one member, with its data in default.etcd\n"
            "  synod put hello world && synod get hello && synod status\n"
            "\n"
            "'synod COMMAND --help' explains a command with examples.\n");
}

static const struct command *find(const char *name)
{
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int run_help(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stdout);
        return 0;
    }
    const struct command *command = find(argv[1]);
    if (command == NULL || command->run == run_help) {
        print_usage(command == NULL ? stderr : stdout);
        return command == NULL ? 2 : 0;
    }
    static char help[] = "--help";
    char *arguments[] = {argv[1], help, NULL};
    return command->run(2, arguments);
}

int main(int argc, char **argv)
{
    if (argc > 0 && is_called_etcd(argv[0])) {
        return server_run(argc, argv);
    }
    if (argc < 2) {
        print_usage(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        server_print_version();
        return 0;
    }
    const struct command *command = find(argv[1]);
    if (command == NULL) {
        fprintf(stderr, "synod: there is no command '%s'\n\n", argv[1]);
        print_usage(stderr);
        return 2;
    }
    return command->run(argc - 1, argv + 1);
}
