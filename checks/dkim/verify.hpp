// Verifies the DKIM signatures of one message: RFC 6376 §6 with RFC 8301 and RFC 8463, sans-I/O.
//
//     verification v(options, now);
//     v.header(header);                                   // reads the signatures
//     for (const std::string& name : v.questions()) ...   // TXT records to ask for
//     v.answer(0, txt);                                   // in any order, at any time before
//     finish() v.body(piece); ...                                  // the body, in pieces of any
//     size const report r = v.finish();
//
// After header() nothing of the header is referred to. One thread at a time.
#ifndef GATEPOST_CHECKS_DKIM_VERIFY_HPP
#define GATEPOST_CHECKS_DKIM_VERIFY_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks/dkim/body_hash.hpp"
#include "checks/dkim/header_hash.hpp"
#include "checks/dkim/key.hpp"
#include "checks/dkim/result.hpp"
#include "checks/dkim/signature.hpp"
#include "smtp/config.hpp"
#include "smtp/dns/answer.hpp"
#include "smtp/header_reader.hpp"
#include "smtp/result.hpp"

namespace gatepost::checks::dkim {

struct verify_options {
  // Signatures that are looked at, from the top. Each may cost a DNS question, a hash of the body
  // and 0.3 ms; mail that has passed several lists has five.
  std::size_t max_signatures = 10;

  key_policy keys = {};

  // Keys that were read are kept here. Outlives the verification; without one each is read anew.
  key_cache* cache = nullptr;

  // What a signature by rsa-sha1 gets. RFC 8301 §3.1: it has permanently failed; `policy` says that
  // it is we who do not want it.
  outcome weak_algorithm = outcome::permerror;

  // What a right signature gets that leaves octets at the end of the body unsigned: anybody may
  // have added them (RFC 6376 §8.2). `pass` takes it as the RFC lets one.
  outcome unsigned_octets = outcome::policy;

  // What a right signature gets whose x= has passed (RFC 6376 §6.1.1).
  outcome expired = outcome::permerror;
  // How much later than x= it still counts. Nothing: mail may wait for days, and clocks are right.
  std::chrono::seconds expiry_grace{0};

  // A t= that is further ahead than this is a permerror. RFC 6376 §3.5 allows it; none: t= is not
  // looked at, since a wrong clock of the signer does no harm.
  std::optional<std::chrono::seconds> future_limit = std::nullopt;
};

class verification {
 public:
  using time_point = std::chrono::system_clock::time_point;

  GATEPOST_DECL verification(const verify_options& options, time_point now);

  // The message's header; `text` is what the fields' offsets count in. Once, before all others.
  GATEPOST_DECL void header(std::string_view text, const smtp::result<smtp::header_view>& fields);

  // Names whose TXT records are wanted, each once.
  const std::vector<std::string>& questions() const { return questions_; }
  // What the DNS said of questions()[question].
  GATEPOST_DECL void answer(std::size_t question, const smtp::dns::answer<std::string>& txt);

  // False: no signature needs the body.
  bool wants_body() const { return !hashes_.empty(); }
  // The next octets behind the header's empty line.
  void body(std::string_view text) { hashes_.update(text); }

  // All has come in. A question that was not answered is a temporary error. Once.
  GATEPOST_DECL report finish();

 private:
  struct candidate {
    signature_result result;
    dkim::signature signature;
    digest header = {};
    std::size_t question = 0;
    std::size_t body = 0;
    std::optional<public_key> key;
    bool open = false;  // nothing is decided yet
    bool answered = false;
  };

  candidate read(const header_text& header, const smtp::field_view& field);
  std::optional<signature_result> objection(const signature& s) const;
  std::size_t ask(const std::string& name);
  void conclude(candidate& c) const;
  void accept(candidate& c) const;

  verify_options options_;
  std::int64_t now_;
  std::vector<candidate> candidates_;
  std::vector<std::string> questions_;
  body_hashes hashes_;
  std::size_t skipped_ = 0;
};

}  // namespace gatepost::checks::dkim

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dkim/impl/verify.ipp"
#endif

#endif  // GATEPOST_CHECKS_DKIM_VERIFY_HPP
