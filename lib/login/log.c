#include "login/worker.h"

#include "base/log.h"
#include "login/name.h"
#include "mail/maillog.h"
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
	maillog_session(&(struct log_login){
	    .tag = login_name(),
	    .process = service_name(),
	    .user = in->user,
	    .session = in->name,
	    .reason = span_str(text),
	    .mailbox_pid = (uint64_t)getpid(),
	});
}
