// RocksDB's answers in our terms, and the memory of a background error: shared by the two engines of this folder.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "engine/error.h"

namespace rocksdb {
class EventListener;
class Status;
}  // namespace rocksdb

namespace cairn::engine::rocks {

// Precondition: `status` is not ok. `doing` goes in front of the message.
Error to_error(const rocksdb::Status& status, const std::string& doing);
// OK, or the error.
Result<void> to_result(const rocksdb::Status& status, const std::string& doing);

// The first failure of a flush or compaction in the background. RocksDB would try again by itself in some cases; here
// it is final: nobody knows what the disk has kept.
class BackgroundError {
 public:
  explicit BackgroundError(std::function<void(const Error&)> hook) : hook_(std::move(hook)) {}
  // Remembers the error and calls the hook, the first time.
  void set(Error error);
  // OK, or the error.
  Result<void> check() const;

 private:
  mutable Mutex mutex_;
  std::optional<Error> error_ CAIRN_GUARDED_BY(mutex_);
  std::function<void(const Error&)> hook_;
};

// Tells `target` of background errors.
std::shared_ptr<rocksdb::EventListener> make_error_listener(std::shared_ptr<BackgroundError> target);

}  // namespace cairn::engine::rocks
