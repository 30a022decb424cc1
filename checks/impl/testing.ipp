#ifndef GATEPOST_CHECKS_IMPL_TESTING_IPP
#define GATEPOST_CHECKS_IMPL_TESTING_IPP

#include <asio/co_spawn.hpp>
#include <exception>
#include <optional>
#include <stdexcept>

#include "checks/testing.hpp"
#include "smtp/command.hpp"

namespace gatepost::checks {

GATEPOST_DECL void recorder::on_verdict(const smtp::verdict_event& e) {
  verdicts.push_back({std::string(e.stage), std::string(e.check), e.verdict, e.duration});
}

GATEPOST_DECL void recorder::on_trouble(const smtp::trouble_event& e) {
  trouble.push_back({std::string(e.where), std::string(e.what)});
}

GATEPOST_DECL trial::trial(chain_options options) : chain_(watched(std::move(options))) {
  facts_.id = "trial";
}

GATEPOST_DECL trial::~trial() = default;

GATEPOST_DECL chain_options trial::watched(chain_options options) {
  options.observer = &recorder_;
  return options;
}

GATEPOST_DECL smtp::session_policy& trial::session() {
  if (!session_) session_ = chain_.open({facts_, envelope_});
  return *session_;
}

GATEPOST_DECL void trial::leave() {
  session_.reset();
  envelope_.clear();
}

GATEPOST_DECL smtp::verdict trial::run(asio::awaitable<smtp::verdict> what) {
  std::optional<smtp::verdict> said;
  std::exception_ptr error;
  asio::co_spawn(io_, std::move(what), [&](std::exception_ptr e, smtp::verdict v) {
    error = e;
    said = std::move(v);
  });
  io_.restart();
  const auto until = std::chrono::steady_clock::now() + patience;
  while (!said && io_.run_one_until(until) > 0) {
  }
  if (error) std::rethrow_exception(error);
  if (!said) throw std::logic_error("a check waits for what never comes");
  return std::move(*said);
}

GATEPOST_DECL smtp::verdict trial::connect() { return run(session().ask(smtp::stage::connect)); }

GATEPOST_DECL smtp::verdict trial::helo(std::string name) {
  facts_.helo = std::move(name);
  facts_.protocol = smtp::protocol::esmtp;
  return run(session().ask(smtp::stage::helo));
}

GATEPOST_DECL smtp::verdict trial::tls() {
  if (!facts_.tls) facts_.tls.emplace();
  return run(session().ask(smtp::stage::tls));
}

GATEPOST_DECL smtp::verdict trial::auth(std::string identity) {
  facts_.auth_identity = std::move(identity);
  return run(session().ask(smtp::stage::auth));
}

GATEPOST_DECL smtp::verdict trial::mail(std::string_view reverse_path) {
  const std::string argument = "FROM:" + std::string(reverse_path);
  const auto command = smtp::parse_mail(argument, {});
  if (!command) throw std::invalid_argument(argument);
  reset();
  envelope_.begin(*command);
  ++facts_.transactions;
  smtp::verdict v = run(session().ask(smtp::stage::mail));
  if (v.negative()) reset();
  return v;
}

GATEPOST_DECL smtp::verdict trial::rcpt(std::string_view forward_path) {
  const std::string argument = "TO:" + std::string(forward_path);
  const auto command = smtp::parse_rcpt(argument, {}, true);
  if (!command) throw std::invalid_argument(argument);
  envelope_.add(*command);
  smtp::verdict v = run(session().ask(smtp::stage::rcpt));
  if (v.negative()) {
    envelope_.take_back();
    ++facts_.bad_recipients;
  }
  return v;
}

GATEPOST_DECL smtp::verdict trial::message(std::string_view all, std::size_t chunk) {
  smtp::verdict v = run(session().ask(smtp::stage::data));
  if (!v.negative()) v = text(all, chunk);
  reset();
  return v;
}

GATEPOST_DECL smtp::verdict trial::text(std::string_view all, std::size_t chunk) {
  const std::size_t blank_line = all.starts_with("\r\n") ? 0 : all.find("\r\n\r\n");
  const std::size_t header_size = blank_line == all.npos ? all.size()
                                  : blank_line == 0      ? 0
                                                         : blank_line + 2;
  const smtp::message_view header{all.substr(0, header_size), header_size};
  smtp::verdict v = run(session().header_end(header));
  for (std::string_view rest = all; !v.negative() && !rest.empty();) {
    const std::string_view piece = rest.substr(0, chunk);
    rest.remove_prefix(piece.size());
    if (!session().ignores(smtp::stage::body)) v = run(session().body(piece));
  }
  if (v.negative()) return v;
  const smtp::message_view whole{header.header, all.size()};
  return run(session().message(whole));
}

GATEPOST_DECL void trial::reset() {
  session().reset();
  envelope_.clear();
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_TESTING_IPP
