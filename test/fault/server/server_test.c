/* server_test.c -- a server starts, serves and stops, and the n-th thing that it asks for fails.
 *
 * Each life is a process of its own that runs `synod server` on the disk and the network of this
 * machine. It may serve; it may end with status 1, having said why; it may not end in any other
 * way, nor hang, nor lose memory. Lives share a directory: whatever any of them has acknowledged
 * is there in the end, and what one has begun to make another can finish. */
#include <signal.h>
#include <string.h>

#include "fault.h"
#include "member.h"
#include "test.h"

/* Stop it, and look at how it ends. */
static void stop(struct member *member)
{
    const struct process *process = &member->process;
    const int code = member_stop(member);
    /* The one way out of a command that is chosen and cannot be applied. */
    const int is_stuck = code == -SIGABRT &&
                         strstr(process->text, "no memory to apply a command of the log") != NULL;
    /* It was ending by itself when our signal came. */
    const int is_late = code == -SIGTERM && process_ended_well(process, 1);
    /* Flags that could not be read are told like wrong ones. */
    const int is_unread = code == 2 && strstr(process->text, "out of memory\nUsage") != NULL;
    if (!process_ended_well(process, code) && !is_stuck && !is_late && !is_unread) {
        fail_msg("it ended with %d, after: %s", code, process->text);
    }
}

/* A life in which nothing fails. */
static void live_well(struct member *member)
{
    fault_disarm();
    if (!member_start(member, 0)) {
        fail_msg("it cannot start on what is there: %s", member->process.text);
    }
    member_put(member);
    assert_true(member->is_acknowledged[member->key_count - 1]);
    member_check_keys(member);
    stop(member);
}

static void live(void *context)
{
    struct member *member = context;
    if (member_start(member, 1)) {
        member_put(member);
        member_put(member);
    }
    stop(member);
}

/* Connections fail, which is no reason to end. */
static void serve(void *context)
{
    struct member *member = context;
    assert_true(member_start(member, 1));
    member_put(member);
    member_put(member);
    assert_int_equal(member_stop(member), 0);
}

/* On an empty disk; and what it leaves there is good for another. */
static void live_first(void *context)
{
    struct member *member = context;
    member_wipe(member);
    live(member);
    live_well(member);
}

static void fail_each(const char *name, unsigned kinds, void (*play)(void *context),
                      uint64_t places_min)
{
    static struct member member; /* Large, and there is one. */
    member_init(&member);
    for (int is_for_ever = 0; is_for_ever <= 1; is_for_ever++) {
        fault_run(&(struct fault_loop){.name = name,
                                       .kinds = kinds,
                                       .is_for_ever = is_for_ever,
                                       .places_min = places_min,
                                       .play = play,
                                       .context = &member});
        live_well(&member);
    }
    member_wipe(&member);
}

TEST(server, says_which_allocation_failed)
{
    fail_each("allocation", FAULT_ALLOCATION, live, 100);
}

TEST(server, says_what_of_the_disk_failed_at_its_first_start)
{
    fail_each("disk", FAULT_DISK, live_first, 40);
}

TEST(server, says_what_of_the_disk_failed_at_a_later_start)
{
    fail_each("disk", FAULT_DISK, live, 40);
}

TEST(server, says_on_what_it_cannot_listen)
{
    fail_each("listen", FAULT_LISTEN, live, 4);
}

TEST(server, serves_on_when_a_connection_fails)
{
    fail_each("connection", FAULT_ACCEPT | FAULT_CONNECT | FAULT_SEND | FAULT_LATE, serve, 4);
}
