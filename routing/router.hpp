// Who says where a recipient's mail goes: subclass `router`, or use routing::table.
#ifndef GATEPOST_ROUTING_ROUTER_HPP
#define GATEPOST_ROUTING_ROUTER_HPP

#include <asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "routing/route.hpp"
#include "smtp/address.hpp"
#include "smtp/config.hpp"
#include "smtp/policy.hpp"
#include "smtp/reply.hpp"

namespace gatepost::routing {

enum class route_status : std::uint8_t {
  found,
  unknown_domain,  // nothing is known of the domain: relaying denied
  unknown_user,    // the domain is known, and has no such user
  unavailable,     // cannot tell now
};

class route_result {
 public:
  // As unavailable(): what a coroutine that fails has to return.
  route_result() : route_result(route_status::unavailable, smtp::replies::local_error) {}

  static route_result found(routing::route where) {
    route_result r(route_status::found);
    r.route_ = std::move(where);
    return r;
  }
  // A route that was found because it takes everything. Whether this client may use it, for a
  // domain that is nobody's here, is the asker's decision: without one the server is an open relay.
  static route_result found_by_default(routing::route where) {
    route_result r = found(std::move(where));
    r.by_default_ = true;
    return r;
  }
  static route_result unknown_domain() {
    return route_result(route_status::unknown_domain, smtp::replies::relaying_denied);
  }
  static route_result unknown_user() {
    return route_result(route_status::unknown_user, smtp::replies::no_such_user);
  }
  static route_result unavailable(smtp::reply why = smtp::replies::local_error) {
    return route_result(route_status::unavailable, std::move(why));
  }

  // Recipients of this class may have other demands than those of another: with
  // smtp::channel::split_classes each class gets a message of its own.
  route_result in_class(std::string policy_class) && {
    policy_class_ = std::move(policy_class);
    return std::move(*this);
  }

  route_status status() const { return status_; }
  // Only where status() is found.
  const routing::route& where() const { return *route_; }
  bool by_default() const { return by_default_; }
  // Empty: none. Only where status() is found.
  const std::string& policy_class() const { return policy_class_; }
  // Only where status() is not found: what to tell the client.
  const smtp::reply& reply() const { return reply_; }

 private:
  explicit route_result(route_status status, smtp::reply reply = {})
      : status_(status), reply_(std::move(reply)) {}

  route_status status_;
  bool by_default_ = false;
  std::optional<routing::route> route_;
  std::string policy_class_;
  smtp::reply reply_;
};

class router {
 public:
  virtual ~router() = default;

  // Where does mail for this recipient go? {local} and {domain} of the route are filled in.
  // `session` is nullptr where none is at hand: for a message from the queue. Thread-safe.
  virtual asio::awaitable<route_result> route(const smtp::address& recipient,
                                              const smtp::session_view* session) = 0;
};

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_ROUTER_HPP
