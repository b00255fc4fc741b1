// The service `tikvpb.Tikv` as a C++ interface: a storage node implements it (server/), rpc/ serves it to the network
// and offers clients the same interface over a channel, the simulator connects both ends directly. A method that an
// implementation leaves out answers UNIMPLEMENTED.
//
// CAIRN_TIKV_UNARY lists the unary methods that exist today: X(RpcName, method, Request, Response). Those of
// CAIRN_TIKV_BATCHED also travel inside BatchCommands: X(RpcName, method, Request, Response, `oneof_field`).
// Store-to-store streams (Raft, BatchRaft, Snapshot) are store::Transport's, not part of this.
#pragma once

#include <optional>

#include "api/call.h"
#include "coprocessor.pb.h"
#include "kvrpcpb.pb.h"

// clang-format off
#define CAIRN_TIKV_BATCHED(X)                                                                                   \
  X(KvGet, kv_get, kvrpcpb::GetRequest, kvrpcpb::GetResponse, get)                                              \
  X(KvScan, kv_scan, kvrpcpb::ScanRequest, kvrpcpb::ScanResponse, scan)                                         \
  X(KvPrewrite, kv_prewrite, kvrpcpb::PrewriteRequest, kvrpcpb::PrewriteResponse, prewrite)                     \
  X(KvCommit, kv_commit, kvrpcpb::CommitRequest, kvrpcpb::CommitResponse, commit)                               \
  X(KvCleanup, kv_cleanup, kvrpcpb::CleanupRequest, kvrpcpb::CleanupResponse, cleanup)                          \
  X(KvBatchGet, kv_batch_get, kvrpcpb::BatchGetRequest, kvrpcpb::BatchGetResponse, batchget)                   \
  X(KvBatchRollback, kv_batch_rollback, kvrpcpb::BatchRollbackRequest, kvrpcpb::BatchRollbackResponse, batchrollback) \
  X(KvScanLock, kv_scan_lock, kvrpcpb::ScanLockRequest, kvrpcpb::ScanLockResponse, scanlock)                   \
  X(KvResolveLock, kv_resolve_lock, kvrpcpb::ResolveLockRequest, kvrpcpb::ResolveLockResponse, resolvelock)    \
  X(KvDeleteRange, kv_delete_range, kvrpcpb::DeleteRangeRequest, kvrpcpb::DeleteRangeResponse, deleterange)    \
  X(KvCheckTxnStatus, kv_check_txn_status, kvrpcpb::CheckTxnStatusRequest, kvrpcpb::CheckTxnStatusResponse, checktxnstatus) \
  X(KvTxnHeartBeat, kv_txn_heart_beat, kvrpcpb::TxnHeartBeatRequest, kvrpcpb::TxnHeartBeatResponse, txnheartbeat) \
  X(KvPessimisticLock, kv_pessimistic_lock, kvrpcpb::PessimisticLockRequest, kvrpcpb::PessimisticLockResponse, pessimisticlock) \
  X(KVPessimisticRollback, kv_pessimistic_rollback, kvrpcpb::PessimisticRollbackRequest, kvrpcpb::PessimisticRollbackResponse, pessimisticrollback) \
  X(KvCheckSecondaryLocks, kv_check_secondary_locks, kvrpcpb::CheckSecondaryLocksRequest, kvrpcpb::CheckSecondaryLocksResponse, checksecondarylocks) \
  X(KvFlush, kv_flush, kvrpcpb::FlushRequest, kvrpcpb::FlushResponse, flush)                                   \
  X(KvBufferBatchGet, kv_buffer_batch_get, kvrpcpb::BufferBatchGetRequest, kvrpcpb::BufferBatchGetResponse, bufferbatchget) \
  X(BroadcastTxnStatus, broadcast_txn_status, kvrpcpb::BroadcastTxnStatusRequest, kvrpcpb::BroadcastTxnStatusResponse, broadcasttxnstatus) \
  X(RawGet, raw_get, kvrpcpb::RawGetRequest, kvrpcpb::RawGetResponse, rawget)                                  \
  X(RawBatchGet, raw_batch_get, kvrpcpb::RawBatchGetRequest, kvrpcpb::RawBatchGetResponse, rawbatchget)       \
  X(RawPut, raw_put, kvrpcpb::RawPutRequest, kvrpcpb::RawPutResponse, rawput)                                  \
  X(RawBatchPut, raw_batch_put, kvrpcpb::RawBatchPutRequest, kvrpcpb::RawBatchPutResponse, rawbatchput)       \
  X(RawDelete, raw_delete, kvrpcpb::RawDeleteRequest, kvrpcpb::RawDeleteResponse, rawdelete)                   \
  X(RawBatchDelete, raw_batch_delete, kvrpcpb::RawBatchDeleteRequest, kvrpcpb::RawBatchDeleteResponse, rawbatchdelete) \
  X(RawScan, raw_scan, kvrpcpb::RawScanRequest, kvrpcpb::RawScanResponse, rawscan)                             \
  X(RawDeleteRange, raw_delete_range, kvrpcpb::RawDeleteRangeRequest, kvrpcpb::RawDeleteRangeResponse, rawdeleterange) \
  X(Coprocessor, coprocessor, ::coprocessor::Request, ::coprocessor::Response, coprocessor)                    \
  X(GetHealthFeedback, get_health_feedback, kvrpcpb::GetHealthFeedbackRequest, kvrpcpb::GetHealthFeedbackResponse, gethealthfeedback)

#define CAIRN_TIKV_UNARY_ONLY(X)                                                                                \
  X(RawBatchScan, raw_batch_scan, kvrpcpb::RawBatchScanRequest, kvrpcpb::RawBatchScanResponse)                  \
  X(RawGetKeyTTL, raw_get_key_ttl, kvrpcpb::RawGetKeyTTLRequest, kvrpcpb::RawGetKeyTTLResponse)                 \
  X(RawCompareAndSwap, raw_compare_and_swap, kvrpcpb::RawCASRequest, kvrpcpb::RawCASResponse)                   \
  X(RawChecksum, raw_checksum, kvrpcpb::RawChecksumRequest, kvrpcpb::RawChecksumResponse)                       \
  X(SplitRegion, split_region, kvrpcpb::SplitRegionRequest, kvrpcpb::SplitRegionResponse)                       \
  X(ReadIndex, read_index, kvrpcpb::ReadIndexRequest, kvrpcpb::ReadIndexResponse)                               \
  X(MvccGetByKey, mvcc_get_by_key, kvrpcpb::MvccGetByKeyRequest, kvrpcpb::MvccGetByKeyResponse)                 \
  X(MvccGetByStartTs, mvcc_get_by_start_ts, kvrpcpb::MvccGetByStartTsRequest, kvrpcpb::MvccGetByStartTsResponse) \
  X(UnsafeDestroyRange, unsafe_destroy_range, kvrpcpb::UnsafeDestroyRangeRequest, kvrpcpb::UnsafeDestroyRangeResponse) \
  X(GetLockWaitInfo, get_lock_wait_info, kvrpcpb::GetLockWaitInfoRequest, kvrpcpb::GetLockWaitInfoResponse)      \
  X(GetLockWaitHistory, get_lock_wait_history, kvrpcpb::GetLockWaitHistoryRequest, kvrpcpb::GetLockWaitHistoryResponse) \
  X(GetStoreSafeTS, get_store_safe_ts, kvrpcpb::StoreSafeTSRequest, kvrpcpb::StoreSafeTSResponse)
// clang-format on

namespace cairn::api {

class Tikv {
 public:
  virtual ~Tikv() = default;

  // A service may take calls from any thread.
#define CAIRN_DECLARE(Rpc, method, Req, Resp, ...) \
  virtual void method(Call<Req, Resp> call) { call.finish({Code::kUnimplemented, #Rpc " is not implemented"}); }
  CAIRN_TIKV_BATCHED(CAIRN_DECLARE)
  CAIRN_TIKV_UNARY_ONLY(CAIRN_DECLARE)
#undef CAIRN_DECLARE

  // What BatchCommands' answers say of the store's health beside what was asked; nothing while there is no store.
  virtual std::optional<kvrpcpb::HealthFeedback> health_feedback() { return std::nullopt; }
};

}  // namespace cairn::api
