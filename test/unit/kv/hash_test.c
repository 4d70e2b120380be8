/* hash_test.c -- the hashes are XXH64 and XXH3, whatever the pieces. */
#include "test.h"

#include "kv/hash.h"

TEST(hash, is_xxh64_whatever_the_pieces)
{
    /* XXH64 of nothing and of "abc", seed 0: from the algorithm's own test vectors. */
    struct hash hash;
    uint8_t bytes[500];
    uint64_t whole = 0;

    hash_begin(&hash);
    assert_true(hash_value(&hash) == 0xef46db3751d8e999u);
    hash_add(&hash, "a", 1);
    hash_add(&hash, "bc", 2);
    assert_true(hash_value(&hash) == 0x44bc2cf5ad770999u);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 37);
    }
    for (size_t step = sizeof bytes; step > 0; step--) {
        hash_begin(&hash);
        for (size_t at = 0; at < sizeof bytes; at += step) {
            const size_t left = sizeof bytes - at;
            hash_add(&hash, bytes + at, left < step ? left : step);
        }
        whole = step == sizeof bytes ? hash_value(&hash) : whole;
        assert_true(hash_value(&hash) == whole);
    }
}

TEST(hash, tells_keys_apart)
{
    assert_true(hash_of(bytes_of_text("a")) != hash_of(bytes_of_text("b")));
    assert_true(hash_of(bytes_of(NULL, 0)) == hash_of(bytes_of("x", 0)));
}
