// The envelope of one mail transaction: who sends, to whom, and by which parameters (RFC 5321
// §2.3.1).
//
// An owning value that the engine fills and everybody else reads. It is used again for the
// session's next transaction: clear() keeps its memory, so that a long session allocates nothing.
#ifndef GATEPOST_SMTP_ENVELOPE_HPP
#define GATEPOST_SMTP_ENVELOPE_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "smtp/address.hpp"
#include "smtp/command.hpp"
#include "smtp/config.hpp"

namespace gatepost::smtp {

struct recipient {
  address forward_path;
  std::uint8_t notify = notify_unspecified;  // RFC 3461 §4.1
  std::string orcpt;                         // RFC 3461 §4.2, as written

  // Set by the delivery that resolved the recipient, for itself to find again: what it routes by.
  std::string route;
  // Set by policy or delivery: recipients with different classes do not share a message where the
  // channel splits classes.
  std::string policy_class;
};

class envelope {
 public:
  // --- Read by everybody -------------------------------------------------------------------------
  bool active() const { return active_; }  // MAIL was accepted
  const address& reverse_path() const { return reverse_path_; }
  std::span<const recipient> recipients() const { return {recipients_.data(), count_}; }

  std::optional<std::uint64_t> size() const { return size_; }
  body_type body() const { return body_; }
  bool smtputf8() const { return smtputf8_; }
  bool requiretls() const { return requiretls_; }
  bool prdr() const { return prdr_; }
  dsn_return ret() const { return ret_; }
  const std::string& envid() const { return envid_; }      // xtext as written
  const std::string& auth() const { return auth_; }        // xtext as written; empty: not given
  const std::string& solicit() const { return solicit_; }  // RFC 3865

  // --- Written by the engine (or by whoever builds a message of his own)
  // --------------------------
  GATEPOST_DECL void begin(const mail_command& command);
  // The recipient stands at recipients().back(); take_back() removes it if it is refused.
  GATEPOST_DECL recipient& add(const rcpt_command& command);
  GATEPOST_DECL void take_back();
  GATEPOST_DECL void clear();
  std::span<recipient> recipients() { return {recipients_.data(), count_}; }

 private:
  // Beyond this, clear() gives the recipients' memory back: a session with one huge envelope does
  // not keep it for ever.
  static constexpr std::size_t kept_recipients = 16;

  bool active_ = false;
  bool smtputf8_ = false;
  bool requiretls_ = false;
  bool prdr_ = false;
  body_type body_ = body_type::seven_bit;
  dsn_return ret_ = dsn_return::unspecified;
  std::optional<std::uint64_t> size_;
  address reverse_path_;
  std::string envid_;
  std::string auth_;
  std::string solicit_;
  std::vector<recipient> recipients_;  // the first count_ are in use
  std::size_t count_ = 0;
};

}  // namespace gatepost::smtp

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "smtp/impl/envelope.ipp"
#endif

#endif  // GATEPOST_SMTP_ENVELOPE_HPP
