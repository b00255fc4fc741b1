// What the log shows of users' keys and values (security.redact-info-log). Every line that shows one writes it with
// user_text(). Tests: log_test.cc.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace cairn::log {

enum class Redact : uint8_t {
  kNo,      // in hexadecimal
  kYes,     // as "?"
  kMarker,  // in hexadecimal between ‹ and ›, so that a tool can take it out
};

// From now on, for the whole process. Any thread.
void set_redact(Redact redact);

// A user's key or value, as a line of the log may show it.
std::string user_text(ByteView bytes);

}  // namespace cairn::log
