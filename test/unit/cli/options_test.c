/* options_test.c -- the options of the commands, and the requests that come of them. */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#include "cli/requests.h"
#include "command_line.h"
#include "hush.h"
#include "test.h"

struct options_words {
    int flag;
    const char *text;
    int64_t number;
    uint64_t time_us;
    const char *arguments[2];
    int count;
};

static enum options_outcome read_line(struct options_words *words, const char *line)
{
    const struct option_row rows[] = {
        {"flag", 'f', OPTION_SWITCH, &words->flag, "", ""},
        {"text", 't', OPTION_TEXT, &words->text, "", ""},
        {"number", 0, OPTION_NUMBER, &words->number, "", ""},
        {"time", 0, OPTION_DURATION, &words->time_us, "", ""},
    };
    const struct options options = {"x", "", rows, sizeof rows / sizeof rows[0], 1, 2};
    static struct command_line split; /* The words borrow from it. */
    command_line_split(&split, line);
    *words = (struct options_words){.text = ""};
    const int kept = hush();
    const enum options_outcome outcome =
        options_read(&options, split.count, split.words, words->arguments, &words->count);
    unhush(kept);
    return outcome;
}

TEST(options, stand_anywhere_among_the_arguments)
{
    struct options_words words;
    assert_int_equal(read_line(&words, "x a --flag -t v b --number=5 --time 1.5s"), OPTIONS_READ);
    assert_int_equal(words.count, 2);
    assert_string_equal(words.arguments[0], "a");
    assert_string_equal(words.arguments[1], "b");
    assert_true(words.flag);
    assert_string_equal(words.text, "v");
    assert_int_equal(words.number, 5);
    assert_int_equal(words.time_us, 1500000);
}

TEST(options, end_at_two_dashes)
{
    struct options_words words;
    assert_int_equal(read_line(&words, "x -- --flag -"), OPTIONS_READ);
    assert_string_equal(words.arguments[0], "--flag");
    assert_string_equal(words.arguments[1], "-");
    assert_false(words.flag);
    assert_int_equal(read_line(&words, "x - --flag=false"), OPTIONS_READ);
    assert_string_equal(words.arguments[0], "-");
}

TEST(options, that_are_wrong_are_refused)
{
    struct options_words words;
    assert_int_equal(read_line(&words, "x a --fly"), OPTIONS_WRONG);
    assert_int_equal(read_line(&words, "x a -x"), OPTIONS_WRONG);
    assert_int_equal(read_line(&words, "x a -ft"), OPTIONS_WRONG);
    assert_int_equal(read_line(&words, "x a --text"), OPTIONS_WRONG);
    assert_int_equal(read_line(&words, "x a --flag=7"), OPTIONS_WRONG);
    assert_int_equal(read_line(&words, "x a --number=-1"), OPTIONS_WRONG);
    assert_int_equal(read_line(&words, "x a --number="), OPTIONS_WRONG);
    assert_int_equal(read_line(&words, "x a --number=9999999999999999999"), OPTIONS_WRONG);
    assert_int_equal(read_line(&words, "x a b c"), OPTIONS_WRONG);
    assert_int_equal(read_line(&words, "x --flag"), OPTIONS_WRONG);
}

TEST(options, of_time_need_a_unit)
{
    static const struct {
        const char *text;
        uint64_t us;
    } good[] = {{"1us", 1},        {"300ms", 300000},  {"5s", 5000000},
                {"2m", 120000000}, {"1h", 3600000000}, {"0.5s", 500000}};
    static const char *const bad[] = {"", "5", "s", "-1s", "0s", "5 s", "1d", "inf", "1e99h"};
    uint64_t us;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(options_parse_duration(good[i].text, &us), 0);
        assert_int_equal(us, good[i].us);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(options_parse_duration(bad[i], &us), -1);
    }
}

TEST(requests, end_a_prefix_after_its_last_key)
{
    static const struct {
        const char *key;
        const char *end;
        size_t end_size;
    } cases[] = {
        {"a", "b", 1}, {"key/", "key0", 4}, {"a\xff", "b", 1}, {"\xff\xff", "\0", 1}, {"", "\0", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct get_words words = {
            .is_prefix = 1, .sort_by = "", .order = "", .consistency = ""};
        struct arena arena = {0};
        Etcdserverpb__RangeRequest request;
        const char *arguments[] = {cases[i].key};
        assert_int_equal(requests_get(&words, arguments, 1, &arena, &request), 0);
        assert_int_equal(request.range_end.len, cases[i].end_size);
        assert_memory_equal(request.range_end.data, cases[i].end, cases[i].end_size);
        assert_true(request.key.len > 0);
        arena_deinit(&arena);
    }
}

TEST(requests, sort_by_the_words_of_etcdctl)
{
    const struct get_words words = {
        .sort_by = "modify", .order = "DESCEND", .consistency = "s", .limit = 3};
    struct arena arena = {0};
    Etcdserverpb__RangeRequest request;
    const char *arguments[] = {"k", "m"};
    assert_int_equal(requests_get(&words, arguments, 2, &arena, &request), 0);
    assert_int_equal(request.sort_target, ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__MOD);
    assert_int_equal(request.sort_order, ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND);
    assert_true(request.serializable);
    assert_int_equal(request.limit, 3);
}
