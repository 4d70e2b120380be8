/* address_fuzz.c -- "host:port" as people write it, and what the kernel's addresses become again.
 *
 * What was split can be put together and split again, to the same; and an address of digits comes
 * back from the kernel's form as one that means the same. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "fuzz.h"
#include "os/os_uv_internal.h"

/* What was taken for the host and the port is what was written. */
static void check_text(const char *text, const char *host, uint16_t port)
{
    assert(strncmp(text + (*text == '['), host, strlen(host)) == 0);
    assert(strtoull(strrchr(text, ':') + 1, NULL, 10) == port);
}

/* The host and the port, in brackets where the host has colons, are the same again. */
static void check_split(const char *host, uint16_t port)
{
    char again[OS_UV_HOST_SIZE];
    char text[OS_UV_HOST_SIZE + 16];
    uint16_t same;
    const int has_colon = strchr(host, ':') != NULL;
    if (*host == '[' || strchr(host, ']') != NULL) {
        return; /* Nobody's name: no brackets could be put around it. */
    }
    snprintf(text, sizeof text, has_colon ? "[%s]:%u" : "%s:%u", host, port);
    const int error = os_uv_address_split(text, again, &same);
    assert(error == 0 && same == port && strcmp(again, host) == 0);
}

/* What the kernel would be given is written as something that gives it the same. */
static void check_digits(const char *host, uint16_t port)
{
    struct sockaddr_storage address;
    struct sockaddr_storage second;
    char text[OS_UV_NAME_SIZE];
    char again[OS_UV_HOST_SIZE];
    uint16_t same;
    if (os_uv_address_parse(host, port, &address) != 0) {
        return;
    }
    os_uv_address_format(&address, text);
    int error = os_uv_address_split(text, again, &same);
    assert(error == 0 && same == port);
    error = os_uv_address_parse(again, same, &second);
    assert(error == 0 && second.ss_family == address.ss_family);
}

FUZZ(address)
{
    char host[OS_UV_HOST_SIZE];
    uint16_t port;
    char *text = calloc(1, input.size + 1);
    assert(text != NULL);
    if (input.size > 0) {
        memcpy(text, input.data, input.size);
    }
    if (os_uv_address_split(text, host, &port) == 0) {
        assert(host[0] != '\0' && memchr(host, '\0', sizeof host) != NULL);
        check_text(text, host, port);
        check_split(host, port);
        check_digits(host, port);
    }
    free(text);
}
