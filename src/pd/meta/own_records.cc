#include "pd/meta/own_records.h"

#include "base/check.h"
#include "base/codec.h"

namespace cairn::pd {

std::optional<Bytes> OwnRecords::value(ByteView key) const {
  auto found = records_.find(key);
  if (found == records_.end()) return std::nullopt;
  return found->second;
}

void OwnRecords::scan_prefix(ByteView prefix, const std::function<void(ByteView, ByteView)>& visit) const {
  for (auto it = records_.lower_bound(prefix); it != records_.end() && it->first.starts_with(prefix); ++it) {
    visit(it->first, it->second);
  }
}

void OwnRecords::put(ByteView key, ByteView value) {
  records_.insert_or_assign(Bytes(key), Bytes(value));
  changed_.insert(Bytes(key));
}

void OwnRecords::del(ByteView key) {
  auto found = records_.find(key);
  if (found == records_.end()) return;
  changed_.insert(found->first);
  records_.erase(found);
}

MetaTxn& MetaTxn::if_absent(ByteView key) {
  guards_.push_back({Bytes(key), std::nullopt});
  return *this;
}

MetaTxn& MetaTxn::if_value(ByteView key, ByteView value) {
  guards_.push_back({Bytes(key), Bytes(value)});
  return *this;
}

MetaTxn& MetaTxn::put(ByteView key, ByteView value) {
  writes_.push_back({Write::Kind::kPut, Bytes(key), Bytes(value)});
  return *this;
}

MetaTxn& MetaTxn::del(ByteView key) {
  writes_.push_back({Write::Kind::kDelete, Bytes(key), {}});
  return *this;
}

MetaTxn& MetaTxn::publish(ByteView etcd_key, ByteView value) {
  writes_.push_back({Write::Kind::kPublish, Bytes(etcd_key), Bytes(value)});
  return *this;
}

MetaTxn& MetaTxn::append(const MetaTxn& other) {
  CHECK(other.guards_.empty(), "{} guards would be lost", other.guards_.size());
  writes_.insert(writes_.end(), other.writes_.begin(), other.writes_.end());
  return *this;
}

void MetaTxn::encode(Bytes& out) const {
  codec::put_var_u64(out, guards_.size());
  for (const auto& guard : guards_) {
    out.push_back(guard.value ? '\1' : '\0');
    codec::put_compact_bytes(out, guard.key);
    codec::put_compact_bytes(out, guard.value.value_or(Bytes()));
  }
  for (const auto& write : writes_) {
    out.push_back(static_cast<char>(write.kind));
    codec::put_compact_bytes(out, write.key);
    codec::put_compact_bytes(out, write.value);
  }
}

std::optional<MetaTxn> MetaTxn::decode(ByteView in) {
  MetaTxn txn;
  uint64_t guards = 0;
  uint8_t kind = 0;
  ByteView key;
  ByteView value;
  auto take = [&] {
    return codec::get_u8(in, kind) && codec::get_compact_bytes(in, key) && codec::get_compact_bytes(in, value);
  };
  if (!codec::get_var_u64(in, guards)) return std::nullopt;
  for (uint64_t i = 0; i < guards; ++i) {
    if (!take() || kind > 1) return std::nullopt;
    kind == 1 ? txn.if_value(key, value) : txn.if_absent(key);
  }
  while (!in.empty()) {
    if (!take() || kind < 1 || kind > 3 || key.empty()) return std::nullopt;
    txn.writes_.push_back({static_cast<Write::Kind>(kind), Bytes(key), Bytes(value)});
  }
  return txn;
}

}  // namespace cairn::pd
