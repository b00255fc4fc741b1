#include "coprocessor/rows/range_reader.h"

#include <fmt/format.h>

#include "coprocessor/rows/table_key.h"

namespace cairn::coprocessor {
namespace {

Bytes encode_bound(ByteView user_key) { return user_key.empty() ? Bytes() : codec::encode_bytes(user_key); }

Failure to_failure(mvcc::Error&& error) {
  if (auto* of_engine = std::get_if<engine::Error>(&error)) return std::move(*of_engine);
  return std::get<mvcc::KeyError>(std::move(error));
}

}  // namespace

Result<void> check_ranges(const std::vector<KeyRange>& ranges) {
  for (size_t i = 0; i < ranges.size(); ++i) {
    const auto& range = ranges[i];
    if (!table_key::table_id(range.start) || !table_key::table_id(range.end)) {
      return fail(
          PlanError{fmt::format("range [{}, {}) is not one of a table", to_hex(range.start), to_hex(range.end))});
    }
    if (range.start >= range.end) {
      return fail(PlanError{fmt::format("range [{}, {}) is empty", to_hex(range.start), to_hex(range.end))});
    }
    if (i > 0 && range.start < ranges[i - 1].end) {
      return fail(PlanError{
          fmt::format("range [{}, {}) is not behind the one before it", to_hex(range.start), to_hex(range.end))});
    }
  }
  return {};
}

RangeReader::RangeReader(const engine::RegionSnapshot& snapshot, const mvcc::ReadOptions& options,
                         const std::vector<KeyRange>& ranges, mvcc::ViewScanner::Direction direction, bool key_only)
    : ranges_(ranges),
      is_backward_(direction == mvcc::ViewScanner::Direction::kBackward),
      scanner_(snapshot, options,
               {encode_bound(ranges.front().start), encode_bound(ranges.back().end), key_only, direction}) {}

bool RangeReader::begin_range() {
  if (begun_ == ranges_.size()) return false;
  const KeyRange& range = ranges_[is_backward_ ? ranges_.size() - 1 - begun_ : begun_];
  scanner_.start(codec::encode_bytes(range.start), codec::encode_bytes(range.end));
  ++begun_;
  counts_.push_back(0);
  is_in_range_ = true;
  return true;
}

Result<bool> RangeReader::next(Pair& pair) {
  while (is_in_range_ || begin_range()) {
    auto has_pair = scanner_.next();
    if (!has_pair.ok()) return Err(to_failure(std::move(has_pair).error()));
    if (*has_pair) {
      pair = {scanner_.user_key(), scanner_.value(), scanner_.commit_ts()};
      ++counts_.back();
      return true;
    }
    is_in_range_ = false;
  }
  return false;
}

KeyRange RangeReader::consumed() const {
  const Bytes at(scanner_.user_key());
  if (is_backward_) return {at, ranges_.back().end};
  return {ranges_.front().start, at + '\0'};
}

}  // namespace cairn::coprocessor
