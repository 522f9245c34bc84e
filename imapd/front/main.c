/*
 * imapd - the network's side of IMAP: speaks to those who have not logged in, and
 * passes TLS on for those who have.
 *
 * It has keys and certificates in memory, asks authd and the broker over two
 * sockets, and opens no file: who gets hold of it has what its clients send.
 */
#include "imapd/front/serve.h"
#include "service/service.h"

static const struct front_spec front = {
	.program = "imapd",
	.service = "imap",
	.in_max = IMAP_FRONT_IN,
	.out_max = IMAP_FRONT_OUT,
	.goodbye = SPAN_INIT("* BYE Server shutting down.\r\n"),
	.serve = imap_front_serve,
};

static int
warm_up(const struct conf *c, struct why *why)
{
	return front_open(c, &front, why);
}

static void
serve(void *arg)
{
	(void)arg;
	front_serve();
}

int
main(int argc, char **argv)
{
	static const struct service_spec spec = {
		.name = "imapd",
		.summary = "speaks IMAP before the login",
		.user = SERVICE_LOGIN,
		.chroot = true,
		.sandbox = SANDBOX_STDIO | SANDBOX_ACCEPT | SANDBOX_UNIX,
		.warm_up = warm_up,
		.serve = serve,
	};

	return service_main(argc, argv, &spec);
}
