/* cli.h -- the commands of `synod`, a file each. argv[0] is the command's name.
 *
 * Exit codes of all of them: 0 done, 1 it failed (standard error says why), 2 it was typed
 * wrong. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

enum {
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2
};

int cli_put(int argc, char **argv);
int cli_get(int argc, char **argv);
int cli_del(int argc, char **argv);
int cli_txn(int argc, char **argv);
int cli_compact(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_wal(int argc, char **argv);
int cli_demo(int argc, char **argv);

#endif /* CLI_CLI_H */
