// Who waits for whose locks on this store, for people to see, and the stream of waits between stores. Tests:
// node_test.cc.
#include "server/node.h"
#include "server/parts.h"

namespace cairn::server {
namespace {

using store::Store;

template <class Req, class Resp>
runtime::Task<void> tell_waits(const Parts* parts, api::Call<Req, Resp> call, Store::LockWaits which) {
  auto waits = co_await parts->store.lock_waits(which, parts->store.read_pool());
  for (auto& wait : waits) *call.response().add_entries() = std::move(wait);
  call.finish();
}

template <class Req, class Resp>
void answer_waits(const Parts& parts, api::Call<Req, Resp> call, Store::LockWaits which) {
  runtime::spawn(parts.store.read_pool(), tell_waits(&parts, std::move(call), which));
}

}  // namespace

void Node::get_lock_wait_info(api::Call<kvrpcpb::GetLockWaitInfoRequest, kvrpcpb::GetLockWaitInfoResponse> call) {
  if (!admit(*parts_, call, Family::kAdmin)) return;
  answer_waits(*parts_, std::move(call), Store::LockWaits::kNow);
}

void Node::get_lock_wait_history(
    api::Call<kvrpcpb::GetLockWaitHistoryRequest, kvrpcpb::GetLockWaitHistoryResponse> call) {
  if (!admit(*parts_, call, Family::kAdmin)) return;
  answer_waits(*parts_, std::move(call), Store::LockWaits::kEnded);
}

void Node::get_wait_for_entries(api::Call<deadlock::WaitForEntriesRequest, deadlock::WaitForEntriesResponse> call) {
  answer_waits(*parts_, std::move(call), Store::LockWaits::kNow);
}

std::unique_ptr<api::DeadlockStream> Node::open_detect(api::DeadlockSink sink) {
  return parts_->store.open_detect(std::move(sink));
}

}  // namespace cairn::server
