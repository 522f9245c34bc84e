#include "base/log.h"
#include "sasl/client.h"
#include "service/counters.h"
#include "smtpd/backend.h"
#include "smtpd/params.h"

enum {
	ANSWER_MS = 120 * 1000, /* that authd may take, its delays and all */
};

static enum sasl_result
ask(struct sasl_exchange *x, const struct smtpd_session *s,
    const struct backend_client *c)
{
	const struct sasl_question q = {
		.service = span_str(params.sasl_service),
		.mech = s->auth.mech,
		.has_initial = s->auth.response.p != NULL,
		.initial = s->auth.response,
		.remote = span_str(c->addr),
		.tls = s->tls,
	};
	int64_t by = task_after(ANSWER_MS);

	return s->auth.begins ? sasl_start(x, &q, by)
			      : sasl_respond(x, s->auth.response, by);
}

void
backend_auth(struct sasl_exchange **x, const struct smtpd_session *s,
    const struct backend_client *c, struct smtpd_auth_answer *answer_r)
{
	struct smtpd_auth_answer a = { .result = SMTPD_AUTH_UNKNOWN };

	if (!*x)
		*x = sasl_new();
	switch (ask(*x, s, c)) {
	case SASL_ANSWER_OK:
		a.result = SMTPD_AUTH_OK;
		counter_add(COUNTER_LOGINS, 1);
		break;
	case SASL_ANSWER_CONTINUE:
		a.result = SMTPD_AUTH_CHALLENGE;
		break;
	case SASL_ANSWER_FAIL:
	case SASL_ANSWER_ABSENT:
		a.result = SMTPD_AUTH_FAILED;
		counter_add(COUNTER_LOGINS_FAILED, 1);
		break;
	case SASL_ANSWER_TEMPFAIL:
		break;
	}
	a.user = (*x)->user;
	a.text = a.result == SMTPD_AUTH_CHALLENGE ? (*x)->challenge
						  : (*x)->text;
	*answer_r = a;
}

void
backend_auth_free(struct sasl_exchange *x)
{
	sasl_free(x);
}
