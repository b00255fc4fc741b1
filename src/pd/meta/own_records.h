// OwnRecords: PD's own records in the meta store: the cluster, its stores, the bounds of timestamps and ids, the safe
// points. They are a key space of their own: nothing that a client of the etcd API does can read, change or remove
// them. MetaTxn is how PD changes them, atomically and on every member.
//
// On disk they stand under a prefix of the image of their own (meta_store.h). Owned by MetaStore.
// Tests: meta_store_test.cc.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace cairn::pd {

class OwnRecords {
 public:
  std::optional<Bytes> value(ByteView key) const;
  // Calls `visit` for each key that begins with `prefix`, in order.
  void scan_prefix(ByteView prefix, const std::function<void(ByteView key, ByteView value)>& visit) const;
  size_t size() const { return records_.size(); }

  void put(ByteView key, ByteView value);
  void del(ByteView key);
  // The keys put or deleted since the last call.
  std::set<Bytes> take_changed() { return std::exchange(changed_, {}); }

 private:
  std::map<Bytes, Bytes, std::less<>> records_;
  std::set<Bytes> changed_;
};

// A transaction on PD's own records: if all guards hold, all writes happen, else none.
class MetaTxn {
 public:
  // Only if the record does not exist.
  MetaTxn& if_absent(ByteView key);
  // Only if the record has exactly this value.
  MetaTxn& if_value(ByteView key, ByteView value);
  MetaTxn& put(ByteView key, ByteView value);
  MetaTxn& del(ByteView key);
  // Puts a key of the etcd key space: a copy of a record for clients that look there. PD never reads it.
  MetaTxn& publish(ByteView etcd_key, ByteView value);
  // The other's writes after these; it has no guards.
  MetaTxn& append(const MetaTxn& other);

  bool has_writes() const { return !writes_.empty(); }

  struct Guard {
    Bytes key;
    std::optional<Bytes> value;  // nothing: absent
  };
  struct Write {
    enum class Kind : uint8_t { kPut = 1, kDelete = 2, kPublish = 3 };
    Kind kind = Kind::kPut;
    Bytes key;
    Bytes value;
  };
  const std::vector<Guard>& guards() const { return guards_; }
  const std::vector<Write>& writes() const { return writes_; }

  // Appends the form in which it stands in the log: the number of guards and each of them, then the writes.
  void encode(Bytes& out) const;
  // Takes all of `in`; nothing if it is not of the form.
  static std::optional<MetaTxn> decode(ByteView in);

 private:
  std::vector<Guard> guards_;
  std::vector<Write> writes_;
};

}  // namespace cairn::pd
