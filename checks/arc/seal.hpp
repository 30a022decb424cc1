// Seals a message: makes the next ARC set (RFC 8617 §5.1), sans-I/O.
//
// The body goes through first; then seal() writes the three fields from the header, what the checks
// found, and how the chain stands. The tags are sorted by name, which is how ARC's test suite wants
// to compare them.
//
//     sealing s(options);
//     s.body(piece); ...
//     const auto fields = s.seal(header, key, {"mx.example.test", "spf=pass ..."}, status, now);
//     if (fields) put *fields on top of the message
#ifndef GATEPOST_CHECKS_ARC_SEAL_HPP
#define GATEPOST_CHECKS_ARC_SEAL_HPP

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "checks/arc/result.hpp"
#include "checks/dkim/body_hash.hpp"
#include "checks/dkim/header_hash.hpp"
#include "checks/dkim/problem.hpp"
#include "checks/dkim/sign.hpp"
#include "smtp/config.hpp"

namespace gatepost::checks::arc {

// RFC 8617 §4.1.2: as DKIM's, with its signatures; no Authentication-Results, which are taken off
// on the way, and no seals.
GATEPOST_DECL std::vector<std::string> default_signed_fields();

struct seal_options {
  // Names in h= of the message signature: as often as the message has such a field, and at least
  // once; DKIM-Signature only as often as there is one, since the next handler may sign.
  std::vector<std::string> fields = default_signed_fields();

  // How the signatures are written. ARC's test suite signs them whole.
  dkim::b_layout layout = dkim::b_layout::folded;
};

// What stands in ARC-Authentication-Results behind the instance.
struct found_results {
  std::string authserv_id;  // who found it (RFC 8601 §2.5)
  std::string results;      // "spf=pass smtp.mailfrom=...; dkim=pass ..."; empty: "none"
};

namespace detail {
struct set_writer;
}

class sealing {
 public:
  using time_point = std::chrono::system_clock::time_point;

  GATEPOST_DECL explicit sealing(seal_options options = {});

  // The next octets behind the header's empty line.
  void body(std::string_view text) { hashes_.update(text); }

  // The three fields, each with its CRLF, ARC-Seal first. `status` is how the chain stood when the
  // message came in. Problems: the chain was sealed as failed before, or has 50 sets (RFC 8617
  // §5.1: nothing is added then); no memory. Once.
  GATEPOST_DECL dkim::parsed<std::string> seal(const dkim::header_text& header,
                                               const dkim::signing_key& key,
                                               const found_results& found, chain_status status,
                                               time_point now);

 private:
  std::vector<std::string> names(const dkim::header_text& header) const;
  std::string message_signature(const dkim::header_text& header, const detail::set_writer& writer);

  seal_options options_;
  dkim::body_hashes hashes_;
};

// The results of the message's own Authentication-Results fields by `authserv_id`, in whatever
// spelling (same_authserv_id()), joined: what a handler that did not check itself may seal. Empty:
// there are none, or they say "none".
GATEPOST_DECL std::string results_of(const dkim::header_text& header, std::string_view authserv_id);

// How the chain stood by such results, their arc=; none where they do not say, fail where they
// contradict each other.
GATEPOST_DECL chain_status status_of(std::string_view results);

}  // namespace gatepost::checks::arc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/arc/impl/seal.ipp"
#endif

#endif  // GATEPOST_CHECKS_ARC_SEAL_HPP
