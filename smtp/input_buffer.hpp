// What a connection has sent and nobody has read yet, in memory that is only held while there is
// some.
//
// Buffers are lent by a `buffer_pool`, one per I/O thread: a session that waits for input holds
// none, so that ten thousand idle sessions cost nothing, and one that reads gets the block which
// the thread used last and still has in its cache. Not thread-safe.
#ifndef GATEPOST_SMTP_INPUT_BUFFER_HPP
#define GATEPOST_SMTP_INPUT_BUFFER_HPP

#include <cassert>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "smtp/config.hpp"

namespace gatepost::smtp {

class buffer_pool {
 public:
  struct block {
    std::unique_ptr<char[]> memory;
    std::size_t size = 0;
  };

  // Blocks that the pool keeps when they come back.
  static constexpr std::size_t kept = 16;

  // Room for all of them: giving back must not fail.
  buffer_pool() { free_.reserve(kept); }

  block take(std::size_t size) {
    for (std::size_t i = free_.size(); i-- > 0;) {
      if (free_[i].size != size) continue;
      block b = std::move(free_[i]);
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
      return b;
    }
    return {std::unique_ptr<char[]>(new char[size]), size};
  }

  void give_back(block b) noexcept {
    if (free_.size() < kept) free_.push_back(std::move(b));
  }

 private:
  std::vector<block> free_;
};

class input_buffer {
 public:
  explicit input_buffer(buffer_pool& pool) : pool_(&pool) {}
  input_buffer(const input_buffer&) = delete;
  input_buffer& operator=(const input_buffer&) = delete;
  ~input_buffer() { release(); }

  std::string_view view() const { return {block_.memory.get() + begin_, end_ - begin_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }

  // Room behind what is there, in a block of `size` octets; moves what is there, so that views into
  // it end. Empty where the block is full.
  std::span<char> prepare(std::size_t size) {
    if (empty()) begin_ = end_ = 0;
    if (block_.size < size) grow(size);
    if (begin_ > 0) {
      std::memmove(block_.memory.get(), block_.memory.get() + begin_, this->size());
      end_ -= begin_;
      begin_ = 0;
    }
    return {block_.memory.get() + end_, block_.size - end_};
  }

  void commit(std::size_t octets) {
    assert(end_ + octets <= block_.size);
    end_ += octets;
  }

  void consume(std::size_t octets) {
    assert(octets <= size());
    begin_ += octets;
  }

  void clear() { begin_ = end_ = 0; }

  // Gives the memory back where nothing is in it.
  void release_if_empty() {
    if (empty()) release();
  }

 private:
  void grow(std::size_t size) {
    buffer_pool::block larger = pool_->take(size);
    if (!empty()) std::memcpy(larger.memory.get(), block_.memory.get() + begin_, this->size());
    end_ -= begin_;
    begin_ = 0;
    if (block_.memory) pool_->give_back(std::move(block_));
    block_ = std::move(larger);
  }

  void release() {
    if (block_.memory) pool_->give_back(std::move(block_));
    block_ = {};
    begin_ = end_ = 0;
  }

  buffer_pool* pool_;
  buffer_pool::block block_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace gatepost::smtp

#endif  // GATEPOST_SMTP_INPUT_BUFFER_HPP
