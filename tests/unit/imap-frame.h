/*
 * imap-frame.h - the frame of the daemon around sessions of IMAP, for tests.
 */
#ifndef IMAP_FRAME_H
#define IMAP_FRAME_H

#include "imapd/mailbox/imap.h"
#include "service/service.h"
#include "task/task.h"

#include "mail.h"

#include <stdarg.h>
#include <sys/socket.h>

static struct bell frame_stop_bell;
static bool frame_stopping;
static char frame_logged[1024]; /* the last line */
static struct worker_news *frame_watching[8];

bool
service_stopping(void)
{
	return frame_stopping;
}

struct bell *
service_stop_bell(void)
{
	return &frame_stop_bell;
}

void
worker_log(const struct session_in *in, const char *fmt, ...)
{
	va_list ap;

	(void)in;
	va_start(ap, fmt);
	vsnprintf(frame_logged, sizeof(frame_logged), fmt, ap);
	va_end(ap);
}

bool
worker_watch(struct session_in *in, struct mbox *m, struct worker_news *news)
{
	(void)in;
	(void)m;
	for (size_t i = 0; i < COUNT_OF(frame_watching); i++)
		if (!frame_watching[i] || frame_watching[i] == news) {
			frame_watching[i] = news;
			return true;
		}
	return false;
}

/* As if all mailboxes that are watched had changed. */
static inline void
frame_ring(void)
{
	for (size_t i = 0; i < COUNT_OF(frame_watching); i++)
		if (frame_watching[i]) {
			frame_watching[i]->pending = true;
			bell_ring(&frame_watching[i]->bell);
		}
}

static inline void
frame_begin(void)
{
	frame_stopping = false;
	frame_logged[0] = '\0';
	memset(frame_watching, 0, sizeof(frame_watching));
	bell_init(&frame_stop_bell, "the end");
}

#endif
