/* process.h -- a process that runs one of our programs' main functions, and may be failed. */
#ifndef TEST_FAULT_SERVER_PROCESS_H
#define TEST_FAULT_SERVER_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

struct process {
    pid_t pid;
    int channel;        /* What it says comes out of here. */
    char text[1 << 18]; /* What it has said. */
    size_t text_size;
};

/* Begin one that calls `run` with these arguments (the last is NULL), and ends as that returns.
 * What is armed in fault.h counts for it if it is under test. */
void process_start(struct process *process, int (*run)(int argc, char **argv), char **arguments,
                   int is_under_test);

/* Read what it says until it has said `word` (NULL: until its end). Returns whether it has. */
int process_listen(struct process *process, const char *word);

/* It has ended. Returns its exit code, or the negative number of the signal that ended it. Who
 * returned has lost no memory. */
int process_bury(struct process *process);

/* True if the end is one of those that are allowed when something fails: in good order, or with
 * status 1 and a reason. */
int process_ended_well(const struct process *process, int code);

#endif /* TEST_FAULT_SERVER_PROCESS_H */
