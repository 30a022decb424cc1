#ifndef GATEPOST_CHECKS_DMARC_IMPL_PUBLIC_SUFFIX_IPP
#define GATEPOST_CHECKS_DMARC_IMPL_PUBLIC_SUFFIX_IPP

#include <libpsl.h>

#include <utility>

#include "checks/dmarc/public_suffix.hpp"
#include "checks/dmarc/tree_walk.hpp"

namespace gatepost::checks::dmarc {

GATEPOST_DECL std::optional<public_suffix_list> public_suffix_list::load(
    const std::filesystem::path& file) {
  psl_ctx_t* const list = psl_load_file(file.c_str());
  if (list == nullptr) return std::nullopt;
  std::shared_ptr<const psl_ctx_st> owned(list,
                                          [list](const psl_ctx_st*) noexcept { psl_free(list); });
  // A file of anything else gives a list without a rule.
  if (psl_suffix_count(list) <= 0) return std::nullopt;
  return public_suffix_list(std::move(owned));
}

GATEPOST_DECL std::optional<public_suffix_list> public_suffix_list::system() {
  if (psl_ctx_t* const list = psl_latest(nullptr); list != nullptr) {
    return public_suffix_list(std::shared_ptr<const psl_ctx_st>(
        list, [list](const psl_ctx_st*) noexcept { psl_free(list); }));
  }
  return std::nullopt;
}

GATEPOST_DECL std::optional<std::string> public_suffix_list::registrable_domain(
    std::string_view domain) const {
  const auto name = canonical_name(domain);
  if (!name) return std::nullopt;
  const char* const found = psl_registrable_domain(list_.get(), name->c_str());
  if (found == nullptr) return std::nullopt;
  return std::string(found);
}

}  // namespace gatepost::checks::dmarc

#endif  // GATEPOST_CHECKS_DMARC_IMPL_PUBLIC_SUFFIX_IPP
