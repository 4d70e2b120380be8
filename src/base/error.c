/* error.c -- what libsynod's error codes mean, in words. */
#include "synod/error.h"

const char *synod_strerror(int error)
{
#define SYNOD_ERROR_TEXT(name, code, text)                                                         \
    case (code):                                                                                   \
        return (text);
    switch (error) {
        SYNOD_ERROR_MAP(SYNOD_ERROR_TEXT)
    case 0:
        return "no error";
    default:
        return "an unknown error";
    }
}
