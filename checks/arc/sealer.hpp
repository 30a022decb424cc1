// The check that seals: for relays that change messages, mailing lists first of all. Opt-in.
//
// It comes after arc::verifier, whose report says how the chain stands, and after whatever finds
// the results that are sealed. The fields go on top of the message; no other check may change the
// header fields that are signed (seal_options::fields) or the body afterwards. A message whose
// chain was sealed as failed, or is full, gets no seal (RFC 8617 §5.1), nor one whose chain has no
// report. Never refuses, never waits.
#ifndef GATEPOST_CHECKS_ARC_SEALER_HPP
#define GATEPOST_CHECKS_ARC_SEALER_HPP

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "checks/arc/result.hpp"
#include "checks/arc/seal.hpp"
#include "checks/check.hpp"
#include "checks/dkim/key_set.hpp"
#include "checks/true_client.hpp"
#include "smtp/config.hpp"

namespace gatepost::checks::arc {

struct sealer_options {
  seal_options seal = {};

  // Who seals: the domain whose key of dkim::key_set it is, and the name that stands before the
  // results (RFC 8601 §2.5), usually our host's.
  std::string domain;
  std::string authserv_id;

  // What goes behind that name. By default: arc= of the chain, dkim= of each signature that
  // dkim::verifier found, and what the client was.
  std::function<std::string(const context&)> results = {};

  // Who the client is, for those results: whom the first of our own servers saw.
  checks::true_client client = checks::true_client();

  // The clock; for tests.
  std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
};

// The results that the notes of ARC and DKIM give, as RFC 8601 §2.2 writes them; no "arc=" without
// arc::verifier, no "dkim=" without dkim::verifier, "smtp.remote-ip" always (RFC 8617 §10.2): the
// client's address, or where that is not told the other end's.
GATEPOST_DECL std::string results_of(const context& ctx, const true_client& client = true_client());

class sealer final : public check {
 public:
  GATEPOST_DECL sealer(dkim::key_set keys, sealer_options options);

  std::string_view name() const override { return "arc_seal"; }
  bool waits(smtp::stage) const override { return false; }
  GATEPOST_DECL asio::awaitable<verdict> on_header_end(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_body(context& ctx, std::string_view text) override;
  GATEPOST_DECL asio::awaitable<verdict> on_message(context& ctx) override;

 private:
  dkim::key_set keys_;
  sealer_options options_;
};

}  // namespace gatepost::checks::arc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/arc/impl/sealer.ipp"
#endif

#endif  // GATEPOST_CHECKS_ARC_SEALER_HPP
