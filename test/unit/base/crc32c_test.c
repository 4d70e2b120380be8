/* crc32c_test.c -- what base/crc32c promises, claim by claim. */
#include "base/crc32c.h"

#include <string.h>

#include "test.h"

/* RFC 3720, appendix B.4. */
TEST(crc32c, gives_the_sums_of_the_standard)
{
    uint8_t data[32];
    static const uint8_t read_command[48] = {
        0x01, 0xc0, 0, 0,    0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 4, 0,
        0,    0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 2,    0, 0, 0, 0, 0, 0, 0};
    memset(data, 0, sizeof data);
    assert_int_equal(crc32c(0, data, sizeof data), 0x8a9136aau);
    memset(data, 0xff, sizeof data);
    assert_int_equal(crc32c(0, data, sizeof data), 0x62a8ab43u);
    for (uint8_t i = 0; i < 32; i++) {
        data[i] = i;
    }
    assert_int_equal(crc32c(0, data, sizeof data), 0x46dd794eu);
    for (uint8_t i = 0; i < 32; i++) {
        data[i] = (uint8_t)(31 - i);
    }
    assert_int_equal(crc32c(0, data, sizeof data), 0x113fdb5cu);
    assert_int_equal(crc32c(0, read_command, sizeof read_command), 0xd9963a56u);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

/* Bit by bit, straight from the definition. */
static uint32_t sum_slowly(const uint8_t *data, size_t size)
{
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

TEST(crc32c, agrees_with_its_definition_at_every_size_and_alignment)
{
    uint8_t data[96];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 37 + 11);
    }
    for (size_t start = 0; start < 9; start++) {
        for (size_t size = 0; size + start <= sizeof data; size++) {
            assert_int_equal(crc32c(0, data + start, size), sum_slowly(data + start, size));
        }
    }
}

TEST(crc32c, goes_on_from_any_point)
{
    const char text[] = "a record in several pieces";
    const size_t size = strlen(text);
    for (size_t cut = 0; cut <= size; cut++) {
        const uint32_t first = crc32c(0, text, cut);
        assert_int_equal(crc32c(first, text + cut, size - cut), crc32c(0, text, size));
    }
}
