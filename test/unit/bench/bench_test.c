/* bench_test.c -- what synod-bench measures and sends. */
#include "bench/histogram.h"
#include "bench/request.h"

#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "test.h"

TEST(histogram, is_exact_for_small_values)
{
    struct histogram *histogram = calloc(1, sizeof *histogram);
    assert_non_null(histogram);
    assert_int_equal(histogram_percentile(histogram, 50), 0);
    for (uint64_t value = 1; value <= 100; value++) {
        histogram_record(histogram, value);
    }
    assert_int_equal(histogram_percentile(histogram, 1), 1);
    assert_int_equal(histogram_percentile(histogram, 50), 50);
    assert_int_equal(histogram_percentile(histogram, 99), 99);
    assert_int_equal(histogram_percentile(histogram, 99.5), 100);
    assert_int_equal(histogram_percentile(histogram, 100), 100);
    free(histogram);
}

/* What is told is never smaller than what was recorded, and larger by less than a part in 128. */
TEST(histogram, is_never_wrong_by_more_than_a_bucket)
{
    struct histogram *histogram = calloc(1, sizeof *histogram);
    struct prng prng = {1};
    assert_non_null(histogram);
    for (int i = 0; i < 20000; i++) {
        const uint64_t value = prng_next(&prng) >> prng_below(&prng, 64);
        memset(histogram, 0, sizeof *histogram);
        histogram_record(histogram, value);
        histogram_record(histogram, UINT64_MAX); /* Else the maximum would hide the bucket. */
        const uint64_t told = histogram_percentile(histogram, 50);
        assert_true(told >= value);
        assert_true(told - value <= value / 128);
    }
    free(histogram);
}

TEST(histogram, never_says_more_than_the_largest_value)
{
    struct histogram *histogram = calloc(1, sizeof *histogram);
    assert_non_null(histogram);
    histogram_record(histogram, 1000001);
    assert_int_equal(histogram_percentile(histogram, 50), 1000001);
    assert_int_equal(histogram->max, 1000001);
    free(histogram);
}

/* The bytes that protobuf would have written. */
TEST(request, is_encoded_as_protobuf_does)
{
    uint8_t message[512];
    static const uint8_t value[200] = {7};

    assert_int_equal(request_encode_put(message, bytes_of_text("k"), bytes_of_text("vv")), 7);
    assert_memory_equal(message, "\x0a\1k\x12\2vv", 7);
    const size_t size = request_encode_put(message, bytes_of_text("key"), bytes_of(value, 200));
    assert_int_equal(size, 2 + 3 + 3 + 200);
    assert_memory_equal(message, "\x0a\3key\x12\xc8\1\7", 9);
    assert_int_equal(request_encode_get(message, bytes_of_text("k"), 0), 3);
    assert_int_equal(request_encode_get(message, bytes_of_text("k"), 1), 5);
    assert_memory_equal(message, "\x0a\1k\x38\1", 5);
}

TEST(request, finds_the_leader_in_a_status)
{
    static const uint8_t leads[] =
        "\x0a\5\x08\1\x10\x96\1\x12\5"
        "3.6.0\x18\7\x20\x96\1\x28\3";
    static const uint8_t follows[] = "\x0a\2\x10\5\x20\x96\1";
    uint64_t member;
    uint64_t leader;

    assert_int_equal(request_decode_status(bytes_of(leads, sizeof leads - 1), &member, &leader), 0);
    assert_int_equal(member, 150);
    assert_int_equal(leader, 150);
    assert_int_equal(request_decode_status(bytes_of(follows, sizeof follows - 1), &member, &leader),
                     0);
    assert_int_equal(member, 5);
    assert_int_equal(leader, 150);
    assert_int_equal(request_decode_status(bytes_of("\xff", 1), &member, &leader), -1);
    assert_int_equal(request_decode_status(bytes_of(NULL, 0), &member, &leader), -1);
}

TEST(request, knows_an_answer_with_a_key_from_one_without)
{
    assert_true(request_has_key(bytes_of("\x0a\2\x08\1\x12\3\x0a\1k\x20\1", 11)));
    assert_false(request_has_key(bytes_of("\x0a\2\x08\1", 4)));
    assert_false(request_has_key(bytes_of("\x0a\x7f\x08\1", 4)));
    assert_false(request_has_key(bytes_of(NULL, 0)));
}
