#include "engine/rocks/rocks_status.h"

#include <rocksdb/listener.h>
#include <rocksdb/status.h>

#include "base/check.h"
#include "base/log.h"

namespace cairn::engine::rocks {

Error to_error(const rocksdb::Status& status, const std::string& doing) {
  CHECK(!status.ok(), "an error made of success: {}", doing);
  std::string message = doing + ": " + status.ToString();
  if (status.IsNoSpace()) return {Error::Kind::kNoSpace, std::move(message)};
  if (status.IsCorruption()) return {Error::Kind::kCorruption, std::move(message)};
  if (status.IsIOError() && message.find("/LOCK") != std::string::npos) {
    return {Error::Kind::kLocked, doing + ": another process has the directory open (" + status.ToString() + ")"};
  }
  if (status.IsInvalidArgument() || status.IsNotSupported()) return {Error::Kind::kInvalid, std::move(message)};
  return {Error::Kind::kIo, std::move(message)};
}

Result<void> to_result(const rocksdb::Status& status, const std::string& doing) {
  if (status.ok()) return {};
  return Err(to_error(status, doing));
}

void BackgroundError::set(Error error) {
  {
    MutexLock lock(mutex_);
    if (error_) return;
    error_ = error;
  }
  LOG_ERROR("the engine failed in the background, no write is taken any more: {}", error.message);
  if (hook_) hook_(error);
}

Result<void> BackgroundError::check() const {
  MutexLock lock(mutex_);
  if (error_) return Err(*error_);
  return {};
}

namespace {

class ErrorListener final : public rocksdb::EventListener {
 public:
  explicit ErrorListener(std::shared_ptr<BackgroundError> target) : target_(std::move(target)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* status) override {
    if (status->ok()) return;
    // A compaction that found no room has changed nothing; it is tried again a second later.
    if (reason == rocksdb::BackgroundErrorReason::kCompaction && status->IsNoSpace()) {
      LOG_WARN("a compaction found no room: {}", status->ToString());
      *status = rocksdb::Status::OK();
      return;
    }
    target_->set(to_error(*status, "background work of the engine"));
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status, bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  std::shared_ptr<BackgroundError> target_;
};

}  // namespace

std::shared_ptr<rocksdb::EventListener> make_error_listener(std::shared_ptr<BackgroundError> target) {
  return std::make_shared<ErrorListener>(std::move(target));
}

}  // namespace cairn::engine::rocks
