// Keeps a thread from reading files: how reads of the cache alone (ReadTier::kCache) are made.
//
// RocksDB has a read tier of that name, but it does not always say when it would have had to read: a lookup in a file
// that is not open answers with an empty value, and an iterator that comes to the end of one file and cannot enter the
// next goes on without that level (both in 7.8). Here the refusal is noticed where it happens, below RocksDB.
#pragma once

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace cairn::engine::rocks {

// While it lives, its thread opens and reads no file by way of guarded_env(). They do not nest.
class CacheOnly {
 public:
  // Does nothing unless it `applies`.
  explicit CacheOnly(bool applies);
  ~CacheOnly();
  CacheOnly(const CacheOnly&) = delete;
  CacheOnly& operator=(const CacheOnly&) = delete;

  // Whether a file would have had to be read: what came of it is worth nothing then, whatever RocksDB says.
  bool has_refused() const;

 private:
  const bool applies_;
};

// The default one but for that. It is there for as long as the process.
rocksdb::Env* guarded_env();

}  // namespace cairn::engine::rocks
