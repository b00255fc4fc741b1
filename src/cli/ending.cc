#include "cli/ending.h"

#include <unistd.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"

namespace cairn::cli {

void Ending::leave_behind(const std::string& part, const std::string& what_is_left) {
  is_clean_ = false;
  LOG_WARN("stopping: {} did not end: {}", part, what_is_left);
}

void Ending::step(const std::string& part, Duration limit, std::function<void()> stop) {
  struct Run {
    std::mutex mutex;
    std::condition_variable ended;
    bool has_ended = false;  // guarded by mutex
  };
  auto run = std::make_shared<Run>();
  std::thread thread([run, stop = std::move(stop)] {
    stop();
    std::lock_guard lock(run->mutex);
    run->has_ended = true;
    run->ended.notify_all();
  });
  {
    std::unique_lock lock(run->mutex);
    if (!run->ended.wait_for(lock, limit, [&] { return run->has_ended; })) {
      leave_behind(part, fmt::format("it takes longer than {:.2f} s", to_seconds(limit)));
      thread.detach();
      return;
    }
  }
  thread.join();
}

int Ending::finish(int code, Duration limit) {
  log::flush();
  if (!is_clean_) _exit(code);
  std::thread([code, limit] {
    std::this_thread::sleep_for(limit);
    LOG_WARN("stopping: the process did not come apart within {:.1f} s", to_seconds(limit));
    log::flush();
    _exit(code);
  }).detach();
  return code;
}

}  // namespace cairn::cli
