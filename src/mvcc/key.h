// A key of transactional data in both its forms: as clients send it and as it stands in the engine.
#pragma once

#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/codec.h"

namespace cairn::mvcc {

struct Key {
  Bytes user;
  Bytes encoded;  // Invariant: enc(user)

  static Key from_user(Bytes user_key) {
    Bytes encoded = codec::encode_bytes(user_key);
    return {std::move(user_key), std::move(encoded)};
  }
  friend bool operator==(const Key& a, const Key& b) { return a.user == b.user; }
};

}  // namespace cairn::mvcc
