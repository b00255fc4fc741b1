#include "client/error.h"

#include <fmt/format.h>

#include "base/redact.h"

namespace cairn::client {
namespace {

struct Describe {
  std::string operator()(const GaveUp& e) const { return "gave up: " + e.reason; }
  std::string operator()(const Undetermined& e) const { return "the outcome is unknown: " + e.reason; }
  std::string operator()(const Conflict& e) const {
    return fmt::format("transaction {} conflicts at key {} with transaction {}, committed at {}", e.start_ts,
                       log::user_text(e.key), e.conflict_start_ts, e.conflict_commit_ts);
  }
  std::string operator()(const AlreadyExists& e) const {
    return fmt::format("key {} exists already", log::user_text(e.key));
  }
  std::string operator()(const RolledBack& e) const { return "rolled back by another client: " + e.reason; }
  std::string operator()(const LockWaitTimeout& e) const {
    return fmt::format("key {} stays locked by transaction {}", log::user_text(e.key), e.holder_start_ts);
  }
  std::string operator()(const Deadlock& e) const {
    return fmt::format("deadlock at key {}, locked by transaction {}", log::user_text(e.key), e.holder_start_ts);
  }
  std::string operator()(const Refused& e) const { return "refused: " + e.message; }
};

}  // namespace

std::string to_string(const Error& error) { return std::visit(Describe{}, error); }

}  // namespace cairn::client
