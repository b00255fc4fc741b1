#include "server/errors.h"

#include <chrono>

namespace cairn::server {
namespace {

metapb::Peer to_proto(const engine::PeerDescription& peer) {
  metapb::Peer out;
  out.set_id(peer.id.value);
  out.set_store_id(peer.store.value);
  out.set_role(static_cast<metapb::PeerRole>(peer.role));
  return out;
}

uint64_t in_ms(Duration duration) {
  return static_cast<uint64_t>(std::max<int64_t>(0, duration / std::chrono::milliseconds(1)));
}

// Sets the sub-message; the message is set by the caller.
struct FillRegionError {
  errorpb::Error& out;

  void operator()(const engine::NotLeader& e) const {
    auto& to = *out.mutable_not_leader();
    to.set_region_id(e.region.value);
    if (e.leader) *to.mutable_leader() = to_proto(*e.leader);
  }
  void operator()(const engine::RegionNotFound& e) const {
    out.mutable_region_not_found()->set_region_id(e.region.value);
  }
  void operator()(const engine::KeyNotInRegion& e) const {
    auto& to = *out.mutable_key_not_in_region();
    to.set_key(e.key);
    to.set_region_id(e.region.id.value);
    to.set_start_key(e.region.start_key);
    to.set_end_key(e.region.end_key);
  }
  void operator()(const engine::EpochNotMatch& e) const {
    auto& to = *out.mutable_epoch_not_match();
    for (const auto& region : e.current) *to.add_current_regions() = server::to_proto(region);
  }
  void operator()(const engine::StoreNotMatch& e) const {
    out.mutable_store_not_match()->set_request_store_id(e.asked.value);
    out.mutable_store_not_match()->set_actual_store_id(e.actual.value);
  }
  void operator()(const engine::MismatchPeerId& e) const {
    out.mutable_mismatch_peer_id()->set_request_peer_id(e.asked.value);
    out.mutable_mismatch_peer_id()->set_store_peer_id(e.actual.value);
  }
  void operator()(const engine::ServerIsBusy& e) const {
    out.mutable_server_is_busy()->set_reason(e.reason);
    out.mutable_server_is_busy()->set_backoff_ms(in_ms(e.backoff));
  }
  void operator()(const engine::StaleCommand&) const { out.mutable_stale_command(); }
  void operator()(const engine::RaftEntryTooLarge& e) const {
    out.mutable_raft_entry_too_large()->set_region_id(e.region.value);
    out.mutable_raft_entry_too_large()->set_entry_size(e.bytes);
  }
  void operator()(const engine::MaxTimestampNotSynced&) const { out.mutable_max_timestamp_not_synced(); }
  void operator()(const engine::ReadIndexNotReady& e) const {
    out.mutable_read_index_not_ready()->set_region_id(e.region.value);
    out.mutable_read_index_not_ready()->set_reason(e.reason);
  }
  void operator()(const engine::ProposalInMergingMode& e) const {
    out.mutable_proposal_in_merging_mode()->set_region_id(e.region.value);
  }
  void operator()(const engine::DataIsNotReady& e) const {
    auto& to = *out.mutable_data_is_not_ready();
    to.set_region_id(e.region.value);
    to.set_peer_id(e.peer.value);
    to.set_safe_ts(e.safe_ts.value);
  }
  void operator()(const engine::RegionNotInitialized& e) const {
    out.mutable_region_not_initialized()->set_region_id(e.region.value);
  }
  void operator()(const engine::DiskFull& e) const {
    for (StoreId store : e.stores) out.mutable_disk_full()->add_store_id(store.value);
    out.mutable_disk_full()->set_reason(e.reason);
  }
  void operator()(const engine::UndeterminedResult& e) const {
    out.mutable_undetermined_result()->set_message(e.reason.empty() ? "the outcome is unknown" : e.reason);
  }
  // Only words: the client knows no better than to try elsewhere.
  void operator()(const engine::OtherRegionError&) const {}
};

struct FillKeyError {
  kvrpcpb::KeyError& out;
  const mvcc::KeyError& whole;

  void operator()(const mvcc::KeyIsLocked& e) const { *out.mutable_locked() = server::to_proto(e.lock); }
  void operator()(const mvcc::WriteConflict& e) const {
    auto& to = *out.mutable_conflict();
    to.set_start_ts(e.start_ts.value);
    to.set_conflict_ts(e.conflict_start_ts.value);
    to.set_conflict_commit_ts(e.conflict_commit_ts.value);
    to.set_key(e.key);
    to.set_primary(e.primary);
    to.set_reason(static_cast<kvrpcpb::WriteConflict::Reason>(e.reason));
    out.set_retryable(mvcc::to_string(whole));
  }
  void operator()(const mvcc::AlreadyExist& e) const { out.mutable_already_exist()->set_key(e.key); }
  void operator()(const mvcc::CommitTsExpired& e) const {
    auto& to = *out.mutable_commit_ts_expired();
    to.set_start_ts(e.start_ts.value);
    to.set_attempted_commit_ts(e.attempted_commit_ts.value);
    to.set_key(e.key);
    to.set_min_commit_ts(e.min_commit_ts.value);
  }
  void operator()(const mvcc::TxnNotFound& e) const {
    out.mutable_txn_not_found()->set_start_ts(e.start_ts.value);
    out.mutable_txn_not_found()->set_primary_key(e.primary);
  }
  void operator()(const mvcc::AssertionFailed& e) const {
    auto& to = *out.mutable_assertion_failed();
    to.set_start_ts(e.start_ts.value);
    to.set_key(e.key);
    to.set_assertion(static_cast<kvrpcpb::Assertion>(e.assertion));
    to.set_existing_start_ts(e.existing_start_ts.value);
    to.set_existing_commit_ts(e.existing_commit_ts.value);
  }
  void operator()(const mvcc::PrimaryMismatch& e) const {
    *out.mutable_primary_mismatch()->mutable_lock_info() = server::to_proto(e.lock);
  }
  void operator()(const mvcc::TxnLockNotFound& e) const {
    out.mutable_txn_lock_not_found()->set_key(e.key);
    out.set_retryable(mvcc::to_string(whole));
  }
  void operator()(const mvcc::Committed&) const { out.set_abort(mvcc::to_string(whole)); }
  void operator()(const mvcc::PessimisticLockNotFound&) const { out.set_abort(mvcc::to_string(whole)); }
  void operator()(const mvcc::Deadlock& e) const {
    auto& to = *out.mutable_deadlock();
    to.set_lock_ts(e.lock_ts.value);
    to.set_lock_key(e.lock_key);
    to.set_deadlock_key_hash(e.deadlock_key_hash);
    to.set_deadlock_key(e.deadlock_key);
    for (const auto& edge : e.wait_chain) {
      auto& entry = *to.add_wait_chain();
      entry.set_txn(edge.txn.value);
      entry.set_wait_for_txn(edge.wait_for.value);
      entry.set_key_hash(edge.key_hash);
      entry.set_key(edge.key);
      entry.set_resource_group_tag(edge.resource_group_tag);
    }
  }
  void operator()(const mvcc::Aborted& e) const { out.set_abort(e.text.empty() ? "aborted" : e.text); }
};

}  // namespace

errorpb::Error to_proto(const engine::RegionError& error) {
  errorpb::Error out;
  out.set_message(engine::to_string(error));
  if (out.message().empty()) out.set_message("the region does not serve the request");
  std::visit(FillRegionError{out}, error);
  return out;
}

errorpb::Error to_proto(const engine::Error& error) {
  errorpb::Error out;
  out.set_message("the storage engine failed: " + error.message);
  if (error.kind == engine::Error::Kind::kNoSpace) out.mutable_disk_full()->set_reason(error.message);
  return out;
}

errorpb::Error to_proto(const txn::Failure& failure) {
  return std::visit([](const auto& reason) { return to_proto(reason); }, failure);
}

kvrpcpb::KeyError to_proto(const mvcc::KeyError& error) {
  kvrpcpb::KeyError out;
  std::visit(FillKeyError{out, error}, error);
  return out;
}

kvrpcpb::LockInfo to_proto(const mvcc::LockInfo& lock) {
  kvrpcpb::LockInfo out;
  out.set_primary_lock(lock.primary);
  out.set_lock_version(lock.start_ts.value);
  out.set_key(lock.key);
  out.set_lock_ttl(lock.ttl_ms);
  out.set_txn_size(lock.txn_size);
  out.set_lock_type(static_cast<kvrpcpb::Op>(lock.kind));
  out.set_lock_for_update_ts(lock.for_update_ts.value);
  out.set_use_async_commit(lock.use_async_commit);
  out.set_min_commit_ts(lock.min_commit_ts.value);
  for (const auto& key : lock.secondaries) out.add_secondaries(key);
  out.set_duration_to_last_update_ms(lock.duration_to_last_update_ms);
  for (const auto& shared : lock.shared) *out.add_shared_lock_infos() = to_proto(shared);
  return out;
}

metapb::Region to_proto(const engine::RegionDescription& region) {
  metapb::Region out;
  out.set_id(region.id.value);
  out.set_start_key(region.start_key);
  out.set_end_key(region.end_key);
  out.mutable_region_epoch()->set_conf_ver(region.epoch.conf_ver);
  out.mutable_region_epoch()->set_version(region.epoch.version);
  for (const auto& peer : region.peers) *out.add_peers() = to_proto(peer);
  return out;
}

errorpb::Error deadline_exceeded() {
  // The text by which clients know it.
  errorpb::Error out;
  out.set_message("deadline is exceeded");
  out.mutable_server_is_busy()->set_reason("deadline is exceeded");
  return out;
}

}  // namespace cairn::server
