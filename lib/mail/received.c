#include "mail/received.h"

#include "mail/date.h"

static void
put_tls(struct buf *out, const struct received *r)
{
	buf_put(out, SPAN("\n\t(using "));
	buf_put(out, r->tls);
	if (r->key_exchange.n) {
		buf_put(out, SPAN("\n\t key-exchange "));
		buf_put(out, r->key_exchange);
	}
	if (r->signature.n) {
		buf_put(out, SPAN(" server-signature "));
		buf_put(out, r->signature);
	}
	buf_put(out, SPAN(")\n\t(No client certificate requested)"));
}

void
received_put_head(struct buf *out, const struct received *r)
{
	bool is_ipv6 = r->client_addr.n &&
	    memchr(r->client_addr.p, ':', r->client_addr.n);

	buf_put(out, SPAN("Received: from "));
	buf_put(out, r->helo.n ? r->helo : r->client_name);
	buf_put(out, SPAN(" ("));
	buf_put(out, r->client_name);
	buf_put(out, is_ipv6 ? SPAN(" [IPv6:") : SPAN(" ["));
	buf_put(out, r->client_addr);
	buf_put(out, SPAN("])"));
	if (r->tls.n)
		put_tls(out, r);
	if (r->user.n) {
		buf_put(out, SPAN("\n\t(Authenticated sender: "));
		buf_put(out, r->user);
		buf_put(out, SPAN(")"));
	}
	buf_put(out, SPAN("\n\tby "));
	buf_put(out, r->host);
	buf_put(out, SPAN(" ("));
	buf_put(out, r->mail_name);
	buf_put(out, SPAN(") with "));
	buf_put(out, r->proto);
	buf_put(out, SPAN(" id "));
}

void
received_put_tail(struct buf *out, const struct received *r)
{
	if (r->rcpt.n) {
		buf_put(out, SPAN("\n\tfor <"));
		buf_put(out, r->rcpt);
		buf_put(out, SPAN(">; "));
	} else {
		buf_put(out, SPAN(";\n\t"));
	}
	date_put_header(out, r->time);
	buf_put(out, SPAN("\n"));
}
