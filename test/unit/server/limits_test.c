/* limits_test.c -- how many connections a limit of open files leaves. */
#include "server/limits.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "test.h"

static char said[4096];

static void take_line(const char *line, uint32_t size)
{
    snprintf(said, sizeof said, "%.*s", (int)size, line);
}

TEST(limits, leave_the_log_its_files_whatever_clients_do)
{
    static const struct {
        uint64_t files;
        uint32_t connections;
    } cases[] = {
        {0, 1},         {3, 1},         {64, 16},         {256, 64},
        {300, 75},      {400, 144},     {1024, 768},      {1256, 1000},
        {20255, 19999}, {20256, 20000}, {1 << 20, 20000}, {UINT64_MAX, 20000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(limits_connections(cases[i].files), cases[i].connections);
    }
    for (uint64_t files = 0; files < 30000; files++) {
        const uint32_t connections = limits_connections(files);
        assert_true(connections >= limits_connections(files > 0 ? files - 1 : 0));
        assert_true(connections <= 20000);
        assert_true(files < 342 || files - connections >= 256);
    }
}

/* In a process of its own, as a limit can be lowered once and for all. */
static int raise_from(rlim_t soft, rlim_t hard, uint32_t connections, const char *says)
{
    const pid_t child = fork();
    int status = 0;
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
        log_configure(&(struct log_options){.level = LOG_INFO, .sink = take_line});
        int is_right = setrlimit(RLIMIT_NOFILE, &limit) == 0;
        is_right &= limits_raise() == connections;
        is_right &= getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == hard;
        is_right &= says == NULL ? said[0] == '\0' : strstr(said, says) != NULL;
        _exit(is_right ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(limits, are_raised_and_small_ones_are_warned_of)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(limit.rlim_max >= 2000);
    assert_true(raise_from(100, 2000, 1744, NULL));
    assert_true(raise_from(100, 400, 144, "leaves room for few clients"));
    assert_true(raise_from(400, 400, 144, "leaves room for few clients"));
}
