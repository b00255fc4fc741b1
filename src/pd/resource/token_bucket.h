// TokenBucket: what a resource group may use, handed out to the SQL servers that ask for it. Tokens come in at the
// group's rate, up to its burst, and are shared evenly among those who have asked of late: each has a part of its own,
// which nobody else can use up.
//
// Who needs more than its part holds is lent what its part will have by the end of its period, and told to spread it
// over that time. So a client never has more than its part of the rate, the burst and one period's loan.
//
// Pure: time comes in. Owned by ResourceService, on "pd". Tests: token_bucket_test.cc.
#pragma once

#include <cstdint>
#include <map>

#include "base/time.h"

namespace cairn::pd {

class TokenBucket {
 public:
  struct Settings {
    uint64_t fill_rate = 0;   // tokens a second
    int64_t burst_limit = 0;  // below 0: no limit at all; 0: a second's tokens
    friend bool operator==(const Settings&, const Settings&) = default;
  };
  struct Ask {
    uint64_t client = 0;
    double tokens = 0;
    Duration period{};  // until it asks again
  };
  struct Grant {
    double tokens = 0;
    Duration trickle{};  // to be spread over this time; 0: all at once
    friend bool operator==(const Grant&, const Grant&) = default;
  };
  // Who has been silent for longer has no part any more.
  static constexpr Duration kClientMax = std::chrono::seconds(30);
  static constexpr size_t kClientsMax = 4096;

  explicit TokenBucket(Settings settings) : settings_(settings) {}

  void set(Settings settings) { settings_ = settings; }
  const Settings& settings() const { return settings_; }
  size_t clients() const { return parts_.size(); }
  // Whether nobody has asked for long: then it is as good as a new one.
  bool is_silent(Instant now) const;
  Grant ask(const Ask& ask, Instant now);

 private:
  struct Part {
    double tokens = 0;  // below 0: lent
    Instant asked;
  };
  void forget_silent(Instant now);

  Settings settings_;
  std::map<uint64_t, Part> parts_;
  Instant filled_;  // when tokens came in last
};

}  // namespace cairn::pd
