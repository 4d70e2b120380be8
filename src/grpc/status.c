/* status.c -- gRPC's status codes, texts and time-outs as they travel in header fields.
 *
 *   grpc-status    the code in decimal
 *   grpc-message   the text; every byte outside of 0x20..0x7e, and '%', as %XX
 *   grpc-timeout   1 to 8 digits and a unit: H hours, M minutes, S seconds, m milliseconds,
 *                  u microseconds, n nanoseconds
 *
 * (gRPC over HTTP/2, "Requests" and "Responses"). A reader of grpc-message must not fail: what
 * does not decode is shown as it is.
 */
#include "grpc/status.h"

#include <stdio.h>

#include "base/assert.h"

static const char HEX[] = "0123456789ABCDEF";

#define CODE_NAME(name, code, text) [code] = (text),
static const char *const NAMES[GRPC_CODE_COUNT] = {GRPC_CODE_MAP(CODE_NAME)};

const char *grpc_code_name(enum grpc_code code)
{
    return (unsigned)code < GRPC_CODE_COUNT ? NAMES[code] : NAMES[GRPC_UNKNOWN];
}

size_t grpc_text_encode(const char *text, uint8_t to[GRPC_TEXT_ENCODED_MAX])
{
    size_t size = 0;
    for (size_t i = 0; i < GRPC_TEXT_MAX && text[i] != '\0'; i++) {
        const uint8_t byte = (uint8_t)text[i];
        if (byte >= 0x20 && byte <= 0x7e && byte != '%') {
            to[size++] = byte;
        } else {
            to[size++] = '%';
            to[size++] = (uint8_t)HEX[byte >> 4];
            to[size++] = (uint8_t)HEX[byte & 15];
        }
    }
    return size;
}

/* The value of a hex digit, or -1. */
static int hex_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    const uint8_t lower = digit | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

void grpc_text_decode(struct bytes from, char to[GRPC_TEXT_MAX + 1])
{
    size_t size = 0;
    for (size_t i = 0; i < from.size && size < GRPC_TEXT_MAX; i++) {
        uint8_t byte = from.data[i];
        if (byte == '%' && from.size - i > 2) {
            const int high = hex_value(from.data[i + 1]);
            const int low = hex_value(from.data[i + 2]);
            if (high >= 0 && low >= 0) {
                byte = (uint8_t)(high << 4 | low);
                i += 2;
            }
        }
        /* A NUL would cut the text short for every reader of C strings. */
        to[size++] = (char)(byte == 0 ? (uint8_t)'?' : byte);
    }
    to[size] = '\0';
}

uint64_t grpc_timeout_decode(struct bytes value)
{
    enum {
        DIGITS_MAX = 8
    };
    if (value.size < 2 || value.size > DIGITS_MAX + 1) {
        return 0;
    }
    uint64_t number = 0;
    for (size_t i = 0; i + 1 < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return 0;
        }
        number = number * 10 + (uint64_t)(value.data[i] - '0');
    }
    uint64_t timeout_us;
    switch (value.data[value.size - 1]) {
    case 'H':
        timeout_us = number * 3600 * 1000000;
        break;
    case 'M':
        timeout_us = number * 60 * 1000000;
        break;
    case 'S':
        timeout_us = number * 1000000;
        break;
    case 'm':
        timeout_us = number * 1000;
        break;
    case 'u':
        timeout_us = number;
        break;
    case 'n':
        timeout_us = (number + 999) / 1000;
        break;
    default:
        return 0;
    }
    /* A time-out of zero has passed already; 1 says so without looking like "none". */
    return timeout_us == 0 ? 1 : timeout_us;
}

size_t grpc_timeout_encode(uint64_t timeout_us, char to[GRPC_TIMEOUT_SIZE])
{
    static const struct {
        char letter;
        uint64_t us;
    } UNITS[] = {{'u', 1}, {'m', 1000}, {'S', 1000000}, {'M', 60000000}, {'H', 3600000000}};
    const uint64_t number_max = 99999999;

    uint64_t number = number_max;
    char letter = 'H';
    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++) {
        const uint64_t whole = timeout_us / UNITS[i].us;
        const uint64_t rounded = whole + (timeout_us % UNITS[i].us != 0);
        if (rounded <= number_max) {
            number = rounded;
            letter = UNITS[i].letter;
            break;
        }
    }
    const int size = snprintf(to, GRPC_TIMEOUT_SIZE, "%u%c", (unsigned)number, letter);
    assert(size > 0 && size < GRPC_TIMEOUT_SIZE);
    return (size_t)size;
}
