#include "sim/expiry_workload.h"

#include <fmt/format.h>

#include "runtime/async.h"

namespace cairn::sim {

namespace {

// The calendar's whole second.
int64_t second_of(Duration time) {
  const int64_t ns = time.count();
  constexpr int64_t kSecond = 1'000'000'000;
  return ns >= 0 ? ns / kSecond : -((-ns + kSecond - 1) / kSecond);
}

}  // namespace

runtime::Task<void> ExpiryWorkload::run(client::Client* client, runtime::Executor* executor, uint64_t seed) {
  runtime::Random dice(seed);
  while (!is_stopping_) {
    const Duration called = loop_.now();
    if (keys_.empty() || dice.chance(0.2)) {
      Key key{.name = options_.prefix + std::to_string(next_key_++),
              .ttl_s = dice.between(1, options_.ttl_max_s),
              .called = called,
              .returned = {}};
      const auto written = co_await client->raw_put(key.name, "v", key.ttl_s);
      key.returned = loop_.now();
      if (written.ok()) keys_.push_back(std::move(key));
    } else {
      // Mostly one of the newest: the others are gone for long.
      const size_t newest = std::min<size_t>(keys_.size(), dice.chance(0.8) ? 20 : keys_.size());
      Look look{.key = keys_.size() - 1 - dice.below(newest), .is_there = false, .called = called, .returned = {}};
      const auto seen = co_await client->raw_get(keys_[look.key].name);
      look.returned = loop_.now();
      if (seen.ok()) {
        look.is_there = seen->has_value();
        looks_.push_back(look);
      }
    }
    co_await runtime::sleep(*executor, dice.between(1ms, options_.pause_max));
  }
}

void ExpiryWorkload::check() const {
  for (const Look& look : looks_) {
    const Key& key = keys_[look.key];
    const auto ttl_s = static_cast<int64_t>(key.ttl_s);
    // All calendars begin at a whole second.
    const int64_t ends_first = second_of(key.called + ahead_min_) + ttl_s;
    const int64_t ends_last = second_of(key.returned + ahead_max_) + ttl_s;
    const bool must_be_there = second_of(look.returned + ahead_max_) < ends_first;
    const bool must_be_gone = second_of(look.called + ahead_min_) > ends_last;
    if ((look.is_there || !must_be_there) && (!look.is_there || !must_be_gone)) continue;
    fail_(
        fmt::format("expiry: {}, written at {:.3f} s for {} s, is {} at {:.3f} s; calendars were ahead by {:.3f} to "
                    "{:.3f} s",
                    key.name, to_seconds(key.called), key.ttl_s, look.is_there ? "still there" : "gone",
                    to_seconds(look.called), to_seconds(ahead_min_), to_seconds(ahead_max_)));
  }
}

}  // namespace cairn::sim
