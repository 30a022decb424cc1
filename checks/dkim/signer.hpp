// The check that signs: for channels by which one's own users and hosts send.
//
//     dkim::key_set keys;
//     keys.add(...);
//     chain.add<checks::dkim::signer>({.deadline = 5s, .on_error = checks::on_error::defer}, keys);
//
// It signs as the domain of From, by all keys that the set has for it (key_set.hpp), and puts the
// fields on top of the message. What is signed is the header as it came in: no other check and no
// edit may remove or change those fields afterwards. Mail without a key, and mail of others, passes
// unsigned. Never refuses, never waits. Thread-safe.
#ifndef GATEPOST_CHECKS_DKIM_SIGNER_HPP
#define GATEPOST_CHECKS_DKIM_SIGNER_HPP

#include <chrono>
#include <functional>
#include <string_view>
#include <vector>

#include "checks/check.hpp"
#include "checks/dkim/key_set.hpp"
#include "checks/dkim/sign.hpp"
#include "smtp/config.hpp"
#include "smtp/ip.hpp"

namespace gatepost::checks::dkim {

struct signer_options {
  sign_options sign = {};

  // Whose mail is signed beside that of the authenticated: hosts of one's own.
  smtp::network_set networks = smtp::network_set::loopback();

  // The clock; for tests.
  std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
};

class signer final : public check {
 public:
  GATEPOST_DECL explicit signer(key_set keys, signer_options options = {});

  std::string_view name() const override { return "dkim_sign"; }
  bool waits(smtp::stage) const override { return false; }
  GATEPOST_DECL asio::awaitable<verdict> on_header_end(context& ctx) override;
  GATEPOST_DECL asio::awaitable<verdict> on_body(context& ctx, std::string_view text) override;
  GATEPOST_DECL asio::awaitable<verdict> on_message(context& ctx) override;

 private:
  bool ours(const context& ctx) const;
  std::vector<const signing_key*> keys_for(const context& ctx) const;

  key_set keys_;
  signer_options options_;
};

}  // namespace gatepost::checks::dkim

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dkim/impl/signer.ipp"
#endif

#endif  // GATEPOST_CHECKS_DKIM_SIGNER_HPP
