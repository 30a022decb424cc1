#include "examples/probe/watched.hpp"

#include "smtp/socket_transport.hpp"

namespace probe {
namespace {

namespace smtp = gatepost::smtp;

// "connected to 127.0.0.1:25, from 127.0.0.1:4711".
std::string text_of(const smtp::transport& made, const smtp::connect_target& where) {
  const auto* const socket = dynamic_cast<const smtp::socket_transport*>(&made);
  const bool unix_socket = where.what() == smtp::connect_target::kind::unix_path;
  if (socket == nullptr || unix_socket) return "connected to " + where.text();
  return "connected to " + socket->peer().text() + ", from " + socket->local().text();
}

}  // namespace

smtp::io_result watched_transport::try_read(std::span<char> into) {
  const smtp::io_result r = inner_->try_read(into);
  recorder_.read(std::string_view(into.data(), r.octets));
  return r;
}

smtp::io_result watched_transport::try_write(std::string_view text) {
  const smtp::io_result r = inner_->try_write(text);
  if (r.octets == text.size()) recorder_.wrote_all();
  return r;
}

asio::awaitable<std::error_code> watched_transport::connect_tls(const smtp::client_context& context,
                                                                smtp::tls_peer peer,
                                                                smtp::time_point deadline) {
  recorder_.note(peer.server_name.empty() ? "TLS handshake"
                                          : "TLS handshake with " + peer.server_name);
  peer.verify = smtp::verification::opportunistic;
  const std::error_code failed = co_await inner_->connect_tls(context, std::move(peer), deadline);
  if (failed) co_return failed;
  const smtp::tls_facts* const facts = inner_->tls();
  recorder_.handshake_done(*facts);
  if (wanted_ == certificates::any || facts->peer_verified) co_return std::error_code{};
  refusal_ = "the certificate is not verified: " + facts->peer_not_verified;
  co_return smtp::errc::tls_failed;
}

asio::awaitable<smtp::connect_result> watched_connector::connect(smtp::connect_target where,
                                                                 smtp::time_point deadline) {
  recorder_.note("connecting to " + where.text());
  smtp::connect_target target = where;
  smtp::connect_result result = co_await inner_.connect(std::move(target), deadline);
  if (result.connection == nullptr) co_return result;
  made_ = true;
  recorder_.connected(text_of(*result.connection, where));
  co_return smtp::connect_result(
      std::make_unique<watched_transport>(std::move(result.connection), recorder_, wanted_));
}

}  // namespace probe
