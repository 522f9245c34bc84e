#include "tests/unit/test.h"

#include "service/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum {
	CALLS = SANDBOX_STDIO | SANDBOX_RECVFD,
	ENTERED_NOT = 99,
};

static char dir[] = "/tmp/test-sandbox.XXXXXX";

/* What a try ends with: 0, or an errno. */
typedef int try_fn(void);

static int
result(int got)
{
	if (got < 0)
		return errno;
	if (got > 2)
		close(got);
	return 0;
}

/* In a child with these words; the folder may be written to. */
static int
in_sandbox(enum sandbox_mode mode, unsigned words, try_fn *try)
{
	int status = 0;
	pid_t child = fork();
	struct why why;

	if (child == 0) {
		sandbox_allow(dir, true);
		if (sandbox_enter(mode, words, &why) < 0)
			_exit(ENTERED_NOT);
		_exit(try());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
read_passwd(void)
{
	return result(open("/etc/passwd", O_RDONLY));
}

static int
make_file(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/file", dir);
	return result(open(path, O_RDWR | O_CREAT, 0600));
}

static int
make_unix(void)
{
	return result(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
make_inet(void)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int
run_true(void)
{
	char *const argv[] = { (char[]){ "true" }, NULL };

	execv("/bin/true", argv);
	return errno;
}

static int
make_child(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	return child < 0 ? errno : 0;
}

static void *
nothing(void *arg)
{
	return arg;
}

static int
make_thread(void)
{
	pthread_t t;
	int err = pthread_create(&t, NULL, nothing, NULL);

	return err ? err : pthread_join(t, NULL);
}

static int
open_file(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/file", dir);
	return result(open(path, O_RDWR));
}

static int
read_file(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/file", dir);
	return result(open(path, O_RDONLY));
}

static int
make_new_file(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/new", dir);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return errno;
	close(fd);
	return result(unlink(path));
}

static int
map_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int
make_datagram_pair(void)
{
	int fds[2];

	return result(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds));
}

static int
make_pair(void)
{
	int fds[2];

	return result(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds));
}

static int
be_dumpable(void)
{
	return result(prctl(PR_SET_DUMPABLE, 1));
}

static int
make_udp(void)
{
	return result(socket(AF_INET6, SOCK_DGRAM, 0));
}

static void
files_are_those_that_were_allowed(void **state)
{
	unsigned words = CALLS | SANDBOX_FILES;

	(void)state;
	assert_int_equal(in_sandbox(SANDBOX_ENFORCE, words, make_file), 0);
	assert_int_not_equal(in_sandbox(SANDBOX_ENFORCE, words, read_passwd),
	    0);
}

static void
without_the_word_there_are_no_files(void **state)
{
	(void)state;
	assert_int_not_equal(in_sandbox(SANDBOX_ENFORCE, CALLS, make_file), 0);
	assert_int_not_equal(in_sandbox(SANDBOX_ENFORCE, CALLS, read_passwd),
	    0);
}

static void
threads_can_be_made(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(SANDBOX_ENFORCE, CALLS, make_thread), 0);
}

static void
reporting_refuses_nothing(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(SANDBOX_REPORT, CALLS, read_passwd), 0);
	assert_int_equal(in_sandbox(SANDBOX_REPORT, CALLS, make_inet), 0);
	assert_int_equal(in_sandbox(SANDBOX_OFF, CALLS, run_true), 0);
}

/* These are seccomp's, which is not there under a sanitizer. */
static void
calls_are_those_of_the_words(void **state)
{
	static const struct {
		unsigned words;
		try_fn *try;
		int result;
	} cases[] = {
		{ CALLS, make_unix, EPERM },
		{ CALLS, make_inet, EPERM },
		{ CALLS, run_true, EPERM },
		{ CALLS, make_child, EPERM },
		{ CALLS | SANDBOX_UNIX, make_unix, 0 },
		{ CALLS | SANDBOX_UNIX, make_inet, EPERM },
		{ CALLS | SANDBOX_TCP, make_inet, 0 },
		{ CALLS | SANDBOX_TCP, make_unix, EPERM },
		{ CALLS | SANDBOX_TCP, make_udp, EPERM },
		{ CALLS | SANDBOX_UDP, make_udp, 0 },
		{ CALLS | SANDBOX_UDP, make_inet, EPERM },
		{ CALLS | SANDBOX_FILES, run_true, EPERM },
		{ CALLS | SANDBOX_FILES, make_file, 0 },
		{ CALLS | SANDBOX_FILES, open_file, 0 },
		{ CALLS | SANDBOX_READ, read_file, 0 },
		{ CALLS | SANDBOX_READ, open_file, EPERM },
		{ CALLS | SANDBOX_READ, make_new_file, EPERM },
		{ CALLS | SANDBOX_CREATE, make_new_file, 0 },
		{ CALLS | SANDBOX_CREATE, read_file, EPERM },
		{ CALLS | SANDBOX_CREATE, make_file, EPERM },
		{ CALLS, make_pair, 0 },
		{ CALLS, make_datagram_pair, EPERM },
		{ CALLS, be_dumpable, EPERM },
		{ CALLS, map_code, EPERM },
		{ CALLS | SANDBOX_LOAD, map_code, 0 },
		{ CALLS | SANDBOX_EXEC | SANDBOX_FILES, make_child, 0 },
		{ CALLS | SANDBOX_EXEC | SANDBOX_FILES, run_true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int got = in_sandbox(SANDBOX_ENFORCE, cases[i].words,
		    cases[i].try);

		if (!UNDER_ASAN)
			assert_int_equal(got, cases[i].result);
		else
			assert_int_not_equal(got, ENTERED_NOT);
	}
}

static void
what_is_enforced_is_told(void **state)
{
	char text[200];

	(void)state;
	sandbox_describe(text, sizeof(text));
	assert_non_null(strstr(text, "seccomp"));
	assert_non_null(strstr(text, "Landlock"));
}

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/file", dir);
	unlink(path);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_are_those_that_were_allowed),
		TEST(without_the_word_there_are_no_files),
		TEST(threads_can_be_made),
		TEST(reporting_refuses_nothing),
		TEST(calls_are_those_of_the_words),
		TEST(what_is_enforced_is_told),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
