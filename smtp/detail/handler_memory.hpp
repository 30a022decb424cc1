// Memory for an asynchronous operation of which one is on at a time.
//
// Asio puts an operation that has begun into memory that it asks for, and where a coroutine begins
// it, a lack of memory ends the program: await_suspend() cannot throw. What waits with
// `in_memory(memory, handler)` has its memory already. The handler keeps alive what has the memory.
#ifndef GATEPOST_SMTP_DETAIL_HANDLER_MEMORY_HPP
#define GATEPOST_SMTP_DETAIL_HANDLER_MEMORY_HPP

#include <cstddef>
#include <new>
#include <system_error>
#include <utility>

namespace gatepost::smtp::detail {

class handler_memory {
 public:
  handler_memory() = default;
  handler_memory(const handler_memory&) = delete;
  handler_memory& operator=(const handler_memory&) = delete;

  void* take(std::size_t octets) {
    if (taken_ || octets > sizeof room_) return ::operator new(octets);
    taken_ = true;
    return room_;
  }
  void give_back(void* memory) noexcept {
    if (memory == room_)
      taken_ = false;
    else
      ::operator delete(memory);
  }

 private:
  // Twice what Asio's largest wait takes.
  alignas(std::max_align_t) unsigned char room_[256];
  bool taken_ = false;
};

template <class T>
struct handler_allocator {
  using value_type = T;

  explicit handler_allocator(handler_memory& m) noexcept : memory(&m) {}
  template <class U>
  handler_allocator(const handler_allocator<U>& other) noexcept : memory(other.memory) {}

  T* allocate(std::size_t n) { return static_cast<T*>(memory->take(n * sizeof(T))); }
  void deallocate(T* p, std::size_t) noexcept { memory->give_back(p); }

  template <class U>
  bool operator==(const handler_allocator<U>& other) const noexcept {
    return memory == other.memory;
  }

  handler_memory* memory;
};

// A handler without an executor of its own whose operation lies in `memory`.
template <class Function>
struct in_memory {
  using allocator_type = handler_allocator<void>;

  in_memory(handler_memory& m, Function f) : memory(&m), function(std::move(f)) {}

  allocator_type get_allocator() const noexcept { return allocator_type(*memory); }
  void operator()(std::error_code ec) { function(ec); }
  void operator()() { function(); }

  handler_memory* memory;
  Function function;
};

}  // namespace gatepost::smtp::detail

#endif  // GATEPOST_SMTP_DETAIL_HANDLER_MEMORY_HPP
