#include "describe.hpp"

#include "smtp/address.hpp"
#include "smtp/errc.hpp"

namespace consumer {

std::string describe(std::string_view reverse_path) {
  const auto sender = gatepost::smtp::parse_reverse_path(reverse_path);
  if (!sender) return "error: " + make_error_code(sender.error()).message();
  if (sender->is_null()) return "null sender";
  return "domain: " + std::string(sender->box.domain);
}

}  // namespace consumer
