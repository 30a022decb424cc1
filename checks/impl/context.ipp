#ifndef GATEPOST_CHECKS_IMPL_CONTEXT_IPP
#define GATEPOST_CHECKS_IMPL_CONTEXT_IPP

#include "checks/context.hpp"

namespace gatepost::checks {

GATEPOST_DECL const smtp::result<smtp::header_view>& context::fields() const {
  if (!cache_->fields) cache_->fields.emplace(smtp::read_header(header_));
  return *cache_->fields;
}

GATEPOST_DECL void context::enter(smtp::stage s, std::string_view header, std::uint64_t size) {
  stage_ = s;
  header_ = header;
  size_ = size;
  cache_->fields.reset();
}

GATEPOST_DECL std::shared_ptr<detail::snapshot> context::take_snapshot() const {
  auto copy = std::make_shared<detail::snapshot>();
  copy->facts = *facts_;
  copy->envelope = *envelope_;
  copy->header = header_;
  return copy;
}

GATEPOST_DECL void context::show(std::shared_ptr<detail::snapshot> copy) {
  kept_ = std::move(copy);
  facts_ = &kept_->facts;
  envelope_ = &kept_->envelope;
  header_ = kept_->header;
  cache_ = &kept_->cache;
}

}  // namespace gatepost::checks

#endif  // GATEPOST_CHECKS_IMPL_CONTEXT_IPP
