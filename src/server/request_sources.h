// Requests by what their clients say that they are made for (Context.request_source), as TiKV counts them. Names come
// from clients, so there is a bound to how many are told apart. Any thread. Tests: node_answers_test.cc.
#pragma once

#include <string>

#include "base/time.h"

namespace cairn::server {

inline constexpr size_t kRequestSourcesMax = 128;

// A request is over.
void note_source(const std::string& source, Duration took);

}  // namespace cairn::server
