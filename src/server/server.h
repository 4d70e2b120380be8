/* server.h -- `synod server`: one member, from its flags to its end. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

/* Run a member until it is told to stop or cannot go on. `argv[0]` is the name that the program
 * was called by, the flags follow. Returns the exit code: 0 stopped in good order (or asked for
 * help or the version), 1 could not start or go on, 2 wrong flags. */
int server_run(int argc, char **argv);

/* Print the versions, as etcd does in its first lines, to standard output. */
void server_print_version(void);

#endif /* SERVER_SERVER_H */
