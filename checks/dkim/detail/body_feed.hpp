// The body of a message for a check: on_body() gives octets of the whole message, in part before
// on_header_end() says where the header ends.
#ifndef GATEPOST_CHECKS_DKIM_DETAIL_BODY_FEED_HPP
#define GATEPOST_CHECKS_DKIM_DETAIL_BODY_FEED_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "checks/dkim/body_hash.hpp"
#include "smtp/header_reader.hpp"

namespace gatepost::checks::dkim::detail {

class body_feed {
 public:
  // The header has this many octets.
  template <class Sink>
  void header_end(std::uint64_t octets, Sink&& sink) {
    const std::uint64_t left = octets - std::min(octets, seen_);
    const auto early = static_cast<std::size_t>(
        std::min<std::uint64_t>(seen_ - std::min(octets, seen_), tail_.size()));
    finder_ = body_finder(left);
    known_ = true;
    finder_.update(std::string_view(tail_).substr(tail_.size() - early), sink);
    std::string().swap(tail_);
  }

  // The next octets of the message.
  template <class Sink>
  void update(std::string_view text, Sink&& sink) {
    if (known_) return finder_.update(text, sink);
    seen_ += text.size();
    tail_ += text;
    if (tail_.size() > kept) tail_.erase(0, tail_.size() - kept);
  }

 private:
  // A header that has not ended may be followed by what turns out to be no field, and body.
  static constexpr std::size_t kept = smtp::max_field_name_octets + 2;

  body_finder finder_;
  bool known_ = false;
  std::uint64_t seen_ = 0;
  std::string tail_;
};

}  // namespace gatepost::checks::dkim::detail

#endif  // GATEPOST_CHECKS_DKIM_DETAIL_BODY_FEED_HPP
