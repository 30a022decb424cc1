// Runs the readers and the writer of message text over octets that arrive in any split.
//
// Every part stands in memory of exactly its size, so that AddressSanitizer sees a read behind it,
// and is gone when the next part arrives, so that it sees a view that was kept.
#ifndef GATEPOST_TESTS_SUPPORT_DATA_RUNS_HPP
#define GATEPOST_TESTS_SUPPORT_DATA_RUNS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "smtp/data_reader.hpp"
#include "smtp/data_writer.hpp"
#include "tests/support/reference_data_decoder.hpp"

namespace gatepost::tests {

class guarded_octets {
 public:
  explicit guarded_octets(std::string_view octets)
      : memory_(new char[octets.size()]), size_(octets.size()) {
    if (size_ != 0) std::memcpy(memory_.get(), octets.data(), size_);
  }
  std::string_view view() const { return {memory_.get(), size_}; }

 private:
  std::unique_ptr<char[]> memory_;
  std::size_t size_;
};

// The parts of a text that is cut at the given ascending offsets.
inline std::vector<std::string_view> cut(std::string_view text, std::span<const std::size_t> at) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  for (const std::size_t end : at) {
    parts.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  parts.push_back(text.substr(begin));
  return parts;
}

// The parts of a text that arrives in reads of one size.
inline std::vector<std::string_view> cut_every(std::string_view text, std::size_t size) {
  std::vector<std::string_view> parts;
  for (; text.size() > size; text.remove_prefix(size)) parts.push_back(text.substr(0, size));
  parts.push_back(text);
  return parts;
}

// The parts of a text that arrives in reads of many sizes, 0 included; the seed says which.
inline std::vector<std::string_view> cut_by_seed(std::string_view text, unsigned seed) {
  std::vector<std::string_view> parts;
  const unsigned most = seed % 3 == 0 ? 4 : seed % 3 == 1 ? 80 : 400;
  std::uint32_t state = seed;
  while (!text.empty()) {
    state = state * 1664525 + 1013904223;
    parts.push_back(text.substr(0, (state >> 16) % most));
    text.remove_prefix(parts.back().size());
  }
  return parts;
}

template <class Reader>
void note_result(reference_data& out, const Reader& reader) {
  for (const auto v : smtp::all_violations) {
    if (reader.seen().has(v)) out.violations.emplace(v, reader.seen().at(v));
  }
  if (reader.size() != out.text.size()) throw std::logic_error("size() is not that of the text");
}

// Feeds one part; the text of the steps goes to `out`. Returns whether the end was read.
template <class Reader>
bool feed(Reader& reader, std::string_view part, reference_data& out) {
  const guarded_octets octets(part);
  std::string_view input = octets.view();
  while (!input.empty()) {
    const smtp::data_step step = reader.next(input);
    if (!step.end && step.consumed == 0 && step.text.empty())
      throw std::logic_error("it stands still");
    out.text += step.text;
    out.consumed += step.consumed;
    input.remove_prefix(step.consumed);
    if (step.end) return true;
  }
  return false;
}

inline reference_data read_data(smtp::data_options options,
                                const std::vector<std::string_view>& parts) {
  smtp::data_reader reader(options);
  reference_data out;
  for (const std::string_view part : parts) {
    out.end = feed(reader, part, out);
    if (out.end) break;
  }
  note_result(out, reader);
  return out;
}

// Each chunk is one BDAT, the last one with LAST, and arrives in reads of `read` octets.
inline reference_data read_chunks(smtp::data_options options, smtp::chunk_body body,
                                  const std::vector<std::string>& chunks, std::size_t read,
                                  bool* ends_in_crlf = nullptr) {
  smtp::chunk_reader reader(options, body);
  reference_data out;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    out.end = i + 1 == chunks.size();
    reader.begin(chunks[i].size(), out.end);
    bool chunk_end = false;
    for (const std::string_view part : cut_every(chunks[i], read))
      chunk_end = feed(reader, part, out);
    if (chunks[i].empty()) {
      const smtp::data_step step = reader.next({});
      chunk_end = step.end;
      out.text += step.text;
    }
    if (!chunk_end || reader.remaining() != 0) throw std::logic_error("the chunk has no end");
  }
  if (ends_in_crlf != nullptr) *ends_in_crlf = reader.at_line_start();
  note_result(out, reader);
  return out;
}

// What data_writer sends for a text in these parts, with `views` views for each call.
inline std::string write_data(smtp::data_options options,
                              const std::vector<std::string_view>& parts, std::size_t views) {
  smtp::data_writer writer(options);
  std::vector<std::string_view> room(views);
  std::string sent;
  for (const std::string_view part : parts) {
    const guarded_octets octets(part);
    std::string_view text = octets.view();
    while (!text.empty()) {
      const auto step = writer.next(text, room);
      if (step.consumed == 0 && step.count == 0) throw std::logic_error("it stands still");
      for (std::size_t i = 0; i < step.count; ++i) sent += room[i];
      text.remove_prefix(step.consumed);
    }
  }
  return sent.append(writer.finish());
}

}  // namespace gatepost::tests

#endif  // GATEPOST_TESTS_SUPPORT_DATA_RUNS_HPP
