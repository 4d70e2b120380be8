/* process.c -- a process that runs one of our programs' main functions, and may be failed. */
#include "process.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "test.h"

enum {
    PATIENCE_MS = 30000
};

static void run_child(int (*run)(int argc, char **argv), char **arguments, int is_under_test)
{
    int count = 0;
    while (arguments[count] != NULL) {
        count++;
    }
    const int64_t before = fault_blocks();
    (void)fault_enter(is_under_test);
    const int code = run(count, arguments);
    (void)fault_enter(0);
    printf("\nend: %s, %lld blocks lost\n", fault_has_struck() ? "struck" : "untouched",
           (long long)(fault_blocks() - before));
    fflush(stdout);
    exit(code);
}

void process_start(struct process *process, int (*run)(int argc, char **argv), char **arguments,
                   int is_under_test)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    fflush(stderr);
    process->text_size = 0;
    process->text[0] = '\0';
    process->pid = fork();
    assert_true(process->pid >= 0);
    if (process->pid == 0) {
        close(ends[0]);
        dup2(ends[1], STDERR_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[1]);
        run_child(run, arguments, is_under_test);
    }
    close(ends[1]);
    process->channel = ends[0];
}

int process_listen(struct process *process, const char *word)
{
    while (word == NULL || strstr(process->text, word) == NULL) {
        struct pollfd wait = {.fd = process->channel, .events = POLLIN};
        if (poll(&wait, 1, PATIENCE_MS) <= 0) {
            kill(process->pid, SIGKILL);
            fail_msg("it says nothing more, after: %s", process->text);
        }
        char piece[1024];
        const ssize_t size = read(process->channel, piece, sizeof piece);
        if (size <= 0) {
            return 0;
        }
        const size_t room = sizeof process->text - 1 - process->text_size;
        const size_t some = (size_t)size < room ? (size_t)size : room;
        memcpy(process->text + process->text_size, piece, some);
        process->text_size += some;
        process->text[process->text_size] = '\0';
    }
    return 1;
}

int process_bury(struct process *process)
{
    int status;
    close(process->channel);
    assert_int_equal(waitpid(process->pid, &status, 0), process->pid);
    const char *end = strstr(process->text, "\nend: ");
    if (end == NULL || strstr(end, "untouched") == NULL) {
        fault_struck_elsewhere();
    }
    if (end != NULL && strstr(end, ", 0 blocks lost") == NULL) {
        fprintf(stderr, "%s\n", process->text); /* A message is cut after a thousand bytes. */
        fail_msg("memory was lost: %s", end);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int process_ended_well(const struct process *process, int code)
{
    const int says_why = strstr(process->text, "synod: ") != NULL ||
                         strstr(process->text, "synod ") != NULL ||
                         strstr(process->text, "\"level\":\"error\"") != NULL;
    return code == 0 || (code == 1 && fault_has_struck() && says_why);
}
