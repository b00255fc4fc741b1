#include "http/router.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace cairn::http {

namespace {

// Of a path that begins with a slash; the last one is empty if the path ends with one.
std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> out;
  path.remove_prefix(1);
  for (size_t slash = 0; (slash = path.find('/')) != std::string_view::npos; path.remove_prefix(slash + 1)) {
    out.push_back(path.substr(0, slash));
  }
  out.push_back(path);
  return out;
}

}  // namespace

std::vector<Router::Segment> Router::parse(std::string_view pattern) {
  CHECK(pattern.starts_with('/'), "a route '{}' that does not begin with a slash", pattern);
  std::vector<Segment> out;
  for (const auto part : split(pattern)) {
    const bool is_last = part.data() + part.size() == pattern.data() + pattern.size();
    if (!part.starts_with('{')) {
      out.push_back({Segment::Kind::kText, std::string(part)});
    } else if (part.ends_with("...}")) {
      CHECK(is_last, "a route '{}' that goes on behind what stands for the rest", pattern);
      out.push_back({Segment::Kind::kRest, ""});
    } else {
      CHECK(part.ends_with('}'), "a route '{}' with a brace that is not closed", pattern);
      out.push_back({Segment::Kind::kOne, ""});
    }
  }
  return out;
}

void Router::add(std::string method, std::string_view pattern, Handler handler) {
  Route route{parse(pattern), std::move(method), std::move(handler)};
  const bool is_there = std::any_of(routes_.begin(), routes_.end(), [&](const Route& other) {
    return other.pattern == route.pattern && other.method == route.method;
  });
  CHECK(!is_there, "two handlers of {} {}", route.method, pattern);
  routes_.push_back(std::move(route));
}

Router Router::served_on(const std::shared_ptr<runtime::Executor>& executor) const {
  Router out = *this;
  for (Route& route : out.routes_) {
    route.handler = [executor, handler = std::move(route.handler)](Request request, Responder responder) {
      executor->post([handler, request = std::move(request), responder = std::move(responder)]() mutable {
        handler(std::move(request), std::move(responder));
      });
    };
  }
  return out;
}

bool Router::matches(const std::vector<Segment>& pattern, const std::vector<std::string_view>& path,
                     std::vector<std::string_view>& params) {
  params.clear();
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (i >= path.size()) return false;
    if (pattern[i].kind == Segment::Kind::kRest) {
      const std::string_view last = path.back();
      params.emplace_back(path[i].data(), static_cast<size_t>(last.data() + last.size() - path[i].data()));
      return true;
    }
    if (pattern[i].kind == Segment::Kind::kOne) {
      if (path[i].empty()) return false;
      params.push_back(path[i]);
    } else if (pattern[i].text != path[i]) {
      return false;
    }
  }
  return pattern.size() == path.size();
}

bool Router::is_closer(const std::vector<Segment>& a, const std::vector<Segment>& b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [](const Segment& x, const Segment& y) { return x.kind < y.kind; });
}

void Router::serve(Request request, Responder responder) const {
  if (!request.path.starts_with('/')) {
    return responder.answer({.status = 404, .body = "no such page\n", .headers = {}});
  }
  const auto path = split(request.path);
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  const Route* best = nullptr;
  std::vector<std::string_view> found;
  std::string allowed;
  for (const Route& route : routes_) {
    std::vector<std::string_view> params;
    if (!matches(route.pattern, path, params)) continue;
    if (route.method != method && route.method != "*") {
      allowed += (allowed.empty() ? "" : ", ") + route.method;
      continue;
    }
    if (best != nullptr && !is_closer(route.pattern, best->pattern)) continue;
    best = &route;
    found = std::move(params);
  }
  if (best == nullptr && !allowed.empty()) {
    return responder.answer(
        {.status = 405, .body = "the method is not one of " + allowed + "\n", .headers = {{"Allow", allowed}}});
  }
  if (best == nullptr) return responder.answer({.status = 404, .body = "no such page\n", .headers = {}});
  for (const auto param : found) {
    auto decoded = percent_decode(param);
    if (!decoded) return responder.answer({.status = 400, .body = "the path is damaged\n", .headers = {}});
    request.params.push_back(std::move(*decoded));
  }
  best->handler(std::move(request), std::move(responder));
}

Handler page(std::function<Response(const Request&)> make) {
  return [make = std::move(make)](const Request& request, Responder responder) { responder.answer(make(request)); };
}

}  // namespace cairn::http
