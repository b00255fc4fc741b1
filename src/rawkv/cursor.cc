#include "rawkv/cursor.h"

#include <utility>

#include "base/codec.h"
#include "base/redact.h"

namespace cairn::rawkv {
namespace {

// So many versions of one key are stepped over one by one; beyond, a seek is cheaper.
constexpr int kNearSteps = 8;

engine::IterOptions iter_options(const Cursor::Options& options, ApiVersion version) {
  engine::IterOptions out;
  out.lower = options.lower;
  out.upper = options.upper;
  out.fill_cache = options.fill_cache;
  out.key_only = options.key_only && version == ApiVersion::kV1;
  return out;
}

}  // namespace

Cursor::Cursor(const engine::RegionSnapshot& snapshot, ApiVersion version, Options options)
    : version_(version),
      options_(std::move(options)),
      it_(snapshot.iterator(options_.cf, iter_options(options_, version))) {}

engine::Result<Cursor::Step> Cursor::next() {
  if (version_ != ApiVersion::kV2) return next_plain();
  return options_.direction == Direction::kForward ? next_forward() : next_backward();
}

engine::Result<Cursor::Step> Cursor::end() const {
  TRY(it_->status());
  return Step::kEnd;
}

engine::Result<Cursor::Step> Cursor::next_plain() {
  const bool forward = options_.direction == Direction::kForward;
  if (!is_started_) {
    is_started_ = true;
    forward ? it_->seek_to_first() : it_->seek_to_last();
  } else {
    forward ? it_->next() : it_->prev();
  }
  if (!it_->valid()) return end();
  user_key_ = it_->key();
  if (version_ == ApiVersion::kV1) {
    if (!options_.key_only) value_ = {it_->value()};
    return Step::kPair;
  }
  TRY_ASSIGN(value_, decode_value(version_, it_->value()));
  return value_.is_live(options_.now_s) ? Step::kPair : Step::kPassed;
}

engine::Result<ByteView> Cursor::encoded_key() const {
  const auto split = codec::split_ts(it_->key());
  if (!split) {
    return Err(
        engine::Error{engine::Error::Kind::kCorruption, "raw key without a timestamp: " + log::user_text(it_->key())});
  }
  return split->encoded_key;
}

// Whether the newest version of a key is a pair to be shown.
engine::Result<Cursor::Step> Cursor::take(ByteView encoded, ByteView stored) {
  TRY_ASSIGN(value_, decode_value(version_, stored));
  if (!value_.is_live(options_.now_s)) return Step::kPassed;
  auto decoded = codec::decode_bytes(encoded);
  if (!decoded) {
    return Err(
        engine::Error{engine::Error::Kind::kCorruption, "raw key that cannot be decoded: " + log::user_text(encoded)});
  }
  decoded_ = std::move(*decoded);
  user_key_ = decoded_;
  return Step::kPair;
}

// Versions of a key stand newest first: the first one counts, the others are passed over on the way to the next key.
engine::Result<Cursor::Step> Cursor::next_forward() {
  if (!is_started_) {
    is_started_ = true;
    it_->seek_to_first();
  }
  for (int steps = 0; !encoded_.empty() && it_->valid(); ++steps) {
    TRY_ASSIGN(const ByteView encoded, encoded_key());
    if (encoded != encoded_) break;
    if (steps < kNearSteps) {
      it_->next();
    } else {
      it_->seek(prefix_end(encoded_));
    }
  }
  if (!it_->valid()) return end();
  TRY_ASSIGN(const ByteView encoded, encoded_key());
  encoded_ = Bytes(encoded);
  return take(encoded_, it_->value());
}

// From behind the oldest version comes first: walk on to the newest, keeping its value, and stop one before it.
engine::Result<Cursor::Step> Cursor::next_backward() {
  if (!is_started_) {
    is_started_ = true;
    it_->seek_to_last();
  }
  if (!it_->valid()) return end();
  TRY_ASSIGN(const ByteView last, encoded_key());
  encoded_ = Bytes(last);
  for (int steps = 0; it_->valid(); ++steps) {
    TRY_ASSIGN(const ByteView encoded, encoded_key());
    if (encoded != encoded_) break;
    if (steps == kNearSteps) it_->seek(encoded_);  // the newest
    stored_ = Bytes(it_->value());
    it_->prev();
  }
  TRY(it_->status());  // a walk that broke off may not have come to the newest
  return take(encoded_, stored_);
}

}  // namespace cairn::rawkv
