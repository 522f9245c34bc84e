#include "service/sandbox-parts.h"

#include "service/landlock_abi.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	PATHS_MAX = 32,

	FILE_READ = LL_FS_READ_FILE,
	FILE_WRITE = LL_FS_READ_FILE | LL_FS_WRITE_FILE | LL_FS_TRUNCATE,
	DIR_READ = LL_FS_READ_FILE | LL_FS_READ_DIR,
	DIR_WRITE = DIR_READ | FILE_WRITE | LL_FS_REMOVE_DIR |
	    LL_FS_REMOVE_FILE | LL_FS_MAKE_DIR | LL_FS_MAKE_REG |
	    LL_FS_MAKE_SOCK | LL_FS_MAKE_FIFO | LL_FS_MAKE_SYM | LL_FS_REFER,
	ALL = DIR_WRITE | LL_FS_EXECUTE | LL_FS_MAKE_CHAR | LL_FS_MAKE_BLOCK,
};

/* Paths are opened when they are named: before a chroot. */
static struct {
	int fd;
	bool write;
} paths[PATHS_MAX];

static size_t paths_n;

int
landlock_abi(void)
{
	long abi = syscall(__NR_landlock_create_ruleset, NULL, (size_t)0,
	    (uint32_t)LL_CREATE_VERSION);

	return abi > 0 ? (int)abi : 0;
}

void
sandbox_allow(const char *path, bool write)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	must(paths_n < PATHS_MAX);
	if (fd < 0)
		return; /* what is not there cannot be used */
	paths[paths_n].fd = fd;
	paths[paths_n++].write = write;
}

static void
close_paths(void)
{
	while (paths_n > 0)
		close(paths[--paths_n].fd);
}

static uint64_t
known_rights(int abi)
{
	uint64_t rights = ALL;

	if (abi < 2)
		rights &= ~(uint64_t)LL_FS_REFER;
	if (abi < 3)
		rights &= ~(uint64_t)LL_FS_TRUNCATE;
	return rights;
}

static int
add_path(int ruleset, int fd, bool write, uint64_t known)
{
	struct ll_path rule = { .parent_fd = fd };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		rule.allowed = write ? DIR_WRITE : DIR_READ;
	else
		rule.allowed = write ? FILE_WRITE : FILE_READ;
	rule.allowed &= known;
	if (syscall(__NR_landlock_add_rule, ruleset, LL_RULE_PATH, &rule, 0) <
	    0)
		return -errno;
	return 0;
}

static int
add_paths(int ruleset, uint64_t known)
{
	int err = 0;

	for (size_t i = 0; i < paths_n && !err; i++)
		err = add_path(ruleset, paths[i].fd, paths[i].write, known);
	return err;
}

static int
enter(unsigned words, int abi)
{
	struct ll_ruleset rules = { .fs = known_rights(abi) };
	size_t size = abi < 4 ? offsetof(struct ll_ruleset, net)
			      : sizeof(rules);
	int err;

	if (abi >= 4 && !(words & SANDBOX_INET))
		rules.net = LL_NET_BIND_TCP | LL_NET_CONNECT_TCP;

	int fd = (int)syscall(__NR_landlock_create_ruleset, &rules, size, 0);

	if (fd < 0)
		return -errno;
	err = words & SANDBOX_FILES ? add_paths(fd, rules.fs) : 0;
	if (!err &&
	    (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		syscall(__NR_landlock_restrict_self, fd, 0) < 0))
		err = -errno;
	close(fd);
	return err;
}

int
landlock_enter(unsigned words, struct why *why)
{
	int abi = landlock_abi();
	int err = 0;

	if (abi > 0 && !(words & SANDBOX_EXEC))
		err = enter(words, abi);
	close_paths();
	if (err)
		return why_set(why, -err, NULL, 0, "Landlock: %s",
		    strerror(-err));
	return 0;
}
