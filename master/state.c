#include "master/state.h"

#include "base/scan.h"
#include "base/sock.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	ANSWER_TIME = 5000,
};

static const char *const folders[STATE_FOLDERS] = { "incoming", "deferred",
	"hold", "corrupt", "maildrop" };

const char *
state_folder(size_t i)
{
	must(i < STATE_FOLDERS);
	return folders[i];
}

/* Returns whether the answer has come to its end. */
static bool
read_answers(int fd, state_fn *fn, void *arg)
{
	static char packet[MSG_MAX];
	int fds[SOCK_FDS_MAX];
	struct msg_in in;
	ssize_t len;
	size_t n;

	while (sock_wait_input(fd, ANSWER_TIME)) {
		len = sock_recv(fd, packet, sizeof(packet), fds, &n);
		while (len > 0 && n > 0)
			close(fds[--n]);
		if (len == -EAGAIN)
			continue;
		if (len <= 0 ||
		    !msg_read((struct span){ packet, (size_t)len }, &in))
			return false;
		if (in.type == MSG_LAST)
			return true;
		fn(&in, arg);
	}
	return false;
}

int
state_ask(struct buf *request, state_fn *fn, void *arg, struct why *why)
{
	bool ok;
	int fd;

	if (!msg_end(request, 0))
		return why_set(why, EMSGSIZE, NULL, 0,
		    "the request is too long");
	fd = sock_unix_connect("private/master");
	if (fd < 0)
		return why_set(why, -fd, NULL, 0, "%s", strerror(-fd));
	ok = sock_send(fd, buf_span(request), NULL, 0) == 0 &&
	    read_answers(fd, fn, arg);
	close(fd);
	return ok ? 0
		  : why_set(why, ETIMEDOUT, NULL, 0, "master does not answer");
}

static void
set_counter(struct state_service *s, struct span name, uint64_t value)
{
	for (enum counter c = 0; c < COUNTERS_N; c++)
		if (span_eq(span_str(counter_name(c)), name))
			s->counters[c] = value;
}

static void
copy(char *to, size_t max, struct span s)
{
	snprintf(to, max, "%.*s", (int)s.n, s.p ? s.p : "");
}

void
state_add(struct state *s, const struct msg_in *in)
{
	struct span words, word;
	struct state_service *one;

	if (in->type != MSG_SERVICE_STATUS || s->n == STATE_SERVICES_MAX)
		return;
	one = &s->services[s->n++];
	*one = (struct state_service){
		.workers = msg_u64(in, MSG_FIELD_WORKERS),
		.sessions = msg_u64(in, MSG_FIELD_SESSIONS),
	};
	copy(one->name, sizeof(one->name), msg_str(in, MSG_FIELD_SERVICE));
	copy(one->type, sizeof(one->type), msg_str(in, MSG_FIELD_TYPE));
	words = msg_str(in, MSG_FIELD_COUNTERS);
	for (; take_word(&words, &word); take_blanks(&words)) {
		struct span name = span_cut(&word, '=');
		uint64_t value;

		if (take_number(&word, UINT64_MAX / 2, &value))
			set_counter(one, name, value);
	}
}

static void
add_answer(const struct msg_in *in, void *arg)
{
	state_add(arg, in);
}

/* What is in a folder, without a look at the files. */
static uint64_t
count_files(const char *folder)
{
	DIR *dir = opendir(folder);
	uint64_t n = 0;

	if (!dir)
		return 0;
	for (const struct dirent *e; (e = readdir(dir));)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

int
state_read(struct state *s, struct why *why)
{
	char packet[MSG_HEAD];
	struct buf b;
	int err;

	s->n = 0;
	buf_init(&b, packet, sizeof(packet));
	msg_begin(&b, MSG_STATUS_ALL, 0);
	err = state_ask(&b, add_answer, s, why);
	for (size_t i = 0; i < STATE_FOLDERS && !err; i++)
		s->folders[i] = count_files(folders[i]);
	return err;
}

uint64_t
state_sum(const struct state *s, enum counter c)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->services[i].counters[c];
	return n;
}
