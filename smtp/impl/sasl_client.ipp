#ifndef GATEPOST_SMTP_IMPL_SASL_CLIENT_IPP
#define GATEPOST_SMTP_IMPL_SASL_CLIENT_IPP

#include <algorithm>

#include "smtp/sasl_client.hpp"

namespace gatepost::smtp {
namespace detail {

// RFC 4616 §2: [authzid] NUL authcid NUL passwd.
class plain_client final : public sasl_client {
 public:
  explicit plain_client(const credentials& login) : message_(login.act_as) {
    message_.push_back('\0');
    message_.append(login.user);
    message_.push_back('\0');
    message_.append(login.password);
  }

  std::string_view mechanism() const override { return "PLAIN"; }
  std::optional<std::string> initial_response() override { return message_; }
  // The server did not take the initial response, or none was sent because it was too long.
  result<std::string> respond(std::string_view) override {
    if (said_) return errc::bad_reply;
    said_ = true;
    return message_;
  }

 private:
  std::string message_;
  bool said_ = false;
};

// draft-murchison-sasl-login: the server asks for the name, then for the password, in words of its
// own.
class login_client final : public sasl_client {
 public:
  explicit login_client(const credentials& login) : login_(login) {}

  std::string_view mechanism() const override { return "LOGIN"; }
  std::optional<std::string> initial_response() override { return std::nullopt; }
  result<std::string> respond(std::string_view) override {
    switch (asked_++) {
      case 0: return login_.user;
      case 1: return login_.password;
      default: return errc::bad_reply;
    }
  }

 private:
  credentials login_;
  int asked_ = 0;
};

}  // namespace detail

GATEPOST_DECL std::unique_ptr<sasl_client> choose_sasl_client(std::span<const std::string> offered,
                                                              const credentials& login) {
  const auto has = [&](std::string_view name) {
    return std::find(offered.begin(), offered.end(), name) != offered.end();
  };
  const auto has_nul = [](const std::string& s) { return s.find('\0') != std::string::npos; };
  if (has_nul(login.user) || has_nul(login.password) || has_nul(login.act_as)) return nullptr;
  if (has("PLAIN")) return std::make_unique<detail::plain_client>(login);
  // LOGIN knows no authorisation identity.
  if (has("LOGIN") && login.act_as.empty()) return std::make_unique<detail::login_client>(login);
  return nullptr;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_SASL_CLIENT_IPP
