#include "cli/ending.h"

#include <unistd.h>

#include <memory>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"

namespace cairn::cli {

void Ending::leave_behind(const std::string& part, const std::string& what_is_left) {
  is_clean_ = false;
  LOG_WARN("stopping: {} did not end: {}", part, what_is_left);
}

void Ending::step(const std::string& part, Duration limit, std::function<void()> stop) {
  struct Run {
    Mutex mutex;
    CondVar ended;
    bool has_ended CAIRN_GUARDED_BY(mutex) = false;
  };
  auto run = std::make_shared<Run>();
  std::thread thread([run, stop = std::move(stop)] {
    stop();
    MutexLock lock(run->mutex);
    run->has_ended = true;
    run->ended.notify_all();
  });
  {
    MutexLock lock(run->mutex);
    if (!run->ended.wait_for(run->mutex, limit, [&]() CAIRN_REQUIRES(run->mutex) { return run->has_ended; })) {
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
