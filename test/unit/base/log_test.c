/* log_test.c -- what base/log promises, claim by claim. */
#include "base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "test.h"

static char last[16384]; /* The last line, with its newline. */
static unsigned line_count;

static void keep(const char *line, uint32_t size)
{
    assert_true(size < sizeof last);
    memcpy(last, line, size);
    last[size] = '\0';
    line_count++;
}

static void begin(enum log_level level, int is_json)
{
    log_configure(&(struct log_options){.level = level, .is_json = is_json, .sink = keep});
    line_count = 0;
    last[0] = '\0';
}

static void end(void)
{
    log_configure(&(struct log_options){.level = LOG_INFO});
}

/* The line from its `count`-th character on. */
static const char *after(size_t count)
{
    assert_true(strlen(last) >= count);
    return last + count;
}

/* True if the text has the shape: 0 stands for any digit. */
static int has_shape(const char *text, const char *shape)
{
    for (; *shape != '\0'; shape++, text++) {
        const int is_digit = *text >= '0' && *text <= '9';
        if (*shape == '0' ? !is_digit : *text != *shape) {
            return 0;
        }
    }
    return 1;
}

static uint64_t of_another_world(void)
{
    return 83045678; /* A minute, 23 seconds and something after the beginning. */
}

TEST(log, tells_the_time_of_the_clock_that_it_is_given)
{
    log_configure(
        &(struct log_options){.level = LOG_INFO, .sink = keep, .clock_us = of_another_world});
    log_write(LOG_INFO, "up", (struct log_field[]){{0}});
    assert_string_equal(last, "1970-01-01 00:01:23.045 INFO  up\n");
    end();
}

TEST(log, writes_lines_for_people)
{
    begin(LOG_INFO, 0);
    log_write(LOG_WARN, "lost the leader",
              (struct log_field[]){log_u64("round", 18446744073709551615u),
                                   log_text("peer", "127.0.0.1:2380"),
                                   log_text("why", "no answer"),
                                   log_text("none", NULL),
                                   {0}});
    assert_true(has_shape(last, "0000-00-00 00:00:00.000 WARN  lost the leader "));
    assert_string_equal(after(46),
                        "round=18446744073709551615 peer=127.0.0.1:2380 "
                        "why=\"no answer\" none=\"\"\n");
    end();
}

TEST(log, writes_json_with_the_fields_of_etcd)
{
    begin(LOG_DEBUG, 1);
    log_write(LOG_DEBUG, "became leader",
              (struct log_field[]){log_u64("round", 3), log_text("why", "asked"), {0}});
    assert_true(
        has_shape(last, "{\"level\":\"debug\",\"ts\":\"0000-00-00T00:00:00.000Z\",\"msg\":"));
    assert_string_equal(strstr(last, "\"msg\""),
                        "\"msg\":\"became leader\",\"round\":3,\"why\":\"asked\"}\n");
    end();
}

TEST(log, tells_the_time_of_now_in_utc)
{
    char today[16];
    const time_t now = time(NULL);
    begin(LOG_INFO, 0);
    log_write(LOG_INFO, "x", NULL);
    strftime(today, sizeof today, "%Y-%m-%d", gmtime(&now));
    if (strncmp(last, today, 10) != 0) { /* Midnight came between the two. */
        const time_t later = time(NULL);
        strftime(today, sizeof today, "%Y-%m-%d", gmtime(&later));
    }
    assert_memory_equal(last, today, 10);
    end();
}

TEST(log, escapes_whatever_could_break_a_line_or_an_object)
{
    begin(LOG_INFO, 1);
    log_write(LOG_INFO, "m", (struct log_field[]){log_text("f", "a\"b\\c\nd\te\x01\x7f"), {0}});
    assert_non_null(strstr(last, "\"f\":\"a\\\"b\\\\c\\nd\\te\\u0001\\u007f\"}\n"));
    begin(LOG_INFO, 0);
    log_write(LOG_INFO, "m", (struct log_field[]){log_text("f", "two\nlines"), {0}});
    assert_non_null(strstr(last, " f=\"two\\nlines\"\n"));
    end();
}

TEST(log, lets_utf8_through_and_replaces_what_is_none)
{
    static const struct {
        const char *text;
        const char *shown;
    } cases[] = {
        {"\xc3\xa9", "\xc3\xa9"},                             /* U+00E9 */
        {"\xe2\x82\xac", "\xe2\x82\xac"},                     /* U+20AC */
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},             /* U+1F600 */
        {"\xc3", "\\ufffd"},                                  /* Cut short. */
        {"\xe2\x82", "\\ufffd\\ufffd"},                       /* Cut short. */
        {"\x80z", "\\ufffdz"},                                /* Continues nothing. */
        {"\xc0\xaf", "\\ufffd\\ufffd"},                       /* Overlong. */
        {"\xe0\x80\xaf", "\\ufffd\\ufffd\\ufffd"},            /* Overlong. */
        {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},            /* A surrogate. */
        {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"}, /* Above U+10FFFF. */
        {"\xff", "\\ufffd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[64];
        begin(LOG_INFO, 1);
        log_write(LOG_INFO, "m", (struct log_field[]){log_text("f", cases[i].text), {0}});
        snprintf(expected, sizeof expected, "\"f\":\"%s\"}\n", cases[i].shown);
        assert_string_equal(strstr(last, "\"f\""), expected);
    }
    end();
}

TEST(log, drops_lines_below_its_level)
{
    begin(LOG_WARN, 0);
    assert_false(log_is_on(LOG_INFO));
    assert_true(log_is_on(LOG_WARN));
    log_write(LOG_INFO, "unheard", NULL);
    assert_int_equal(line_count, 0);
    log_write(LOG_ERROR, "heard", NULL);
    assert_int_equal(line_count, 1);
    end();
}

/* True if the line is an object: its quotation marks pair up, and it ends in one brace. */
static int is_closed(const char *line)
{
    int is_inside = 0;
    for (; *line != '\0'; line++) {
        if (*line == '\\') {
            line++;
        } else if (*line == '"') {
            is_inside = !is_inside;
        } else if (*line == '}' && !is_inside) {
            return strcmp(line, "}\n") == 0;
        }
    }
    return 0;
}

/* Every size around the limit, for a message, for a value and for a name at the edge. */
TEST(log, cuts_what_is_too_long_and_closes_the_line)
{
    static char text[9000];
    for (size_t size = 7900; size < 8300; size++) {
        memset(text, 'x', size);
        text[size] = '\0';
        begin(LOG_INFO, 1);
        log_write(LOG_INFO, text, (struct log_field[]){log_text("name", "value"), {0}});
        assert_true(is_closed(last));
        begin(LOG_INFO, 1);
        log_write(LOG_INFO, "m",
                  (struct log_field[]){log_text("f", text), log_u64("number", 123456), {0}});
        assert_true(is_closed(last));
        assert_true(strlen(last) <= 8192);
        text[0] = '\n'; /* A value with quotation marks in plain text, too. */
        begin(LOG_INFO, 0);
        log_write(LOG_INFO, "m", (struct log_field[]){log_text("f", text), {0}});
        assert_string_equal(last + strlen(last) - 2, "\"\n");
        text[0] = 'x';
    }
    assert_non_null(strstr(last, "...\"\n"));
    end();
}

static int seconds_are_equal(const struct timespec *left)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec == left->tv_sec;
}

TEST(log, counts_what_comes_too_often_and_says_so_in_the_next_second)
{
    struct timespec started;
    begin(LOG_INFO, 1);
    do { /* All within one second, or again. */
        begin(LOG_INFO, 1);
        clock_gettime(CLOCK_MONOTONIC, &started);
        for (int i = 0; i < 50; i++) {
            log_write(LOG_INFO, "again and again", NULL);
        }
        log_write(LOG_INFO, "something else", NULL);
    } while (!seconds_are_equal(&started));
    assert_int_equal(line_count, 21);

    while (seconds_are_equal(&started)) {
    }
    log_write(LOG_INFO, "again and again", NULL);
    assert_int_equal(line_count, 22);
    assert_non_null(strstr(last, "\"suppressed\":30}\n"));
    log_write(LOG_INFO, "again and again", NULL);
    assert_null(strstr(last, "suppressed"));
    end();
}

enum {
    THREADS = 4,
    LINES_EACH = 500
};
static unsigned whole_lines;

static void count_whole(const char *line, uint32_t size)
{
    whole_lines += size > 2 && line[0] == '{' && line[size - 2] == '}' && line[size - 1] == '\n';
}

static void *write_many(void *context)
{
    char message[32];
    for (int i = 0; i < LINES_EACH; i++) {
        snprintf(message, sizeof message, "%s %d", (const char *)context, i);
        log_write(LOG_INFO, message, (struct log_field[]){log_u64("i", (uint64_t)i), {0}});
    }
    return NULL;
}

TEST(log, takes_lines_from_many_threads)
{
    pthread_t threads[THREADS];
    char names[THREADS][2] = {"a", "b", "c", "d"};
    log_configure(&(struct log_options){.level = LOG_INFO, .is_json = 1, .sink = count_whole});
    whole_lines = 0;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, names[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(whole_lines, THREADS * LINES_EACH);
    end();
}
