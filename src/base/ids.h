// Strong types for ids and counters: a RegionId cannot be passed for a StoreId. Each is a uint64_t at run time, 0 means
// "none" as on the wire, and `.value` is the way out to protobuf and to arithmetic that has a reason.
#pragma once

#include <fmt/format.h>

#include <compare>
#include <cstdint>
#include <functional>

namespace cairn {

template <class Tag>
struct StrongId {
  uint64_t value = 0;

  constexpr StrongId() = default;
  constexpr explicit StrongId(uint64_t v) : value(v) {}

  constexpr bool is_set() const { return value != 0; }
  constexpr StrongId next() const { return StrongId(value + 1); }
  constexpr StrongId prev() const { return StrongId(value - 1); }
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
  friend constexpr StrongId operator+(StrongId a, uint64_t n) { return StrongId(a.value + n); }
  friend constexpr StrongId operator-(StrongId a, uint64_t n) { return StrongId(a.value - n); }
  friend constexpr uint64_t operator-(StrongId a, StrongId b) { return a.value - b.value; }

  template <class H>
  friend H AbslHashValue(H h, StrongId id) {
    return H::combine(std::move(h), id.value);
  }
};

using ClusterId = StrongId<struct ClusterIdTag>;
using StoreId = StrongId<struct StoreIdTag>;
using RegionId = StrongId<struct RegionIdTag>;
using PeerId = StrongId<struct PeerIdTag>;      // a replica of one region; also its Raft id
using Term = StrongId<struct TermTag>;          // Raft term
using LogIndex = StrongId<struct LogIndexTag>;  // Raft log index

// A TSO timestamp: physical milliseconds << 18 | logical. 0 and the maximum are special to the protocol: "none" and
// "read the newest, whatever its commit timestamp".
struct Timestamp : StrongId<struct TimestampTag> {
  using StrongId::StrongId;
  constexpr Timestamp() = default;
  constexpr Timestamp(StrongId<struct TimestampTag> id) : StrongId(id) {}  // NOLINT(google-explicit-constructor)

  static constexpr int kLogicalBits = 18;
  static constexpr Timestamp max() { return Timestamp(UINT64_MAX); }
  static constexpr Timestamp compose(uint64_t physical_ms, uint64_t logical) {
    return Timestamp(physical_ms << kLogicalBits | logical);
  }
  constexpr uint64_t physical_ms() const { return value >> kLogicalBits; }
  constexpr uint64_t logical() const { return value & ((uint64_t{1} << kLogicalBits) - 1); }
  constexpr bool is_max() const { return value == UINT64_MAX; }
};

}  // namespace cairn

template <class Tag>
struct std::hash<cairn::StrongId<Tag>> {
  size_t operator()(cairn::StrongId<Tag> id) const noexcept { return std::hash<uint64_t>()(id.value); }
};
template <>
struct std::hash<cairn::Timestamp> {
  size_t operator()(cairn::Timestamp ts) const noexcept { return std::hash<uint64_t>()(ts.value); }
};
template <class Tag>
struct fmt::formatter<cairn::StrongId<Tag>> : fmt::formatter<uint64_t> {
  template <class Ctx>
  auto format(cairn::StrongId<Tag> id, Ctx& ctx) const {
    return fmt::formatter<uint64_t>::format(id.value, ctx);
  }
};
template <>
struct fmt::formatter<cairn::Timestamp> : fmt::formatter<uint64_t> {
  template <class Ctx>
  auto format(cairn::Timestamp ts, Ctx& ctx) const {
    return fmt::formatter<uint64_t>::format(ts.value, ctx);
  }
};
