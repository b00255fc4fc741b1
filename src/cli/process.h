// What a process of ours needs of the operating system: its signals, its end by signal or by a fatal error, and its
// data directory.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "base/mutex.h"
#include "config/live.h"
#include "config/log_settings.h"
#include "config/settings.h"

namespace cairn::cli {

using config::Parsed;

// The signals of a process, and the reason to stop: SIGINT or SIGTERM, or a fatal error of a part. A second SIGINT or
// SIGTERM ends it at once. SIGHUP opens the log file anew; SIGUSR1 writes the metrics to the log; SIGUSR2 leaves a line
// there. To be made first of all, as it blocks these signals for all threads that come later. One per process.
class EndOfProcess {
 public:
  EndOfProcess();
  // Something cannot go on; any thread. The first counts.
  void fatal(std::string why);
  // Makes wait_until look again; any thread.
  void wake();
  // Waits until a reason is there or `done()` holds, which is looked at after each wake(). True: there is a reason.
  template <class Done>
  bool wait_until(Done done) {
    MutexLock lock(state_->mutex);
    state_->changed.wait(state_->mutex, [&]() CAIRN_REQUIRES(state_->mutex) { return state_->is_over || done(); });
    return state_->is_over;
  }
  void wait() {
    wait_until([] { return false; });
  }
  // Waits until `done()` holds, looked at after each wake(), but not beyond `limit`, nor once an error is there. True:
  // it holds.
  template <class Done>
  bool wait_for(Duration limit, Done done) {
    MutexLock lock(state_->mutex);
    state_->changed.wait_for(state_->mutex, limit,
                             [&]() CAIRN_REQUIRES(state_->mutex) { return state_->error || done(); });
    return done();
  }
  // Why, if it was an error.
  std::optional<std::string> error() const;

 private:
  struct State {
    Mutex mutex;
    CondVar changed;
    bool is_over CAIRN_GUARDED_BY(mutex) = false;
    std::optional<std::string> error CAIRN_GUARDED_BY(mutex);
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// A data directory that this process alone uses, by a lock on its file LOCK; made if it is not there.
class DataDir {
 public:
  static Parsed<std::unique_ptr<DataDir>> open(const std::string& path);
  ~DataDir();
  DataDir(const DataDir&) = delete;
  DataDir& operator=(const DataDir&) = delete;
  std::string sub(const std::string& name) const { return path_ + "/" + name; }

 private:
  DataDir(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::string path_;
  int fd_;
};

void apply_to_log(const log::Options& options);
// The log goes by what the settings say of it now.
template <class Config>
void follow_log(config::LiveSettings<Config>& live) {
  live.subscribe({"log.level", "log.file.max-size", "log.file.max-days", "log.file.max-backups"},
                 [](const Config& config) { apply_to_log(config.log); });
  live.subscribe({"security.redact-info-log"},
                 [](const Config& config) { log::set_redact(config::redact_of(config.redact_log)); });
}
// What the file and the flags set that is not used: a line in the log for each.
void log_notes(const config::Settings& settings);
// Prints the text; the exit code.
int say(const std::string& text);
// The word of --config-check: that all is well, after what is not used. The exit code.
int say_checked(const config::Settings& settings);
// What -V prints of a process: the part it plays, and whose version it tells others.
std::string version_text(const std::string& part, const std::string& behaves_as);
// Prints "error: ..." and returns the exit code for it.
int complain(const std::string& message);

}  // namespace cairn::cli
