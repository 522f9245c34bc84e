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
	DIR_NEW = FILE_WRITE | LL_FS_MAKE_REG | LL_FS_REMOVE_FILE,
	ALL = DIR_WRITE | LL_FS_EXECUTE | LL_FS_MAKE_CHAR | LL_FS_MAKE_BLOCK |
	    LL_FS_IOCTL_DEV,

	HAS_FILES = SANDBOX_CREATE | SANDBOX_READ | SANDBOX_FILES,
	HAS_NET = SANDBOX_TCP | SANDBOX_UDP,
};

/* Paths are opened when they are named: before a chroot. */
static struct {
	int fd;
	uint64_t file; /* what may be done with it if it is a file */
	uint64_t folder;
} paths[PATHS_MAX];

static size_t paths_n;

int
landlock_abi(void)
{
	long abi = syscall(__NR_landlock_create_ruleset, NULL, (size_t)0,
	    (uint32_t)LL_CREATE_VERSION);

	return abi > 0 ? (int)abi : 0;
}

static void
allow(const char *path, uint64_t file, uint64_t folder)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	must(paths_n < PATHS_MAX);
	if (fd < 0)
		return; /* what is not there cannot be used */
	paths[paths_n].fd = fd;
	paths[paths_n].file = file;
	paths[paths_n++].folder = folder;
}

void
sandbox_allow(const char *path, bool write)
{
	if (write)
		allow(path, FILE_WRITE, DIR_WRITE);
	else
		allow(path, FILE_READ, DIR_READ);
}

void
sandbox_allow_new(const char *folder)
{
	allow(folder, 0, DIR_NEW);
}

void
sandbox_allow_list(const char *folder)
{
	allow(folder, 0, LL_FS_READ_DIR);
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
	if (abi < 5)
		rights &= ~(uint64_t)LL_FS_IOCTL_DEV;
	return rights;
}

static int
add_path(int ruleset, size_t i, uint64_t known)
{
	struct ll_path rule = { .parent_fd = paths[i].fd };
	struct stat st;

	if (fstat(paths[i].fd, &st) < 0)
		return -errno;
	rule.allowed = S_ISDIR(st.st_mode) ? paths[i].folder : paths[i].file;
	rule.allowed &= known;
	if (rule.allowed &&
	    syscall(__NR_landlock_add_rule, ruleset, LL_RULE_PATH, &rule, 0) <
		0)
		return -errno;
	return 0;
}

static int
add_paths(int ruleset, uint64_t known)
{
	int err = 0;

	for (size_t i = 0; i < paths_n && !err; i++)
		err = add_path(ruleset, i, known);
	return err;
}

/* A client's own port is any; none that others would know is taken. */
static int
add_any_port(int ruleset)
{
	struct ll_port rule = { .allowed = LL_NET_BIND_TCP, .port = 0 };

	return syscall(__NR_landlock_add_rule, ruleset, LL_RULE_PORT, &rule,
		   0) < 0
	    ? -errno
	    : 0;
}

static size_t
rules_size(int abi)
{
	return abi < 4 ? offsetof(struct ll_ruleset, net)
	    : abi < 6  ? offsetof(struct ll_ruleset, scoped)
		       : sizeof(struct ll_ruleset);
}

static int
enter(unsigned words, int abi)
{
	struct ll_ruleset rules = {
		.fs = known_rights(abi),
		.net = LL_NET_BIND_TCP |
		    (words & HAS_NET ? 0 : LL_NET_CONNECT_TCP),
		.scoped = LL_SCOPE_ABSTRACT | LL_SCOPE_SIGNAL,
	};
	int fd = (int)syscall(__NR_landlock_create_ruleset, &rules,
	    rules_size(abi), 0);
	int err;

	if (fd < 0)
		return -errno;
	err = words & HAS_FILES ? add_paths(fd, rules.fs) : 0;
	if (!err && abi >= 4 && (words & HAS_NET))
		err = add_any_port(fd);
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
