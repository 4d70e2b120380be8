/* local_cluster.h -- real servers on loopback, children of this process, to be killed at will.
 *
 * For the demonstration, and for tests that want processes and no simulation. A child dies with
 * its parent, whatever ends it: no server is ever left behind. */
#ifndef CLI_LOCAL_CLUSTER_H
#define CLI_LOCAL_CLUSTER_H

#include <stddef.h>
#include <sys/types.h>

enum {
    LOCAL_MEMBERS_MAX = 9,
    LOCAL_PATH_SIZE = 256,
    LOCAL_ADDRESS_SIZE = 32
};

struct local_cluster_options {
    const char *program; /* Who speaks, in complaints, and what its directory is called. */
    const char *binary;  /* The server's; NULL: that of this process. Borrowed. */
    unsigned count;      /* Of members, 1 .. LOCAL_MEMBERS_MAX. */
};

struct local_member {
    char name[2];
    char data_dir[LOCAL_PATH_SIZE];
    char log[LOCAL_PATH_SIZE];       /* Its standard error, of all its lives. */
    char client[LOCAL_ADDRESS_SIZE]; /* "127.0.0.1:port" */
    char peer[LOCAL_ADDRESS_SIZE];
    pid_t pid; /* 0: it does not run. */
};

struct local_cluster {
    struct local_cluster_options options;
    char dir[LOCAL_PATH_SIZE]; /* All that it keeps. */
    struct local_member members[LOCAL_MEMBERS_MAX];
};

/* Choose a directory, under $TMPDIR or /tmp, and ports. Returns 0, or -1: it was said why not. */
int local_cluster_init(struct local_cluster *cluster, const struct local_cluster_options *options);

/* Start a member. Returns 0, or -1: it was said why not. */
int local_cluster_start(struct local_cluster *cluster, unsigned index);

/* Send a running member a signal that does not end it, or not at once. */
void local_cluster_signal(const struct local_cluster *cluster, unsigned index, int signum);

/* Send a running member a signal, wait until it is gone, and forget it. */
void local_cluster_end(struct local_cluster *cluster, unsigned index, int signum);

/* The first running member that has ended by itself, or -1. It is forgotten. */
int local_cluster_find_dead(struct local_cluster *cluster);

/* Kill all members that run. */
void local_cluster_end_all(struct local_cluster *cluster);

/* The same, and remove the directory with all that is in it. */
void local_cluster_deinit(struct local_cluster *cluster);

/* Why the leader last changed, in the words of a member's log; "" where it says nothing. */
void local_cluster_read_why(const struct local_cluster *cluster, unsigned index, char *to,
                            size_t room);

/* The last lines of a member's log on standard error, for people. */
void local_cluster_show_log(const struct local_cluster *cluster, unsigned index);

#endif /* CLI_LOCAL_CLUSTER_H */
