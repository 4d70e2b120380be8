/* bytes_test.c -- what base/bytes promises, claim by claim. */
#include "base/bytes.h"

#include "test.h"

TEST(bytes, are_compared_like_the_keys_of_etcd)
{
    assert_true(bytes_compare(bytes_of_text("a"), bytes_of_text("b")) < 0);
    assert_true(bytes_compare(bytes_of_text("a"), bytes_of_text("aa")) < 0);
    assert_true(bytes_compare(bytes_of_text("b"), bytes_of_text("aa")) > 0);
    assert_true(bytes_compare(bytes_of_text("\xff"), bytes_of_text("a")) > 0);
    assert_true(bytes_compare(bytes_of(NULL, 0), bytes_of(NULL, 0)) == 0);
    assert_true(bytes_compare(bytes_of(NULL, 0), bytes_of("\0", 1)) < 0);
}

TEST(bytes, are_equal_only_with_equal_sizes)
{
    assert_true(bytes_equal(bytes_of(NULL, 0), bytes_of("x", 0)));
    assert_true(bytes_equal(bytes_of("a\0b", 3), bytes_of("a\0b", 3)));
    assert_false(bytes_equal(bytes_of("a\0b", 3), bytes_of("a\0c", 3)));
    assert_false(bytes_equal(bytes_of("ab", 2), bytes_of("ab", 1)));
}

TEST(bytes, hold_numbers_with_the_lowest_byte_first_at_any_alignment)
{
    uint8_t memory[9] = {0};
    put_u64(memory + 1, 0x0102030405060708u);
    assert_int_equal(memory[1], 8);
    assert_int_equal(memory[8], 1);
    assert_true(get_u64(memory + 1) == 0x0102030405060708u);
    put_u32(memory + 3, 0xa0b0c0d0u);
    assert_int_equal(memory[3], 0xd0);
    assert_true(get_u32(memory + 3) == 0xa0b0c0d0u);
    put_u16(memory + 5, 0x1234);
    assert_int_equal(memory[5], 0x34);
    assert_int_equal(get_u16(memory + 5), 0x1234);
}
