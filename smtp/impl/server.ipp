#ifndef GATEPOST_SMTP_IMPL_SERVER_IPP
#define GATEPOST_SMTP_IMPL_SERVER_IPP

#include <sys/socket.h>

#include <asio/post.hpp>
#include <cassert>
#include <cerrno>
#include <system_error>
#include <utility>

#include "smtp/detail/listening.hpp"
#include "smtp/detail/sockaddr.hpp"
#include "smtp/server.hpp"

// The server in four parts: this one opens and closes it.
#include "smtp/impl/server_connection.ipp"
#include "smtp/impl/server_lane.ipp"
#include "smtp/impl/server_parts.ipp"

namespace gatepost::smtp {

GATEPOST_DECL server::server(asio::io_context& io, server_options options, smtp::policy& policy,
                             smtp::delivery& delivery)
    : server(std::vector<asio::io_context*>{&io}, std::move(options), policy, delivery) {}

GATEPOST_DECL server::server(std::vector<asio::io_context*> contexts, server_options options,
                             smtp::policy& policy, smtp::delivery& delivery)
    : shared_(std::make_shared<shared>(std::move(options), policy, delivery)) {
  assert(!contexts.empty());
  detail::raise_descriptor_limit();
  for (asio::io_context* io : contexts) lanes_.push_back(std::make_shared<lane>(*io, shared_));
}

GATEPOST_DECL server::~server() {
  for (const auto& l : lanes_) l->end();
}

GATEPOST_DECL std::optional<std::string> server::listen(const listener& where) {
  if (const auto wrong = shared_->fault_of(where)) return where.address + ": " + *wrong;
  try {
    return detail::at_unix_socket(where) ? listen_unix(where) : listen_tcp(where);
  } catch (const std::system_error& e) {  // epoll did not want it
    return detail::cannot_listen(where, e.code().value(), {});
  }
}

// All threads' sockets are opened, then all begin to accept.
GATEPOST_DECL std::optional<std::string> server::listen_tcp(const listener& where) {
  auto e = *parse_endpoint(where.address);
  const auto use = lanes_.size() > 1 ? detail::port_use::shared : detail::port_use::alone;
  if (use == detail::port_use::shared && detail::port_is_taken(e))
    return detail::cannot_listen(where, EADDRINUSE, remedy_for(e, EADDRINUSE));
  auto kept = std::make_unique<const listener>(where);
  std::vector<std::shared_ptr<door>> doors;
  for (const auto& l : lanes_) {
    detail::owned_fd fd = detail::open_tcp_door(e, use);
    if (!fd) {
      const int error = errno;
      return detail::cannot_listen(where, error, remedy_for(e, error));
    }
    sockaddr_storage chosen{};
    socklen_t size = sizeof chosen;
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&chosen), &size);
    const endpoint at = detail::to_endpoint(chosen);
    e.port = at.port;  // the other threads share the port that was chosen
    const bool one = !at.address.is_unspecified();
    doors.push_back(std::make_shared<door>(l->io, std::move(fd), *kept,
                                           one ? std::optional(at) : std::nullopt,
                                           detail::socket_name()));
  }
  if (auto wrong = start(std::move(kept), doors)) return wrong;
  shared_->endpoints.push_back(e);
  return std::nullopt;
}

GATEPOST_DECL std::optional<std::string> server::listen_unix(const listener& where) {
  const std::string path = where.address.substr(detail::unix_scheme.size());
  detail::socket_name name;
  detail::owned_fd fd = detail::open_unix_door(path, where.unix_mode, name);
  if (!fd) {
    const int error = errno;
    return detail::cannot_listen(where, error, detail::remedy_for_unix(error));
  }
  auto kept = std::make_unique<const listener>(where);
  const std::vector doors{std::make_shared<door>(lanes_.front()->io, std::move(fd), *kept,
                                                 endpoint(), std::move(name))};
  return start(std::move(kept), doors);
}

// doors[i] is of lanes_[i].
GATEPOST_DECL std::optional<std::string> server::start(
    std::unique_ptr<const listener> where, const std::vector<std::shared_ptr<door>>& doors) {
  const listener& kept = *shared_->listeners.emplace_back(std::move(where));
  for (std::size_t i = 0; i < doors.size(); ++i)
    if (!lanes_[i]->start(doors[i])) return kept.address + ": the server has stopped";
  return std::nullopt;
}

GATEPOST_DECL std::string server::remedy_for(const endpoint& e, int error) const {
  if (error == EADDRINUSE)
    for (const endpoint& own : shared_->endpoints)
      if (own.port == e.port)
        return " (this server listens at " + own.text() + ", which may take it in)";
  return detail::remedy_for_tcp(error);
}

GATEPOST_DECL std::vector<endpoint> server::endpoints() const { return shared_->endpoints; }

GATEPOST_DECL void server::stop() {
  for (const auto& l : lanes_) asio::post(l->io, [l] { l->stop(); });
}

GATEPOST_DECL void server::stop_now() {
  for (const auto& l : lanes_) asio::post(l->io, [l] { l->stop_now(); });
}

GATEPOST_DECL server_counters server::counters() const {
  return {shared_->accepted.load(std::memory_order_relaxed),
          shared_->refused.load(std::memory_order_relaxed), shared_->admission.sessions(),
          shared_->limits.counts()};
}

GATEPOST_DECL memory_budget& server::memory() { return shared_->memory; }

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SERVER_IPP
