// How much memory the answers of one stream of BatchCommands, or of one connection's unary calls, may take: requests
// are small, what they ask for may be large. A request begins only while the answers that wait for the network and
// those that are to be expected fit into a bound. What is expected of a value follows what is seen: up at once and down
// slowly.
//
// Requests for one value and requests for many (scans, batches of keys) have room of their own: what wants one value
// does not wait behind scans. Of many, only a few are under way at once, so that each comes to its end before much is
// gathered for others. Requests whose answers hold no values wait for no others: another's end may depend on theirs, as
// that of a wait for a lock does.
//
// Plain data; who owns it guards it. Tests: answer_room_test.cc.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "tikvpb.pb.h"

namespace cairn::rpc {

class AnswerRoom {
 public:
  static constexpr size_t kBytesMax = size_t{8} << 20;
  static constexpr uint32_t kValuesMax = 1 << 20;
  // Requests for many values under way, and what may be expected of them: more, as most find less than they ask for,
  // and one that waits for its region should not hold up those for others.
  static constexpr size_t kManyMax = 16;
  static constexpr size_t kManyBytesMax = 4 * kBytesMax;

  // Whether a request for so many values may begin.
  bool has_room(uint32_t values) const {
    const Kind& kind = kind_of(values);
    const size_t expected = kind.values * kind.expected;
    if (values <= 1) return waiting_ + expected < kBytesMax;
    return waiting_ < kBytesMax && expected < kManyBytesMax && kind.requests < kManyMax;
  }
  void begin(uint32_t values) {
    Kind& kind = kind_of(values);
    ++kind.requests;
    kind.values += values;
  }
  // Its answer waits for the network.
  void end(uint32_t values, size_t bytes) {
    abandon(values);
    Kind& kind = kind_of(values);
    if (values > 0) kind.expected = std::max({bytes / values, kind.expected - kind.expected / kSteps, kind.least});
    waiting_ += bytes;
  }
  // It has no answer.
  void abandon(uint32_t values) {
    Kind& kind = kind_of(values);
    CHECK(kind.requests > 0 && kind.values >= values, "{} values end of {} under way", values, kind.values);
    --kind.requests;
    kind.values -= values;
  }
  // Of those that waited, so many bytes have gone.
  void on_sent(size_t bytes) {
    CHECK(waiting_ >= bytes, "{} bytes are sent of {}", bytes, waiting_);
    waiting_ -= bytes;
  }

 private:
  // Answers after which an expectation has fallen to about a third, if they are small.
  static constexpr size_t kSteps = 32;

  struct Kind {
    size_t least;         // is always expected of a value
    size_t expected;      // at first: before any was seen
    size_t requests = 0;  // under way
    size_t values = 0;    // that those ask for
  };
  // By how many values they ask for: none, one, many.
  Kind& kind_of(uint32_t values) { return kinds_[std::min<uint32_t>(values, 2)]; }
  const Kind& kind_of(uint32_t values) const { return kinds_[std::min<uint32_t>(values, 2)]; }

  // A scan may find less than it asks for, and the next one more.
  std::array<Kind, 3> kinds_{Kind{.least = 0, .expected = 0}, Kind{.least = 0, .expected = size_t{16} << 10},
                             Kind{.least = 256, .expected = size_t{1} << 10}};
  size_t waiting_ = 0;
};

// How many values a request asks for at most, up to AnswerRoom::kValuesMax; 0: it writes, or answers with a few words.
template <class Request>
uint32_t values_asked(const Request& request) {
  constexpr auto clamped = [](uint64_t values) {
    return static_cast<uint32_t>(std::clamp<uint64_t>(values, 1, AnswerRoom::kValuesMax));
  };
  if constexpr (std::same_as<Request, kvrpcpb::GetRequest> || std::same_as<Request, kvrpcpb::RawGetRequest>) {
    return 1;
  } else if constexpr (std::same_as<Request, kvrpcpb::ScanRequest> || std::same_as<Request, kvrpcpb::RawScanRequest>) {
    return clamped(request.limit());
  } else if constexpr (std::same_as<Request, kvrpcpb::ScanLockRequest>) {
    return request.limit() == 0 ? AnswerRoom::kValuesMax : clamped(request.limit());  // 0: as many as there are
  } else if constexpr (std::same_as<Request, kvrpcpb::RawBatchScanRequest>) {
    return clamped(uint64_t{request.each_limit()} * static_cast<uint64_t>(request.ranges_size()));
  } else if constexpr (std::same_as<Request, kvrpcpb::BatchGetRequest> ||
                       std::same_as<Request, kvrpcpb::RawBatchGetRequest> ||
                       std::same_as<Request, kvrpcpb::BufferBatchGetRequest>) {
    return clamped(static_cast<uint64_t>(request.keys_size()));
  } else if constexpr (std::same_as<Request, coprocessor::Request> ||
                       std::same_as<Request, kvrpcpb::MvccGetByKeyRequest> ||
                       std::same_as<Request, kvrpcpb::MvccGetByStartTsRequest>) {
    return 1024;  // as the rows of a page of the coprocessor; how many they are nobody says before
  } else {
    return 0;
  }
}
// Of the command within.
uint32_t values_asked(const tikvpb::BatchCommandsRequest::Request& request);

}  // namespace cairn::rpc
