// The hashes of one body that several signatures ask for, computed while it streams past.
//
// What two signatures have in common is done once: a canonical form, and a hash of the same form
// and length. Memory is constant; nothing of the body is kept. One thread; no I/O.
//
//     body_hashes hashes;
//     const auto index = hashes.want(canonicalization::relaxed, std::nullopt);
//     hashes.update(piece); ...
//     hashes.finish();
//     use(hashes.hash(index));
#ifndef GATEPOST_CHECKS_DKIM_BODY_HASH_HPP
#define GATEPOST_CHECKS_DKIM_BODY_HASH_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "checks/dkim/canonical.hpp"
#include "checks/dkim/crypto.hpp"
#include "smtp/config.hpp"

namespace gatepost::checks::dkim {

class body_hashes {
 public:
  // Asks for the hash of the first `length` octets of that canonical form, or of all. Only before
  // the first update(). The index for hash().
  GATEPOST_DECL std::size_t want(canonicalization how, std::optional<std::uint64_t> length);

  bool empty() const noexcept { return jobs_.empty(); }

  // Octets of the body in order, in pieces of any size.
  GATEPOST_DECL void update(std::string_view text);
  // The body has ended. Once.
  GATEPOST_DECL void finish();

  // After finish().
  const digest& hash(std::size_t index) const { return jobs_[index].hash; }
  // Octets of the canonical form that hash() leaves out, by its length.
  GATEPOST_DECL std::uint64_t octets_behind(std::size_t index) const;
  // The length that was asked for is more than there is.
  GATEPOST_DECL bool too_short(std::size_t index) const;

 private:
  struct job {
    canonicalization how;
    std::optional<std::uint64_t> length;
    sha256 state = {};
    std::uint64_t taken = 0;
    digest hash = {};
  };
  struct form {
    body_canonicalizer canonical;
    std::uint64_t octets = 0;
  };

  void take(form& f, std::string_view octets);
  const form& form_of(canonicalization how) const {
    return forms_[how == canonicalization::simple ? 0 : 1];
  }
  bool wanted(canonicalization how) const;

  std::array<form, 2> forms_{form{body_canonicalizer(canonicalization::simple)},
                             form{body_canonicalizer(canonicalization::relaxed)}};
  std::vector<job> jobs_;
};

// Finds the body in a message that comes in pieces: behind the header's octets and the empty line.
class body_finder {
 public:
  body_finder() = default;
  // `header_octets`: all lines of the header, without the empty line behind them.
  explicit body_finder(std::uint64_t header_octets) : skip_(header_octets) {}

  // What of the message's next octets belongs to the body: at most two pieces, for `sink`.
  template <class Sink>
  void update(std::string_view text, Sink&& sink) {
    const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, text.size()));
    skip_ -= skipped;
    text.remove_prefix(skipped);
    if (where_ == place::line_start && !text.empty()) {
      where_ = text.front() == '\r' ? place::cr : place::body;
      if (where_ == place::cr) text.remove_prefix(1);
    }
    if (where_ == place::cr && !text.empty()) {
      where_ = place::body;
      // RFC 5322 §2.1: the empty line. Another line that is no field belongs to the body.
      if (text.front() == '\n')
        text.remove_prefix(1);
      else
        sink(std::string_view("\r"));
    }
    if (!text.empty()) sink(text);
  }

 private:
  enum class place : std::uint8_t { line_start, cr, body };

  std::uint64_t skip_ = 0;
  place where_ = place::line_start;
};

}  // namespace gatepost::checks::dkim

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "checks/dkim/impl/body_hash.ipp"
#endif

#endif  // GATEPOST_CHECKS_DKIM_BODY_HASH_HPP
