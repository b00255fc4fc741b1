#include "rpc/http_server.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <list>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/log.h"
#include "net/listen.h"

namespace cairn::rpc {
namespace {

using TimePoint = std::chrono::steady_clock::time_point;

// A socket that could not be accepted for want of file descriptors is tried again after this time.
constexpr Duration kAcceptPause = 100ms;

const char* reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

struct Request {
  std::string method;
  std::string path;
  bool keeps_alive = true;  // another request may follow on the connection
};

// Takes the part before `separator` off the text.
std::string_view take(std::string_view& text, std::string_view separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + separator.size(), text.size()));
  return part;
}

// `head` is the request without the empty line that ends it. Nothing: it is not HTTP.
std::optional<Request> parse(std::string_view head) {
  std::string_view line = take(head, "\r\n");
  Request request;
  request.method = take(line, " ");
  std::string_view target = take(line, " ");
  if (!line.starts_with("HTTP/1.") || target.empty() || target.front() != '/') return std::nullopt;
  request.path = take(target, "?");
  request.keeps_alive = line != "HTTP/1.0";
  while (!head.empty()) {
    std::string_view value = take(head, "\r\n");
    const std::string_view name = take(value, ":");
    value = trimmed(value);
    if (equals_ignoring_case(name, "connection") && equals_ignoring_case(value, "close")) request.keeps_alive = false;
    // A body would have to be read past: the connection ends instead.
    const bool has_body = equals_ignoring_case(name, "transfer-encoding") ||
                          (equals_ignoring_case(name, "content-length") && value != "0");
    if (has_body) request.keeps_alive = false;
  }
  return request;
}

struct Connection {
  int fd = -1;
  std::string in;
  std::string out;
  size_t sent = 0;
  bool ends_after_out = false;
  TimePoint active_at;

  bool is_sending() const { return sent < out.size(); }
};

}  // namespace

class HttpServer::Core {
 public:
  // Takes both sockets over.
  Core(HttpOptions options, int listener, int wake) : options_(std::move(options)), listener_(listener), wake_(wake) {
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "http");
      run();
    });
  }
  ~Core() {
    const uint64_t one = 1;
    static_cast<void>(!::write(wake_, &one, sizeof one));
    thread_.join();
    for (const auto& connection : connections_) close(connection.fd);
    close(listener_);
    close(wake_);
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  int port() const { return net::port_of(listener_); }

 private:
  void run() {
    std::vector<pollfd> polled;
    while (true) {
      const TimePoint now = std::chrono::steady_clock::now();
      close_quiet(now);
      polled.assign({{.fd = wake_, .events = POLLIN, .revents = 0},
                     {.fd = now < accept_again_at_ ? -1 : listener_, .events = POLLIN, .revents = 0}});
      for (const auto& connection : connections_) {
        const auto events = static_cast<short>(connection.is_sending() ? POLLOUT : POLLIN);
        polled.push_back({.fd = connection.fd, .events = events, .revents = 0});
      }
      if (poll(polled.data(), polled.size(), wait_ms(now)) < 0 && errno != EINTR) {
        LOG_ERROR("the status port ends: {}", std::strerror(errno));
        return;
      }
      if (polled[0].revents != 0) return;
      size_t i = 2;
      for (auto at = connections_.begin(); at != connections_.end(); ++i) {
        if (polled[i].revents == 0 || serve(*at)) {
          ++at;
        } else {
          at = drop(at);
        }
      }
      if (polled[1].revents != 0) accept_all();
    }
  }

  // Until when nothing happens by itself.
  int wait_ms(TimePoint now) const {
    TimePoint until = TimePoint::max();
    for (const auto& connection : connections_) until = std::min(until, connection.active_at + options_.quiet_max);
    if (now < accept_again_at_) until = std::min(until, accept_again_at_);
    if (until == TimePoint::max()) return -1;
    return static_cast<int>(std::max<int64_t>(0, (until - now) / 1ms) + 1);
  }

  void accept_all() {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno == EAGAIN) return;
        // Most likely no file descriptor is left: it must be neither spun on nor taken for the end.
        drop_quietest();
        accept_again_at_ = std::chrono::steady_clock::now() + kAcceptPause;
        return;
      }
      if (connections_.size() >= options_.connections_max) drop_quietest();
      Connection connection;
      connection.fd = fd;
      connection.active_at = std::chrono::steady_clock::now();
      connections_.push_back(std::move(connection));
    }
  }

  using Connections = std::list<Connection>;
  Connections::iterator drop(Connections::iterator at) {
    close(at->fd);
    return connections_.erase(at);
  }
  void drop_quietest() {
    const auto quietest = std::min_element(connections_.begin(), connections_.end(),
                                           [](const auto& a, const auto& b) { return a.active_at < b.active_at; });
    if (quietest != connections_.end()) drop(quietest);
  }
  void close_quiet(TimePoint now) {
    for (auto at = connections_.begin(); at != connections_.end();) {
      at = now - at->active_at >= options_.quiet_max ? drop(at) : std::next(at);
    }
  }

  // Reads, answers and sends what can be at once. False: the connection is over.
  bool serve(Connection& connection) {
    if (connection.is_sending()) return send(connection) && answer(connection);
    char buffer[4096];
    const ssize_t got = recv(connection.fd, buffer, sizeof buffer, 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    connection.active_at = std::chrono::steady_clock::now();
    connection.in.append(buffer, static_cast<size_t>(got));
    return answer(connection);
  }

  // Answers the whole requests that have come. False: the connection is over.
  bool answer(Connection& connection) {
    while (!connection.is_sending()) {
      const size_t end = connection.in.find("\r\n\r\n");
      if (end == std::string::npos) {
        if (connection.in.size() <= options_.request_bytes_max) return true;
        put(connection, {.status = 431, .body = "the request is too long\n"}, {.keeps_alive = false});
      } else {
        const auto request = parse(std::string_view(connection.in).substr(0, end));
        connection.in.erase(0, end + 4);
        if (!request) {
          put(connection, {.status = 400, .body = "this is not HTTP\n"}, {.keeps_alive = false});
        } else if (request->method != "GET" && request->method != "HEAD") {
          put(connection, {.status = 405, .body = "only GET is served\n"}, *request);
        } else {
          put(connection, options_.serve(request->path), *request);
        }
      }
      if (!send(connection)) return false;
    }
    return true;
  }

  static void put(Connection& connection, const HttpResponse& response, const Request& request) {
    connection.ends_after_out = !request.keeps_alive;
    connection.sent = 0;
    connection.out = "HTTP/1.1 " + std::to_string(response.status) + " " + reason_of(response.status) +
                     "\r\nContent-Type: " + response.content_type +
                     "\r\nContent-Length: " + std::to_string(response.body.size()) +
                     (request.keeps_alive ? "" : "\r\nConnection: close") + "\r\n\r\n";
    if (request.method != "HEAD") connection.out += response.body;
  }

  // False: the connection is over.
  static bool send(Connection& connection) {
    while (connection.is_sending()) {
      const ssize_t sent = ::send(connection.fd, connection.out.data() + connection.sent,
                                  connection.out.size() - connection.sent, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) return errno == EAGAIN;
      connection.sent += static_cast<size_t>(sent);
      connection.active_at = std::chrono::steady_clock::now();
    }
    connection.out.clear();
    connection.sent = 0;
    return !connection.ends_after_out;
  }

  const HttpOptions options_;
  const int listener_;
  const int wake_;
  // The thread's own.
  Connections connections_;
  TimePoint accept_again_at_{};
  std::thread thread_;
};

HttpServer::HttpServer(std::unique_ptr<Core> core) : core_(std::move(core)) {}
HttpServer::~HttpServer() = default;
int HttpServer::port() const { return core_->port(); }

Result<std::unique_ptr<HttpServer>, std::string> HttpServer::start(HttpOptions options) {
  auto listener = net::listen_on(options.address);
  if (!listener.ok()) return Err(listener.error());
  const int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake < 0) {
    const std::string reason = std::strerror(errno);
    close(*listener);
    return Err(reason);
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::make_unique<Core>(std::move(options), *listener, wake)));
}

}  // namespace cairn::rpc
