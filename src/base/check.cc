#include "base/check.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "base/log_output.h"

namespace cairn {
namespace {
std::atomic<void (*)()> hook{nullptr};
}  // namespace

void set_check_hook(void (*new_hook)()) { hook = new_hook; }

void check_failed(const char* condition, const char* file, int line, const std::string& message) {
  std::fprintf(stderr, "CHECK failed: %s at %s:%d: %s\n", condition, file, line, log::escaped(message).c_str());
  LOG_ERROR("CHECK failed: {} at {}:{}: {}", condition, file, line, message);
  log::flush();
  if (auto* run = hook.exchange(nullptr)) run();
  std::abort();
}

}  // namespace cairn
