// Streams on which a server speaks by itself, one message at a time: it gives the next one when the last has gone out.
// So nothing gathers for a client that reads slowly but what the server itself decides to keep.
#pragma once

#include <functional>

#include "api/status.h"

namespace cairn::api {

// The way to the client. `respond` may be called once when the stream begins, and once after each on_room(); after
// `close` never more. Both on any thread.
template <class Resp>
struct StreamSink {
  std::function<void(Resp)> respond;
  std::function<void(Status)> close;
};

// The server's end, owned by what carries the stream; its death says that the client is gone.
template <class Req>
class StreamEnd {
 public:
  virtual ~StreamEnd() = default;
  virtual void on_request(Req request) = 0;
  // The last response has gone out.
  virtual void on_room() = 0;
};

}  // namespace cairn::api
