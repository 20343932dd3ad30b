// The first process of a pod sandbox, and of the embedded node: it holds the namespaces and buries the orphans that are
// left to it. As first process it gets no signal that it does not handle, so it handles those that ask it to end.
//
//   pause              until a signal asks it to end
//   pause NAME hold    ends with its standard input too, unless something is written there first: so a node ends with
//                      the process that is setting it up, until that says that the node is to stay
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal) {
  (void)signal;
  _exit(0);
}

static void bury(int signal) {
  (void)signal;
  while (waitpid(-1, 0, WNOHANG) > 0) {
  }
}

int main(int argc, char **argv) {
  (void)argv;
  struct sigaction ending = {.sa_handler = end};
  struct sigaction burial = {.sa_handler = bury, .sa_flags = SA_NOCLDSTOP | SA_RESTART};
  if (sigaction(SIGTERM, &ending, 0) || sigaction(SIGINT, &ending, 0) || sigaction(SIGCHLD, &burial, 0)) return 1;
  char word;
  if (argc == 3 && read(0, &word, 1) != 1) return 0;
  for (;;) pause();
}
