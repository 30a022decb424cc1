// The text of a kept message, block by block; and the same text as header edits change it.
//
// Reading may wait for the disk. A reader belongs to one thread at a time.
#ifndef GATEPOST_ROUTING_BODY_READER_HPP
#define GATEPOST_ROUTING_BODY_READER_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "smtp/config.hpp"
#include "smtp/header_edits.hpp"
#include "smtp/result.hpp"

namespace gatepost::routing {

class body_reader {
 public:
  virtual ~body_reader() = default;

  // Octets of the whole text.
  virtual std::uint64_t size() const = 0;

  // The next octets, good until the next call; empty at the end. After an error there is no more.
  // Errors: spool_failed; spool_corrupt, which comes before the last octets: the text is not as
  // long as it has to be, or not what was written.
  virtual smtp::result<std::string_view> next() = 0;
};

// A text that is held in memory.
class memory_body final : public body_reader {
 public:
  explicit memory_body(std::string text) : text_(std::move(text)) {}

  std::uint64_t size() const override { return text_.size(); }
  GATEPOST_DECL smtp::result<std::string_view> next() override;

 private:
  std::string text_;
  bool read_ = false;
};

// What next hops get to see: the fields on top, then the text without the octets left out.
class edited_body final : public body_reader {
 public:
  GATEPOST_DECL edited_body(std::unique_ptr<body_reader> original, smtp::header_edits edits);

  GATEPOST_DECL std::uint64_t size() const override;
  GATEPOST_DECL smtp::result<std::string_view> next() override;

 private:
  GATEPOST_DECL std::string_view take();

  std::unique_ptr<body_reader> original_;
  smtp::header_edits edits_;
  std::string_view block_;    // what is left of the original's last block
  std::uint64_t offset_ = 0;  // of that, in the original
  std::size_t erased_ = 0;    // erased ranges that are behind us
  bool prepended_ = false;
};

}  // namespace gatepost::routing

#ifndef GATEPOST_SEPARATE_COMPILATION
#include "routing/impl/body_reader.ipp"
#endif

#endif  // GATEPOST_ROUTING_BODY_READER_HPP
