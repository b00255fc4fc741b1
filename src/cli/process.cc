#include "cli/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "base/log_output.h"
#include "base/metrics.h"
#include "cli/commands.h"

namespace cairn::cli {

namespace {

metrics::Counter& fatal_errors() {
  return metrics::counter("tikv_critical_error_total", "Errors that end the process, and data that cannot be read",
                          {{"type", "fatal"}});
}

// A line for each metric, with its values that are not 0; buckets of histograms are left out.
void log_metrics() {
  LOG_INFO("SIGUSR1 came: the metrics follow");
  std::istringstream lines(metrics::render());
  std::string name;
  std::string values;
  const auto end = [&] {
    if (!values.empty()) LOG_INFO("metric {}:{}", name, values);
    values.clear();
  };
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      end();
      name = line.substr(7, line.find(' ', 7) - 7);
    }
    if (line.starts_with("#") || line.ends_with(" 0") || line.find("_bucket{") != std::string::npos) continue;
    values += " " + line.substr(name.size());
  }
  end();
}

// What neither ends the process nor is part of its end.
void note(int signal) {
  if (signal == SIGUSR1) {
    log_metrics();
  } else if (signal == SIGUSR2) {
    LOG_INFO("SIGUSR2 came: nothing is done about it");
  } else if (const std::string refused = log::reopen(); !refused.empty()) {
    LOG_ERROR("SIGHUP came: {}", refused);
  } else {
    LOG_INFO("SIGHUP came: the log file, if there is one, was opened anew");
  }
}

}  // namespace

EndOfProcess::EndOfProcess() {
  fatal_errors().add(0);
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // What they tell, the call that caused them tells as an error.
  for (const int number : {SIGPIPE, SIGXFSZ}) signal(number, SIG_IGN);
  std::thread([state = state_, signals] {
    int number = 0;
    while (sigwait(&signals, &number) == 0) {
      if (number != SIGINT && number != SIGTERM) {
        note(number);
        continue;
      }
      MutexLock lock(state->mutex);
      if (state->is_over) _exit(128 + number);  // asked twice: at once
      state->is_over = true;
      state->changed.notify_all();
    }
  }).detach();
}

void EndOfProcess::fatal(std::string why) {
  fatal_errors().add();
  MutexLock lock(state_->mutex);
  if (!state_->error) state_->error = std::move(why);
  state_->is_over = true;
  state_->changed.notify_all();
}

void EndOfProcess::wake() {
  MutexLock lock(state_->mutex);
  state_->changed.notify_all();
}

std::optional<std::string> EndOfProcess::error() const {
  MutexLock lock(state_->mutex);
  return state_->error;
}

Parsed<std::unique_ptr<DataDir>> DataDir::open(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return Err("the data directory " + path + " cannot be made: " + error.message());
  const std::string lock = path + "/LOCK";
  const int fd = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return Err(lock + " cannot be opened: " + std::generic_category().message(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return Err("the data directory " + path + " is in use by another process");
  }
  return std::unique_ptr<DataDir>(new DataDir(path, fd));
}

DataDir::~DataDir() { close(fd_); }

void apply_to_log(const log::Options& options) {
  const std::string refused = log::set_level(options.level);
  CHECK(refused.empty(), "{}", refused);
  log::set_limits(options);
}

void log_notes(const config::Settings& settings) {
  for (const auto& note : settings.notes()) LOG_WARN("{}", note);
}

int say(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}

int say_checked(const config::Settings& settings) {
  std::string text;
  for (const auto& note : settings.notes()) text += note + "\n";
  return say(text + "config check successful\n");
}

std::string version_text(const std::string& part, const std::string& behaves_as) {
  return "Cairn " + part + "\nRelease Version:   " + version() + "\nBehaves as:        " + behaves_as;
}

int complain(const std::string& message) {
  log::flush();  // what was logged before stands above it
  std::fprintf(stderr, "error: %s\n", log::escaped(message).c_str());
  return 1;
}

}  // namespace cairn::cli
