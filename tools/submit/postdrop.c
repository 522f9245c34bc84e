/*
 * postdrop - puts a message into maildrop/, for anybody on the machine.
 *
 * It is set-gid to reach that folder, so nothing of its caller is trusted: not the
 * environment, descriptors, limits or signals, not the configuration directory he
 * names, and not one byte of what he says, which has to be records of
 * queue/drop.h. The file belongs to the caller: so cleanup knows who he was. It is
 * mail once its mode says that it is whole, and that is durable.
 */
#include "base/help.h"
#include "base/sock.h"
#include "queue/drop.h"
#include "tools/caller.h"
#include "tools/confdir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	BUFFER_MAX = 4 * DROP_RECORD_MAX,
	NAME_BYTES = 10, /* 80 bits, as in incoming/ */
	NAME_LEN = 64,
};

static const char help[] =
    "usage: postdrop [-rv] [-c DIR]\n"
    "Puts a message into maildrop/, where cleanup takes it. What comes on standard\n"
    "input is what sendmail writes; people use sendmail.\n"
    "\n"
    "  -c DIR  the directory of main.cf\n"
    "  -r, -v  are taken and ignored\n"
    "More in postdrop(1).\n";

static char name[NAME_LEN]; /* of our file; "" if there is none */

static _Noreturn void
fail(int status, const char *text, const char *detail)
{
	if (name[0])
		(void)!unlink(name);
	fprintf(stderr, "postdrop: fatal: %s%s\n", text, detail);
	_exit(status); /* what libraries would do at the end is not done */
}

/* What a caller sends us does not stop us half way. */
static void
block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

static const char *
get(const struct conf *c, const char *parameter)
{
	struct why why;
	const char *value = conf_get(c, parameter, &why);

	if (!value)
		fail(EX_CONFIG, why.text, "");
	return value;
}

static void
check_user(const struct conf *c)
{
	struct why why;
	int may = caller_is_in(c, "authorized_submit_users", &why);
	char text[256];

	if (may < 0)
		fail(EX_CONFIG, why.text, "");
	snprintf(text, sizeof(text), "User %s(%ld)", caller_name(),
	    (long)getuid());
	if (!may)
		fail(EX_NOPERM, text, " is not allowed to submit mail");
}

static int
make_file(const char *queue)
{
	unsigned char random[NAME_BYTES];
	int fd;

	if (chdir(queue) < 0)
		fail(EX_TEMPFAIL, "queue_directory: ", strerror(errno));
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		fail(EX_TEMPFAIL, "no random bytes", "");
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(name + 9 + 2 * i, 3, "%02X", random[i]);
	memcpy(name, "maildrop/", 9);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0644);
	if (fd < 0) {
		int error = errno;

		name[0] = '\0';
		fail(error == EACCES ? EX_NOPERM : EX_TEMPFAIL,
		    "no file can be made in maildrop: ", strerror(error));
	}
	return fd;
}

static void
write_all(int fd, struct span s)
{
	while (s.n > 0) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail(EX_TEMPFAIL, "maildrop: ", strerror(errno));
		s.p += n;
		s.n -= (size_t)n;
	}
}

/* Takes all whole records of *in. Returns whether that was the last. */
static bool
check(struct drop_scan *scan, struct span *in, uint64_t *left)
{
	struct drop_record r;

	for (;;)
		switch (drop_take(scan, in, &r)) {
		case DROP_TAKEN:
			if (r.type == DROP_CONTENT && r.text.n > *left)
				fail(EX_UNAVAILABLE, "message file too big",
				    "");
			if (r.type == DROP_CONTENT)
				*left -= r.text.n;
			break;
		case DROP_MORE:
			return false;
		case DROP_OVER:
			return true;
		case DROP_BAD:
			fail(EX_DATAERR, "malformed input", "");
		}
}

/* From standard input to the file, no more than was checked. */
static void
copy(int fd, uint64_t max)
{
	static char bytes[BUFFER_MAX];
	struct drop_scan scan = { 0 };
	size_t have = 0;
	bool over = false;

	for (;;) {
		ssize_t n = read(STDIN_FILENO, bytes + have,
		    sizeof(bytes) - have);
		struct span in;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
		in = (struct span){ bytes, have };
		over = check(&scan, &in, &max);
		write_all(fd, (struct span){ bytes, have - in.n });
		memmove(bytes, in.p, in.n);
		have = in.n;
	}
	if (!over || scan.rcpts == 0)
		fail(EX_DATAERR,
		    over ? "no recipients" : "the message is not complete", "");
}

/* The suite may be down: then it looks when it starts. */
static void
poke(void)
{
	int fd = sock_unix_connect("public/pickup");

	if (fd >= 0)
		close(fd);
}

static uint64_t
size_limit(const struct conf *c)
{
	struct why why;
	int64_t limit;

	if (conf_get_number(c, "message_size_limit", CONF_SIZE, &limit, &why) <
	    0)
		fail(EX_CONFIG, why.text, "");
	return limit > 0 ? (uint64_t)limit : UINT64_MAX;
}

static void
drop_message(const char *dir)
{
	struct why why;
	struct conf *c = confdir_load(dir, &why);
	int fd;

	if (!c)
		fail(EX_CONFIG, why.text, "");
	check_user(c);
	fd = make_file(get(c, "queue_directory"));
	copy(fd, size_limit(c));
	/* The mode says that it is whole; one sync makes that and all durable. */
	if (fchmod(fd, 0744) < 0 || fsync(fd) < 0)
		fail(EX_TEMPFAIL, "maildrop: ", strerror(errno));
	close(fd);
	poke();
	conf_free(c);
}

int
main(int argc, char **argv)
{
	const char *dir = NULL;
	int option;

	caller_reset_fds();
	caller_reset("MAIL_CONFIG");
	block_signals();
	if (argc < 1)
		return EX_USAGE;
	if (help_asked(argc, argv, help))
		_exit(EX_OK);
	while ((option = getopt(argc, argv, "c:rv")) != -1)
		switch (option) {
		case 'c':
			dir = optarg;
			break;
		case 'r': /* as Postfix's sendmail says it */
		case 'v':
			break;
		default:
			fail(EX_USAGE, "usage: postdrop [-c DIR] [-rv]", "");
		}
	if (optind < argc)
		fail(EX_USAGE, "usage: postdrop [-c DIR] [-rv]", "");
	drop_message(dir);
	_exit(EX_OK);
}
