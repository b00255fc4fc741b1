#include "base/redact.h"

#include <atomic>

namespace cairn::log {
namespace {

std::atomic<Redact> mode{Redact::kNo};

}  // namespace

void set_redact(Redact redact) { mode.store(redact, std::memory_order_relaxed); }

std::string user_text(ByteView bytes) {
  switch (mode.load(std::memory_order_relaxed)) {
    case Redact::kNo:
      return to_hex(bytes);
    case Redact::kYes:
      return "?";
    case Redact::kMarker:
      return "‹" + to_hex(bytes) + "›";
  }
  return "?";
}

}  // namespace cairn::log
