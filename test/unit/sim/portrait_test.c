/* portrait_test.c -- what a run's diagram shows, and that to watch changes nothing. */
#include "sim/portrait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/net.h"
#include "sim/run.h"
#include "test.h"

TEST(portrait, shows_the_last_messages_and_changes_nothing)
{
    char path[] = "/tmp/synod-portrait-XXXXXX";
    static char text[100000];
    const int made = mkstemp(path);
    assert_true(made >= 0);
    struct portrait *portrait = portrait_new();
    const struct run_options blind = {.seed = 3, .event_limit = 5000};
    struct run_options options = blind;
    struct run_result watched;
    struct run_result result;
    options.witness = portrait_witness(portrait);
    run_seed(&options, &watched);
    run_seed(&blind, &result);
    assert_int_equal(watched.trace, result.trace);
    assert_int_equal(portrait_write(portrait, path, "it went wrong"), 0);
    assert_true(read(made, text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, ": answer\n"));
    assert_non_null(strstr(text, "== it went wrong"));
    portrait_free(portrait);
    (void)close(made);
    (void)unlink(path);
}

/* A network of which nothing but its links is looked at. */
struct sight {
    struct world world;
    struct portrait *portrait;
    struct net *net;
    char text[20000];
};

static struct sight *sight_new(void)
{
    struct sight *sight = world_allocate(sizeof *sight);
    world_init(&sight->world, 1, 0);
    sight->portrait = portrait_new();
    sight->world.witness = portrait_witness(sight->portrait);
    sight->net = net_new(&sight->world, net_calm());
    return sight;
}

static void sight_free(struct sight *sight)
{
    net_free(sight->net);
    portrait_free(sight->portrait);
    world_deinit(&sight->world);
    free(sight);
}

/* So many messages arrive, one in a millisecond. */
static void pass_time(struct sight *sight, uint32_t messages)
{
    static const uint8_t BYTES[20];
    for (uint32_t i = 0; i < messages; i++) {
        sight->world.now_us += 1000;
        world_show_frame(&sight->world, &(struct world_frame){.to = 1,
                                                              .sent_us = sight->world.now_us - 10,
                                                              .bytes = BYTES,
                                                              .size = sizeof BYTES});
    }
}

static int shows(struct sight *sight, uint64_t count, const char *words)
{
    FILE *file = fmemopen(sight->text, sizeof sight->text - 1, "w");
    assert_non_null(file);
    portrait_print(sight->portrait, file, count, "");
    assert_int_equal(fclose(file), 0);
    return strstr(sight->text, words) != NULL;
}

TEST(portrait, shows_which_links_are_cut_and_whole_again)
{
    struct sight *sight = sight_new();
    pass_time(sight, 1);
    net_cut(sight->net, 0, 1);
    net_cut(sight->net, 1, 0);
    net_cut(sight->net, 0, 2);
    pass_time(sight, 1);
    net_cut(sight->net, 0, 2); /* It is already. */
    net_mend(sight->net, 0, 2);
    pass_time(sight, 1);
    net_mend(sight->net, 0, 2);
    pass_time(sight, 1);
    net_heal(sight->net);
    assert_true(shows(sight, 100, "1.000 ms  == cut: a-b a>c\n"));
    assert_false(shows(sight, 100, "2.000 ms  == "));
    assert_true(shows(sight, 100, "3.000 ms  == whole again: a>c\n"));
    assert_true(shows(sight, 100, "4.000 ms  == whole again: a-b\n"));
    sight_free(sight);
}

TEST(portrait, begins_with_the_links_that_were_cut_before)
{
    struct sight *sight = sight_new();
    pass_time(sight, 1);
    net_cut(sight->net, 2, 1);
    net_cut(sight->net, 0, 1);
    pass_time(sight, 1);
    net_mend(sight->net, 0, 1);
    pass_time(sight, 5);
    assert_false(shows(sight, 100, "cut before"));
    assert_true(shows(sight, 5, "== cut before: c>b\n"));
    pass_time(sight, 1000);
    assert_true(shows(sight, 5, "== cut before: c>b\n"));
    assert_true(shows(sight, 1000, "== cut before: c>b\n"));
    sight_free(sight);
}

TEST(portrait, names_partitions_and_shows_clogs_and_breaks)
{
    struct sight *sight = sight_new();
    world_trace(&sight->world, "cut", PARTITION_CHAIN, 2);
    world_trace(&sight->world, "clog", 0, 2);
    world_trace(&sight->world, "clog", 1, 1);
    world_trace(&sight->world, "break", 1, 2);
    assert_true(shows(sight, 100, "== a partition: chain, its centre is c\n"));
    assert_true(shows(sight, 100, "a: clog to c\n"));
    assert_true(shows(sight, 100, "b: break with c\n"));
    assert_false(shows(sight, 100, "to b"));
    sight_free(sight);
}

/* Whose process dies is drawn all the same. */
TEST(portrait, is_drawn_in_by_a_child_process)
{
    struct sight *sight = sight_new();
    const pid_t child = fork();
    if (child == 0) {
        world_trace(&sight->world, "leader", 1, 3);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(shows(sight, 100, "b: leader 3\n"));
    sight_free(sight);
}
