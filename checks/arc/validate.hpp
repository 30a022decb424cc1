// Validates the ARC chain of one message: RFC 8617 §5.2, sans-I/O.
//
// Used as dkim::verification is: header(), then the questions to the DNS and the body in any order,
// then finish(). After header() nothing of the header is referred to. One thread at a time.
#ifndef GATEPOST_CHECKS_ARC_VALIDATE_HPP
#define GATEPOST_CHECKS_ARC_VALIDATE_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks/arc/chain.hpp"
#include "checks/arc/result.hpp"
#include "checks/dkim/body_hash.hpp"
#include "checks/dkim/key.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/answer.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/result.hpp"

namespace gatepost::checks::arc {

// Whether RFC 8617 §5.2 step 5 is done, which decides nothing.
enum class find_oldest_pass : std::uint8_t { no, yes };

struct validate_options {
  dkim::key_policy keys = {};
  // Keys that were read are kept here. Outlives the validation; without one each is read anew.
  dkim::key_cache* cache = nullptr;

  // Sets that are looked at; a longer chain fails. RFC 8617 §4.2.1: up to 50. Each costs a question
  // to the DNS and 0.1 ms.
  unsigned max_sets = dkim::max_arc_instance;

  // Costs a hash and a signature for each set.
  find_oldest_pass oldest_pass = find_oldest_pass::no;

  // Domains whose seals are believed; their subdomains too. For report::trusted_from.
  std::vector<std::string> trusted_sealers = {};
};

class validation {
 public:
  using time_point = std::chrono::system_clock::time_point;

  GATEPOST_DECL validation(validate_options options, time_point now);

  // As dkim::verification::header().
  GATEPOST_DECL void header(std::string_view text, const smtp::result<smtp::header_view>& fields);

  // Names whose TXT records are wanted, each once.
  const std::vector<std::string>& questions() const { return questions_; }
  GATEPOST_DECL void answer(std::size_t question, const smtp::dns::answer<std::string>& txt);

  bool wants_body() const { return !hashes_.empty(); }
  void body(std::string_view text) { hashes_.update(text); }

  // Once.
  GATEPOST_DECL report finish();

 private:
  // One signature that has to be right.
  struct job {
    dkim::signature signature;
    dkim::digest header = {};
    std::size_t question = 0;
    std::optional<std::size_t> body;  // of a message signature
    std::optional<dkim::public_key> key;
    std::string_view wrong = "the key could not be fetched";
    bool temporary = true;  // that is why
  };

  void fail(std::string_view why);
  job make_job(dkim::signature s, const dkim::digest& header);
  std::string_view judge(const job& j) const;
  void find_oldest();
  void find_trusted();

  validate_options options_;
  std::int64_t now_;
  report report_;
  std::vector<job> seals_;     // from the first set on
  std::vector<job> messages_;  // likewise; without oldest_pass only the last one
  std::vector<std::string> questions_;
  dkim::body_hashes hashes_;
};

}  // namespace gatepost::checks::arc

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/arc/impl/validate.ipp"
#endif

#endif  // GATEPOST_CHECKS_ARC_VALIDATE_HPP
