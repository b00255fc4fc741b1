// Router: which handler serves a path. Each room adds what it serves; then the router is immutable, and any thread may
// use it. Tests: router_test.cc.
//
// A pattern is a path whose segments may be placeholders: "/regions", "/pd/api/v1/store/{id}", "/debug/{rest...}". The
// last form, at the end only, stands for all that is left, at least one segment. What is written out goes before a
// placeholder.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "runtime/executor.h"

namespace cairn::http {

class Router {
 public:
  // `method` "*": all of them. Precondition: that method of the pattern is not there yet.
  void add(std::string method, std::string_view pattern, Handler handler);
  // The same, with handlers that run on an executor: for those that take too long for a connection's loop.
  Router served_on(const std::shared_ptr<runtime::Executor>& executor) const;

  // Passes it to its handler, or answers that there is none (404) or not for that method (405). HEAD goes to GET's.
  void serve(Request request, Responder responder) const;

 private:
  struct Segment {
    enum class Kind { kText, kOne, kRest } kind;
    std::string text;  // of kText
    bool operator==(const Segment&) const = default;
  };
  struct Route {
    std::vector<Segment> pattern;
    std::string method;
    Handler handler;
  };
  static std::vector<Segment> parse(std::string_view pattern);
  // Whether the path is of that pattern; then `params` is what it has in the placeholders' place.
  static bool matches(const std::vector<Segment>& pattern, const std::vector<std::string_view>& path,
                      std::vector<std::string_view>& params);
  static bool is_closer(const std::vector<Segment>& a, const std::vector<Segment>& b);

  std::vector<Route> routes_;
};

// A handler that answers at once.
Handler page(std::function<Response(const Request&)> make);

}  // namespace cairn::http
