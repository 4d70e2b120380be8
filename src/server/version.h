/* version.h -- the version of Synod. */
#ifndef SERVER_VERSION_H
#define SERVER_VERSION_H

#define SYNOD_VERSION "0.1.0"

#endif /* SERVER_VERSION_H */
