#include "rpc/answer_room.h"

namespace cairn::rpc {

uint32_t values_asked(const tikvpb::BatchCommandsRequest::Request& request) {
  using Cmd = tikvpb::BatchCommandsRequest::Request::CmdCase;
  const auto clamped = [](uint64_t values) {
    return static_cast<uint32_t>(std::clamp<uint64_t>(values, 1, AnswerRoom::kValuesMax));
  };
  const auto keys = [&](const auto& of) { return clamped(static_cast<uint64_t>(of.keys_size())); };
  // No limit is as many as there are.
  const auto limited = [&](uint64_t limit) { return limit == 0 ? AnswerRoom::kValuesMax : clamped(limit); };
  switch (request.cmd_case()) {
    case Cmd::kScan:
      return clamped(request.scan().limit());
    case Cmd::kRawScan:
      return clamped(request.rawscan().limit());
    case Cmd::kScanLock:
      return limited(request.scanlock().limit());
    case Cmd::kBatchGet:
      return keys(request.batchget());
    case Cmd::kBufferBatchGet:
      return keys(request.bufferbatchget());
    case Cmd::kRawBatchGet:
      return keys(request.rawbatchget());
    case Cmd::kCoprocessor:
      return 1024;  // rows of a page, as its clients ask for them
    default:
      return 1;
  }
}

}  // namespace cairn::rpc
