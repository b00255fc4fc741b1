#include "rpc/server_stream.h"

#include "base/check.h"

namespace cairn::rpc {

void Router::add(std::string method, Kind kind, Handler handler) {
  const bool is_new = routes_.emplace(method, Route{kind, std::move(handler)}).second;
  CHECK(is_new, "the method {} has two handlers", method);
}

const Router::Route* Router::find(const std::string& method) const {
  const auto it = routes_.find(method);
  return it == routes_.end() ? nullptr : &it->second;
}

}  // namespace cairn::rpc
