#include "mvcc/gc_filter.h"

#include <utility>

#include "base/check.h"
#include "base/codec.h"

namespace cairn::mvcc {

GcFilter::GcFilter(Timestamp safe_point, std::shared_ptr<GcSink> sink) : rule_(safe_point), sink_(std::move(sink)) {
  CHECK(safe_point.is_set(), "a store that knows no safe point drops nothing");
}

GcFilter::~GcFilter() { sink_->on_pass(pass_); }

GcFilter::Verdict GcFilter::judge(ByteView key, ByteView value) {
  ++pass_.seen;
  const auto parts = codec::split_ts(key);
  if (!parts) {
    ++pass_.unreadable;
    return Verdict::kKeep;
  }
  if (parts->ts > rule_.safe_point()) return Verdict::kKeep;
  if (parts->encoded_key != ByteView(key_)) {
    key_ = parts->encoded_key;
    is_named_ = false;
    rule_.begin_key();
  }
  const auto write = Write::decode(value);
  if (!write.ok()) {  // raw data in this column family, perhaps
    ++pass_.unreadable;
    return Verdict::kKeep;
  }
  switch (rule_.judge(parts->ts, *write)) {
    case GcRule::Fate::kStays:
      return Verdict::kKeep;
    case GcRule::Fate::kGoesLast:
      return leave(parts->encoded_key);
    case GcRule::Fate::kGoes:
      break;
  }
  if (write->kind == WriteKind::kPut && !write->short_value) return leave(parts->encoded_key);
  ++pass_.dropped;
  if (!write->changes_value()) ++pass_.rollbacks;
  return Verdict::kDrop;
}

GcFilter::Verdict GcFilter::leave(ByteView key) {
  if (!is_named_) {
    is_named_ = true;
    ++pass_.leftovers;
    sink_->on_leftover(key);
  }
  return Verdict::kKeep;
}

}  // namespace cairn::mvcc
