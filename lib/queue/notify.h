/*
 * notify.h - what a sender wants to be told, and with what (RFC 3461).
 */
#ifndef QUEUE_NOTIFY_H
#define QUEUE_NOTIFY_H

enum {
	QUEUE_NOTIFY_NEVER = 1 << 0, /* stands alone */
	QUEUE_NOTIFY_SUCCESS = 1 << 1,
	QUEUE_NOTIFY_FAILURE = 1 << 2,
	QUEUE_NOTIFY_DELAY = 1 << 3,
};

enum {
	QUEUE_RET_FULL = 1, /* the whole message */
	QUEUE_RET_HDRS = 2, /* its head */
};

#endif
