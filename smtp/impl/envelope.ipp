#ifndef GATEPOST_SMTP_IMPL_ENVELOPE_IPP
#define GATEPOST_SMTP_IMPL_ENVELOPE_IPP

#include "smtp/envelope.hpp"

namespace gatepost::smtp {

GATEPOST_DECL void envelope::begin(const mail_command& command) {
  clear();
  active_ = true;
  reverse_path_.assign(command.reverse_path.box);
  const mail_parameters& p = command.parameters;
  size_ = p.size;
  body_ = p.body;
  smtputf8_ = p.smtputf8;
  requiretls_ = p.requiretls;
  prdr_ = p.prdr;
  ret_ = p.ret;
  envid_.assign(p.envid);
  if (p.auth) auth_.assign(*p.auth);
  solicit_.assign(p.solicit);
}

GATEPOST_DECL recipient& envelope::add(const rcpt_command& command) {
  if (count_ == recipients_.size()) recipients_.emplace_back();
  recipient& r = recipients_[count_++];
  r.forward_path.assign(command.forward_path.box);
  r.notify = command.parameters.notify;
  r.orcpt.assign(command.parameters.orcpt);
  r.route.clear();
  r.policy_class.clear();
  return r;
}

GATEPOST_DECL void envelope::take_back() {
  if (count_ > 0) --count_;
}

GATEPOST_DECL void envelope::clear() {
  active_ = smtputf8_ = requiretls_ = prdr_ = false;
  body_ = body_type::seven_bit;
  ret_ = dsn_return::unspecified;
  size_.reset();
  reverse_path_.assign({});
  envid_.clear();
  auth_.clear();
  solicit_.clear();
  count_ = 0;
  if (recipients_.size() > kept_recipients) {
    recipients_.resize(kept_recipients);
    recipients_.shrink_to_fit();
  }
}

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_IMPL_ENVELOPE_IPP
