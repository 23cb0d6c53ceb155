/* What the sanitizers in init are told: it has no environment. A report ends it with a status that no test expects; the
 * text goes to a file, for init's standard error may be closed or the payload's (seen as long as the root is the
 * host's). */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0:exitcode=86:log_path=" ISO_REPORTS;
}

const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1:exitcode=86:log_path=" ISO_REPORTS;
}
