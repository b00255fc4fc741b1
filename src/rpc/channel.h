// The way to one address: a connection that is made when it is first used, and again when it is lost, with a back-off
// after failures. Calls wait while it is being made; during the back-off they fail at once. Confined to the loop's
// thread. Tests: client_test.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/connect.h"
#include "net/http2.h"
#include "net/tls.h"
#include "rpc/client_call.h"

namespace cairn::rpc {

class ConnectionTo final : public net::Http2Connection::Owner, public std::enable_shared_from_this<ConnectionTo> {
 public:
  // "host:port". Without `tls` it is plain text, and if it must not be, no connection.
  ConnectionTo(std::shared_ptr<net::Loop> loop, std::string address, std::shared_ptr<net::Tls> tls, bool must_be_tls);
  ~ConnectionTo() override;

  const std::string& address() const { return address_; }
  std::string_view scheme() const { return tls_ ? "https" : "http"; }
  void start(std::shared_ptr<ClientCall> call);
  // Later: for what is not to happen within an event.
  void start_soon(std::shared_ptr<ClientCall> call);
  // A back-off that is under way ends now.
  void reconnect_now();
  // Fails what waits, ends the connection; nothing is begun any more.
  void stop();

 private:
  void connect();
  void on_connected(Result<int, std::string> socket);
  void on_failed(const std::string& why);
  net::Deadlines::TimePoint look_at_deadlines(net::Deadlines::TimePoint now);

  void on_going_away(net::Http2Connection& connection) override;
  void on_connection_closed(net::Http2Connection& connection, const std::string& why) override;

  const std::shared_ptr<net::Loop> loop_;
  const std::string address_;
  const std::shared_ptr<net::Tls> tls_;
  const bool must_be_tls_;
  std::shared_ptr<net::Http2Connection> connection_;               // takes new calls
  std::vector<std::shared_ptr<net::Http2Connection>> going_away_;  // finish theirs
  std::unique_ptr<net::Connecting> connecting_;
  std::vector<std::shared_ptr<ClientCall>> waiting_;  // for the connection
  net::Deadlines deadlines_;                          // of those
  Duration back_off_{};                               // after the next failure
  std::chrono::steady_clock::time_point may_connect_;
  std::string why_not_;  // the last failure
  bool is_stopped_ = false;
};

}  // namespace cairn::rpc
