#include "login/worker.h"

#include "base/log.h"
#include "service/service.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum {
	LINE_MAX_LEN = 1024,
};

void
worker_log(const struct session_in *in, const char *fmt, ...)
{
	char text[LINE_MAX_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_info("%s(%.*s)<%d><%.*s>: %s", service_name(), (int)in->user.n,
	    in->user.p, (int)getpid(), (int)in->name.n, in->name.p, text);
}
