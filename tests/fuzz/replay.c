/*
 * Gives a fuzz target a main() where there is no libFuzzer: runs it on each
 * file of the folders named, so that the corpus is part of every test run.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned inputs;

static void
replay(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	size_t n = fread(data, 1, sizeof(data), f);
	fclose(f);

	/* An exact copy, so that a sanitizer knows where it ends. */
	uint8_t *exact = malloc(n ? n : 1);
	if (!exact)
		exit(EXIT_FAILURE);
	if (n)
		memcpy(exact, data, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	inputs++;
}

static void
replay_all(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	char path[1024];

	if (!dir) {
		perror(folder);
		exit(EXIT_FAILURE);
	}
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		replay(path);
	}
	closedir(dir);
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay_all(argv[i]);
	printf("%u inputs\n", inputs);
	return inputs ? EXIT_SUCCESS : EXIT_FAILURE;
}
