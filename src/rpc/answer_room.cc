#include "rpc/answer_room.h"

namespace cairn::rpc {

uint32_t values_asked(const tikvpb::BatchCommandsRequest::Request& request) {
  using Cmd = tikvpb::BatchCommandsRequest::Request::CmdCase;
  switch (request.cmd_case()) {
    case Cmd::kGet:
      return values_asked(request.get());
    case Cmd::kScan:
      return values_asked(request.scan());
    case Cmd::kScanLock:
      return values_asked(request.scanlock());
    case Cmd::kBatchGet:
      return values_asked(request.batchget());
    case Cmd::kBufferBatchGet:
      return values_asked(request.bufferbatchget());
    case Cmd::kRawGet:
      return values_asked(request.rawget());
    case Cmd::kRawScan:
      return values_asked(request.rawscan());
    case Cmd::kRawBatchGet:
      return values_asked(request.rawbatchget());
    case Cmd::kRawBatchScan:
      return values_asked(request.rawbatchscan());
    case Cmd::kCoprocessor:
      return values_asked(request.coprocessor());
    default:
      return 0;
  }
}

}  // namespace cairn::rpc
