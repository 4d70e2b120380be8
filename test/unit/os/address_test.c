/* address_test.c -- which of a name's addresses is listened on. */
#include <netdb.h>

#include "os/os_uv_internal.h"
#include "test.h"

TEST(address, listens_on_the_first_of_ipv4_if_there_is_one)
{
    struct addrinfo last = {.ai_family = AF_INET};
    struct addrinfo second = {.ai_family = AF_INET, .ai_next = &last};
    struct addrinfo first = {.ai_family = AF_INET6, .ai_next = &second};
    assert_ptr_equal(os_uv_address_pick(&first), &second);
    assert_ptr_equal(os_uv_address_pick(&second), &second);
}

TEST(address, listens_on_ipv6_where_there_is_nothing_else)
{
    struct addrinfo second = {.ai_family = AF_INET6};
    struct addrinfo first = {.ai_family = AF_INET6, .ai_next = &second};
    assert_ptr_equal(os_uv_address_pick(&first), &first);
}
