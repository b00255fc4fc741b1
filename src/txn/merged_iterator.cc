#include "txn/merged_iterator.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::txn {
namespace {

class MergedIterator final : public engine::Iterator {
 public:
  MergedIterator(std::unique_ptr<engine::Iterator> base, Pairs pairs)
      : base_(std::move(base)), pairs_(std::move(pairs)) {}

  void seek(ByteView target) override {
    is_forward_ = true;
    base_->seek(target);
    at_ = index_of(target);
  }
  void seek_for_prev(ByteView target) override {
    is_forward_ = false;
    base_->seek_for_prev(target);
    at_ = index_of(target);
    if (at_ == pairs_.size() || pairs_[at_].first != target) --at_;
  }
  void seek_to_first() override {
    is_forward_ = true;
    base_->seek_to_first();
    at_ = 0;
  }
  void seek_to_last() override {
    is_forward_ = false;
    base_->seek_to_last();
    at_ = pairs_.size() - 1;
  }
  void next() override {
    CHECK(valid(), "an iterator that is nowhere cannot go on");
    if (!is_forward_) seek(Bytes(key()));
    const Bytes current(key());
    if (base_->valid() && base_->key() == current) base_->next();
    if (has_pair() && pairs_[at_].first == current) ++at_;
  }
  void prev() override {
    CHECK(valid(), "an iterator that is nowhere cannot go back");
    if (is_forward_) seek_for_prev(Bytes(key()));
    const Bytes current(key());
    if (base_->valid() && base_->key() == current) base_->prev();
    if (has_pair() && pairs_[at_].first == current) --at_;
  }
  bool valid() const override { return base_->status().ok() && (base_->valid() || has_pair()); }
  ByteView key() const override { return is_at_base() ? base_->key() : ByteView(pairs_[at_].first); }
  ByteView value() const override { return is_at_base() ? base_->value() : ByteView(pairs_[at_].second); }
  engine::Result<void> status() const override { return base_->status(); }

 private:
  size_t index_of(ByteView target) const {
    const auto found = std::lower_bound(pairs_.begin(), pairs_.end(), target,
                                        [](const auto& pair, ByteView key) { return pair.first < key; });
    return static_cast<size_t>(found - pairs_.begin());
  }
  // One before the first is the largest index, so both ends look the same.
  bool has_pair() const { return at_ < pairs_.size(); }
  bool is_at_base() const {
    if (!base_->valid() || !has_pair()) return base_->valid();
    return is_forward_ ? base_->key() <= pairs_[at_].first : base_->key() >= pairs_[at_].first;
  }

  const std::unique_ptr<engine::Iterator> base_;
  const Pairs pairs_;
  size_t at_ = static_cast<size_t>(-1);
  bool is_forward_ = true;
};

}  // namespace

std::unique_ptr<engine::Iterator> merged_iterator(std::unique_ptr<engine::Iterator> base, Pairs pairs) {
  return std::make_unique<MergedIterator>(std::move(base), std::move(pairs));
}

}  // namespace cairn::txn
