#ifndef GATEPOST_ROUTING_IMPL_BODY_READER_IPP
#define GATEPOST_ROUTING_IMPL_BODY_READER_IPP

#include <algorithm>
#include <utility>

#include "routing/body_reader.hpp"

namespace gatepost::routing {

GATEPOST_DECL smtp::result<std::string_view> memory_body::next() {
  if (std::exchange(read_, true)) return std::string_view{};
  return std::string_view(text_);
}

GATEPOST_DECL edited_body::edited_body(std::unique_ptr<body_reader> original,
                                       smtp::header_edits edits)
    : original_(std::move(original)), edits_(std::move(edits)) {}

GATEPOST_DECL std::uint64_t edited_body::size() const {
  const std::uint64_t whole = original_->size();
  std::uint64_t kept = whole;
  for (const smtp::octet_range& range : edits_.erased()) {
    if (range.offset >= whole) break;
    kept -= std::min<std::uint64_t>(range.size, whole - range.offset);
  }
  return edits_.prepended().size() + kept;
}

GATEPOST_DECL smtp::result<std::string_view> edited_body::next() {
  if (!std::exchange(prepended_, true) && !edits_.prepended().empty()) {
    return std::string_view(edits_.prepended());
  }
  for (;;) {
    if (block_.empty()) {
      const auto block = original_->next();
      if (!block || block->empty()) return block;
      block_ = *block;
    }
    const std::string_view kept = take();
    if (!kept.empty()) return kept;
  }
}

// Takes from the block what lies before the next erased range, or the part of that range it begins
// with.
GATEPOST_DECL std::string_view edited_body::take() {
  std::uint64_t wanted = block_.size();
  bool keep = true;
  if (erased_ < edits_.erased().size()) {
    const smtp::octet_range& range = edits_.erased()[erased_];
    keep = offset_ < range.offset;
    wanted = std::min<std::uint64_t>(wanted, (keep ? range.offset : range.end()) - offset_);
    if (!keep && offset_ + wanted == range.end()) ++erased_;
  }
  const std::string_view taken = block_.substr(0, wanted);
  block_.remove_prefix(wanted);
  offset_ += wanted;
  return keep ? taken : std::string_view{};
}

}  // namespace gatepost::routing

#endif  // GATEPOST_ROUTING_IMPL_BODY_READER_IPP
