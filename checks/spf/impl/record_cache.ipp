#ifndef GATEPOST_CHECKS_SPF_IMPL_RECORD_CACHE_IPP
#define GATEPOST_CHECKS_SPF_IMPL_RECORD_CACHE_IPP

#include "checks/spf/record_cache.hpp"

namespace gatepost::checks::spf {

GATEPOST_DECL owned_record::owned_record(std::string_view text)
    : text_(text), parsed_(parse_record(text_)) {}

GATEPOST_DECL std::size_t owned_record::octets() const {
  return sizeof(*this) + text_.capacity() + 1 + parsed_.problem.capacity() + 1 +
         parsed_.record.directives.capacity() * sizeof(directive);
}

}  // namespace gatepost::checks::spf

#endif  // GATEPOST_CHECKS_SPF_IMPL_RECORD_CACHE_IPP
