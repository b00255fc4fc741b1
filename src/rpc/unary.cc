#include "rpc/unary.h"

namespace cairn::rpc {
namespace {

using Dispatch = std::function<void(std::shared_ptr<ServerStream>, Payload)>;

class UnaryEvents final : public StreamEvents {
 public:
  UnaryEvents(std::shared_ptr<ServerStream> stream, std::shared_ptr<const Dispatch> dispatch)
      : stream_(std::move(stream)), dispatch_(std::move(dispatch)) {}

  void on_message(Payload message) override { (*dispatch_)(stream_, std::move(message)); }
  void on_read_end() override { stream_->finish({api::Code::kInternal, "a unary call without a request"}); }

 private:
  std::shared_ptr<ServerStream> stream_;
  std::shared_ptr<const Dispatch> dispatch_;
};

}  // namespace

void add_unary_bytes(Router& router, std::string method, Dispatch dispatch) {
  auto shared = std::make_shared<const Dispatch>(std::move(dispatch));
  router.add(std::move(method), Router::Kind::kUnary, [shared](std::shared_ptr<ServerStream> stream) {
    stream->attach(std::make_shared<UnaryEvents>(stream, shared));
    stream->read();
  });
}

}  // namespace cairn::rpc
