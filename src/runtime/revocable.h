// A reference that its owner can take back. Whoever may outlive the owner (a stream of the network, the files of a
// snapshot under way) holds a share of this in the place of a pointer.
//
//   auto handle = std::make_shared<Revocable<Store>>(store);   the owner
//   handle->use([&](Store& store) { ... });                     anybody: false, and nothing happens, once it is taken
//   back handle->revoke();                                           the owner, before it dies
//
// Thread-safe; uses do not exclude one another. Tests: async_test.cc.
#pragma once

#include "base/mutex.h"

namespace cairn::runtime {

template <class T>
class Revocable {
 public:
  explicit Revocable(T& target) : target_(&target) {}
  Revocable(const Revocable&) = delete;
  Revocable& operator=(const Revocable&) = delete;

  // Runs `job` with the target unless it was taken back; whether it ran. `job` is short, and neither uses nor revokes
  // this handle itself.
  template <class Job>
  bool use(Job&& job) {
    ReaderLock lock(mutex_);
    if (target_ == nullptr) return false;
    job(*target_);
    return true;
  }
  // Waits for the uses under way; there are none afterwards.
  void revoke() {
    WriterLock lock(mutex_);
    target_ = nullptr;
  }

 private:
  SharedMutex mutex_;
  T* target_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::runtime
