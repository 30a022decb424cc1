#ifndef GATEPOST_SMTP_IMPL_VERDICT_IPP
#define GATEPOST_SMTP_IMPL_VERDICT_IPP

#include "smtp/verdict.hpp"

namespace gatepost::smtp {

GATEPOST_DECL std::string_view to_string(decision d) {
  switch (d) {
    case decision::pass: return "pass";
    case decision::inconclusive: return "inconclusive";
    case decision::accept: return "accept";
    case decision::refuse: return "refuse";
    case decision::defer: return "defer";
    case decision::discard: return "discard";
    case decision::hold: return "hold";
    case decision::drop: return "drop";
  }
  return "?";
}

GATEPOST_DECL verdict verdict::inconclusive(std::string reason) {
  verdict v(decision::inconclusive);
  v.reason_ = std::move(reason);
  return v;
}

GATEPOST_DECL verdict verdict::refuse(smtp::reply why) {
  verdict v(why.temporary() ? decision::defer : decision::refuse);
  if (why.code() < 400) why = smtp::reply(550, {5, 7, 1}, std::string(why.text()));
  v.reply_ = std::move(why);
  return v;
}

GATEPOST_DECL verdict verdict::defer(smtp::reply why) {
  verdict v(decision::defer);
  if (!why.temporary()) why = smtp::reply(451, {4, 7, 1}, std::string(why.text()));
  v.reply_ = std::move(why);
  return v;
}

GATEPOST_DECL verdict verdict::discard(std::string reason) {
  verdict v(decision::discard);
  v.reason_ = std::move(reason);
  return v;
}

GATEPOST_DECL verdict verdict::hold(std::string reason) {
  verdict v(decision::hold);
  v.reason_ = std::move(reason);
  return v;
}

GATEPOST_DECL verdict verdict::drop(std::string reason) {
  verdict v(decision::drop);
  v.reply_ = replies::dropped;
  v.reason_ = std::move(reason);
  return v;
}

GATEPOST_DECL verdict::verdict(const verdict& other)
    : decision_(other.decision_),
      reply_(other.reply_),
      reason_(other.reason_),
      effects_(other.effects_ ? std::make_unique<effects>(*other.effects_) : nullptr) {}

GATEPOST_DECL verdict& verdict::operator=(const verdict& other) {
  if (this != &other) *this = verdict(other);
  return *this;
}

GATEPOST_DECL verdict& verdict::add_header(std::string name, std::string value) & {
  more().add_headers.push_back({std::move(name), std::move(value)});
  return *this;
}

GATEPOST_DECL verdict& verdict::remove_header(std::string name) & {
  more().remove_headers.push_back(std::move(name));
  return *this;
}

GATEPOST_DECL verdict& verdict::erase(octet_range range) & {
  more().erased.push_back(range);
  return *this;
}

GATEPOST_DECL verdict& verdict::add_tag(std::string name, std::string value) & {
  more().tags.push_back({std::move(name), std::move(value)});
  return *this;
}

GATEPOST_DECL verdict& verdict::score(double points) & {
  more().score += points;
  return *this;
}

GATEPOST_DECL verdict& verdict::policy_class(std::string name) & {
  std::string& all = more().policy_class;
  if (!all.empty() && !name.empty()) all += ' ';
  all += name;
  return *this;
}

GATEPOST_DECL verdict& verdict::for_recipient(std::size_t index, verdict v) & {
  more().recipients.emplace_back(index, std::move(v));
  return *this;
}

GATEPOST_DECL std::string_view verdict::reason() const {
  return reason_.empty() ? reply_.text() : std::string_view(reason_);
}

GATEPOST_DECL verdict::effects& verdict::more() {
  if (!effects_) effects_ = std::make_unique<effects>();
  return *effects_;
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_VERDICT_IPP
