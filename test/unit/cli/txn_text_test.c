/* txn_text_test.c -- etcdctl's way to write a txn. */
#include "cli/txn_text.h"

#include <stdio.h>
#include <string.h>

#include "hush.h"
#include "test.h"

static int parse_bytes(struct txn_text *txn, const char *text, size_t size)
{
    const int kept = hush();
    const int result = txn_text_parse(txn, text, size);
    unhush(kept);
    return result;
}

static int parse(struct txn_text *txn, const char *text)
{
    return parse_bytes(txn, text, strlen(text));
}

TEST(txn_text, has_three_blocks)
{
    struct txn_text txn;
    assert_int_equal(parse(&txn,
                           "mod(\"key1\") > \"0\"\nval(\"k\\\"2\")!=\"x\\n\"\n\n"
                           "put key1 \"over written\"\nget key2 --limit 3\n\n"
                           "del 'key 1' --prefix\nput key2 ''\n\n"),
                     0);
    assert_int_equal(txn.request.n_compare, 2);
    const Etcdserverpb__Compare *compare = txn.request.compare[0];
    assert_int_equal(compare->target, ETCDSERVERPB__COMPARE__COMPARE_TARGET__MOD);
    assert_int_equal(compare->result, ETCDSERVERPB__COMPARE__COMPARE_RESULT__GREATER);
    assert_int_equal(compare->target_union_case, ETCDSERVERPB__COMPARE__TARGET_UNION_MOD_REVISION);
    assert_int_equal(compare->mod_revision, 0);
    compare = txn.request.compare[1];
    assert_int_equal(compare->key.len, 3);
    assert_memory_equal(compare->key.data, "k\"2", 3);
    assert_memory_equal(compare->value.data, "x\n", 2);
    assert_int_equal(compare->result, ETCDSERVERPB__COMPARE__COMPARE_RESULT__NOT_EQUAL);

    assert_int_equal(txn.request.n_success, 2);
    assert_memory_equal(txn.request.success[0]->request_put->value.data, "over written", 12);
    assert_int_equal(txn.request.success[1]->request_range->limit, 3);
    assert_int_equal(txn.request.n_failure, 2);
    const Etcdserverpb__DeleteRangeRequest *deletion = txn.request.failure[0]->request_delete_range;
    assert_memory_equal(deletion->key.data, "key 1", 5);
    assert_memory_equal(deletion->range_end.data, "key 2", 5);
    assert_int_equal(txn.request.failure[1]->request_put->value.len, 0);
    txn_text_deinit(&txn);
}

TEST(txn_text, may_end_early_and_have_empty_blocks)
{
    struct txn_text txn;
    assert_int_equal(parse(&txn, ""), 0);
    txn_text_deinit(&txn);
    assert_int_equal(parse(&txn, "\n\nget a"), 0);
    assert_int_equal(txn.request.n_compare, 0);
    assert_int_equal(txn.request.n_success, 0);
    assert_int_equal(txn.request.n_failure, 1);
    txn_text_deinit(&txn);
    assert_int_equal(parse(&txn, "\r\nget a\r\n\r\n"), 0);
    assert_int_equal(txn.request.n_success, 1);
    txn_text_deinit(&txn);
}

TEST(txn_text, compares_every_target_with_every_operator)
{
    static const char *const names[] = {"ver", "version", "c",     "create", "m",
                                        "mod", "val",     "value", "lease"};
    static const char *const operators[] = {"=", "!=", ">", "<"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (size_t j = 0; j < sizeof operators / sizeof operators[0]; j++) {
            char text[64];
            struct txn_text txn;
            snprintf(text, sizeof text, "%s(\"k\")%s\"10\"\n\n", names[i], operators[j]);
            assert_int_equal(parse(&txn, text), 0);
            const Etcdserverpb__Compare *compare = txn.request.compare[0];
            if (compare->target == ETCDSERVERPB__COMPARE__COMPARE_TARGET__LEASE) {
                assert_int_equal(compare->lease, 16);
            } else if (compare->target == ETCDSERVERPB__COMPARE__COMPARE_TARGET__VALUE) {
                assert_int_equal(compare->value.len, 2);
            } else {
                assert_int_equal(compare->version, 10); /* They share the place. */
            }
            txn_text_deinit(&txn);
        }
    }
}

TEST(txn_text, says_in_which_line_it_is_not_understood)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"nonsense\n", "line 1: a compare looks like"},
        {"mood(\"k\") = \"0\"\n", "line 1: one compares"},
        {"mod(k) = \"0\"\n", "line 1: a compare looks like"},
        {"mod(\"k\" = \"0\"\n", "line 1: a compare looks like"},
        {"mod(\"k\") ~ \"0\"\n", "one of = != > <"},
        {"mod(\"k\") = 0\n", "a compare looks like"},
        {"mod(\"k\") = \"zero\"\n", "must be a number"},
        {"mod(\"k\") = \"\"\n", "must be a number"},
        {"mod(\"k\") = \"0\" x\n", "something after"},
        {"mod(\"k\") = \"0\n", "a closing \" is missing"},
        {"val(\"k\") = \"\\q\"\n", "after a backslash"},
        {"mod(\"k\n", "a closing \" is missing"},
        {"mod(\n", "a compare looks like"},
        {"\nput k v\nfly k\n", "line 3: an operation is put, get or del, not fly"},
        {"\nput k\n", "line 2: put needs a key and a value"},
        {"\nput 'k v\n", "a closing ' is missing"},
        {"\nput \"a\\x00b\" v\n", "\\x00 cannot be part"},
        {"\n\n\nget k\n", "line 4: there is a fourth block"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct txn_text txn;
        assert_int_equal(parse(&txn, cases[i].text), -1);
        if (strstr(txn.error, cases[i].says) == NULL) {
            fail_msg("'%s' is not in: %s", cases[i].says, txn.error);
        }
        txn_text_deinit(&txn);
    }
}

/* Any bytes at all: an answer, and nothing that a sanitizer objects to. */
TEST(txn_text, survives_text_cut_and_changed_anywhere)
{
    static const char text[] =
        "mod(\"key1\") > \"0\"\nval(\"k\\x412\")=\"x\"\n\n"
        "put key1 \"v\"\nget 'key2'\n\ndel key1\n\n";
    for (size_t i = 0; i < sizeof text; i++) {
        struct txn_text txn;
        char changed[sizeof text];
        (void)parse_bytes(&txn, text, i);
        txn_text_deinit(&txn);
        memcpy(changed, text, sizeof text);
        changed[i] = (char)(changed[i] ^ 0x15);
        if (changed[i] != '-') {
            (void)parse_bytes(&txn, changed, sizeof text - 1);
            txn_text_deinit(&txn);
        }
    }
}
